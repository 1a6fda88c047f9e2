"""`steadycast plan`: the pipeline that would encode here, or on somebody else's device, and why it is so."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.output import FAILED, AsJson, failing, print_json, quiet
from steadycast.cli.planning import Planned, here, known_vendors, of_fragment, recorded
from steadycast.config.load import load
from steadycast.errors import ConfigError
from steadycast.model import Codec, Rendition
from steadycast.pipelines.explain import Explanation
from steadycast.pipelines.recorded import versions
from steadycast.pipelines.work import KBPS_MAX, Picture

CODECS = {"h264": "H.264", "h265": "H.265", "av1": "AV1", "vp8": "VP8", "vp9": "VP9"}
SIZES = {"width": (16, 7680), "height": (16, 4320)}  # as in `model.Width`, `model.Height`
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")


def plan(  # noqa: PLR0913 - each is an option of the command line
    codec: Annotated[str | None, typer.Option(help="h264, h265, av1, vp8 or vp9; h264 if not given.")] = None,
    size: Annotated[str, typer.Option(help="Of the source and the encoding.")] = "1280x720",
    fps: Annotated[int, typer.Option(help="Frames a second, 1 to 240.")] = 30,
    bitrate: Annotated[int | None, typer.Option(help="kbit/s; by size and codec if not given.")] = None,
    device: Annotated[str | None, typer.Option(help="Only this one; see `steadycast devices`.")] = None,
    vendor: Annotated[str | None, typer.Option(help=f"From records: {', '.join(known_vendors())}.")] = None,
    gstreamer: Annotated[
        str | None, typer.Option(help=f"From records: {', '.join(versions())}; the newest if not given.")
    ] = None,
    fragment: Annotated[str | None, typer.Option(help="With this encoder of the config's own.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of the host.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the pipeline that would run here, or for a vendor and version from records, and why. Opens no encoder."""
    quiet()
    with failing():
        if vendor or gstreamer:
            _refuse_together({"--device": device, "--fragment": fragment, "--config": config})
            rendition, picture = _asked(codec or "h264", size, fps, bitrate)
            found = recorded(vendor, gstreamer or versions()[-1], rendition, picture)
        else:
            settings = load(config, os.environ)
            if fragment is not None:
                own = _named(settings.encoders.fragments, fragment, codec)
                rendition, picture = _asked(own.codec.value, size, fps, bitrate)
                found = of_fragment(own, rendition, picture)
            else:
                rendition, picture = _asked(codec or "h264", size, fps, bitrate)
                found = here(settings, rendition, picture, device)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        _print(found)
    if not any(one.plan for one in found):
        raise typer.Exit(FAILED)


def _refuse_together(others: dict[str, Any]) -> None:
    for name, value in others.items():
        if value is not None:
            raise ConfigError("plan.options", f"{name} does not go with --vendor and --gstreamer.")


def _named(fragments: dict[str, Any], name: str, codec: str | None) -> Any:
    if name not in fragments:
        known = f"Known: {', '.join(fragments)}." if fragments else "The config has none: [encoders.fragments.NAME]."
        raise ConfigError("fragment.unknown", f"No fragment is called {name!r}.", hint=known)
    if codec is not None and codec != fragments[name].codec.value:
        raise ConfigError("fragment.codec", f"The fragment {name!r} makes {fragments[name].codec.value}, not {codec}.")
    return fragments[name]


def _asked(codec: str, size: str, fps: int, bitrate: int | None) -> tuple[Rendition, Picture]:
    """Raises ConfigError."""
    if codec not in CODECS:
        raise ConfigError("codec.unknown", f"{codec!r} is no codec of pictures.", hint=f"Known: {', '.join(CODECS)}.")
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ConfigError("size.unclear", f"{size!r} is no size.", hint="Like 1280x720.")
    width, height = int(match[1]), int(match[2])
    for name, value in (("width", width), ("height", height)):
        low, high = SIZES[name]
        if not low <= value <= high:
            raise ConfigError("size.range", f"A {name} of {value} is not encoded: {low} to {high} are.")
    if not 1 <= fps <= 240:
        raise ConfigError("fps.range", f"{fps} frames a second are not encoded: 1 to 240 are.")
    if bitrate is not None and not 50 <= bitrate <= 2 * KBPS_MAX:
        raise ConfigError("bitrate.range", f"A bitrate of {bitrate} kbit/s is not made: 50 to {2 * KBPS_MAX} are.")
    rendition = Rendition("plan", Codec(codec).value, bitrate_kbps=bitrate)  # type: ignore[arg-type]  # of pictures
    return rendition, Picture(width, height, float(fps))


def _print(found: Sequence[Planned]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for number, one in enumerate(found):
        if number:
            console.print()
        console.print(f"[bold]{escape(one.device)}[/]  {escape(one.name)}")
        if one.plan is None:
            for why in one.refused:
                console.print(f"  [yellow]no plan[/]  {escape(why)}")
            if one.hint:
                console.print(f"  [dim]{escape(one.hint)}[/]")
        else:
            _print_plan(console, one.plan, one.gstreamer)
    if not found:
        console.print("Nothing of this vendor encodes this codec.")


def _print_plan(console: Console, plan: Explanation, version: str) -> None:
    memory = plan.memory or "system memory"
    console.print(
        f"  {CODECS[plan.codec]} {plan.width}x{plan.height} at {plan.fps:g} fps, {plan.bitrate_kbps} kbit/s, "
        f"a keyframe each {plan.keyframe_frames} frames"
    )
    console.print(f"  by [green]{escape(plan.element)}[/] of GStreamer {escape(version)}, which gets it in {memory}")
    console.print(f"  from {escape(' and '.join(plan.path))}\n")
    *before, last = plan.launch
    console.print("  gst-launch-1.0 \\")
    for part in before:
        console.print(f"    {escape(part)} ! \\")
    console.print(f"    {escape(last)}\n")
    _print_why(console, plan)


def _print_why(console: Console, plan: Explanation) -> None:
    wide = max((len(choice.want) for choice in plan.choices), default=0)
    settings = [f"{choice.property}={choice.value}" for choice in plan.choices]
    wider = min(40, max(map(len, settings), default=0))
    for choice, setting in zip(plan.choices, settings, strict=True):
        live = "  [dim]may change while it plays[/]" if choice.live else ""
        console.print(f"  {choice.want:<{wide}}  {escape(setting):<{wider}}{live}".rstrip())
    for text in plan.left_out:
        console.print(f"  [dim]left out: {escape(text)}[/]")
    for text in plan.notes:
        console.print(f"  [yellow]note: {escape(text)}[/]")
