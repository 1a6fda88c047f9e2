"""`steadycast doctor`: what is on this machine, what is missing, which encoders are used and why, and what to type."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.findings import Finding, apt_line, worst
from steadycast.cli.output import FAILED, AsJson, failing, print_json, quiet

if TYPE_CHECKING:
    from steadycast.cli.findings_encoders import EncoderRow

_COLUMN = 20  # characters at most that the names of things take
_SIGNS = {"good": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}


def doctor(
    as_json: AsJson = False,
    config: Annotated[Path | None, typer.Option(help="The host's TOML file: its vendors and session caps.")] = None,
    port: int = typer.Option(8800, min=0, max=65535, envvar="STEADYCAST_PORT", help="HTTP port to look at."),
    rtsp_port: int = typer.Option(8554, min=0, max=65535, envvar="STEADYCAST_RTSP_PORT", help="RTSP port to look at."),
    trials: Annotated[
        bool, typer.Option(help="Open each encoder for a moment in a throw-away process: takes a session.")
    ] = True,
) -> None:
    """Say whether a host can run here, which encoders it uses and why, and what to do. Exit code 1 if that is bad."""
    from steadycast.cli.probes import probe
    from steadycast.config.load import load

    quiet()
    with failing():
        found = probe(port, rtsp_port, load(config, os.environ), trials)
    line, is_well = apt_line(found.findings), worst(found.findings) != "bad"
    if as_json:
        shown = [finding.shown() for finding in found.findings]
        print_json({"ok": is_well, "install": line, "findings": shown, "encoders": [row.shown() for row in found.rows]})
    else:
        console = Console(highlight=False, soft_wrap=True)
        print_findings(found.findings, console)
        _print_encoders(console, found.rows)
        _print_install(console, line)
    if not is_well:
        raise typer.Exit(FAILED)


def print_findings(findings: Sequence[Finding], console: Console | None = None) -> None:
    """One line a finding, its fix below it."""
    console = console or Console(highlight=False, soft_wrap=True)
    width = min(max(len(finding.thing) for finding in findings), _COLUMN)
    for finding in findings:
        sign, thing = _SIGNS[finding.grade], escape(finding.thing)
        if len(finding.thing) > width:  # ids of GPUs are long: what is said of them stands below
            console.print(f"{sign} {thing}")
            sign, thing = " " * 4, ""
        console.print(f"{sign} {thing:<{width}}  {escape(finding.what)}")
        if finding.hint:
            console.print(f"{'':<{width + 7}}[dim]{escape(finding.hint)}[/]")


def _print_install(console: Console, line: str | None) -> None:
    if line:
        console.print("\nTo install what is missing (Debian, Ubuntu):")
        console.print(f"  {escape(line)}")


def _print_encoders(console: Console, rows: Sequence[EncoderRow]) -> None:
    """One block a device, one line an encoder."""
    width = max((len(row.entry) for row in rows), default=0)
    before = hint = None
    for row in rows:
        if row.device != before:
            console.print(f"\nEncoders of {escape(row.device)}:")
        sign = "[green]used[/]" if row.used else "[dim]spare[/]" if row.works else "[yellow]no[/]"
        gap = " " * (5 - len("used" if row.used else "spare" if row.works else "no"))
        is_new = row.device != before or row.hint != hint
        before, hint = row.device, row.hint
        console.print(f"  {sign}{gap} {row.codec:<5} {escape(row.entry):<{width}}  {escape(row.why)}")
        if row.hint and is_new:
            console.print(f"{'':<{width + 16}}[dim]{escape(row.hint)}[/]")
