"""A plan in words for a person: the line that `gst-launch-1.0` would take, what was chosen for what, and why. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from steadycast.model import EncoderOrder, Rendition
from steadycast.pipelines.fit import Elements
from steadycast.pipelines.parts import Chain, Limits, Part
from steadycast.pipelines.plan import RenditionPlan, plan_rendition
from steadycast.pipelines.work import FPS_WHERE_UNKNOWN, Picture, fraction
from steadycast.vendors.table import Row, Setting, row

PLAYED_FRAMES = 300  # by the line as it is shown


@dataclass(frozen=True, slots=True)
class Choice:
    """What was set for something wanted. `live`: the table says that it may change while it plays. Flags of other
    properties often say so as well, and then a session is closed and opened anew."""

    want: str
    property: str
    value: str
    live: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """One plan. `memory` is the caps feature at the encoder's input (None: system memory), `left_out` what the element
    has no property for and does not need, `notes` what differs from the table of encoders and why."""

    device: str
    entry: str
    element: str
    codec: str
    width: int
    height: int
    fps: float
    bitrate_kbps: int
    keyframe_frames: int
    memory: str | None
    path: tuple[str, ...]
    launch: tuple[str, ...]
    choices: tuple[Choice, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def explain(
    rendition: Rendition, picture: Picture, limits: Limits, order: EncoderOrder, elements: Elements
) -> Explanation:
    """The plan of a rendition on this encoder. Raises CallerError, EncoderError."""
    plan = plan_rendition(rendition, picture, limits, order, elements)
    found = row(order.entry)
    choices, left_out = _choices(plan, found) if found is not None else ((), ())
    return Explanation(
        order.device,
        order.entry,
        plan.element,
        plan.codec.value,
        plan.work.width,
        plan.work.height,
        plan.wanted.fps,
        plan.wanted.bitrate_kbps,
        plan.wanted.keyframe_frames,
        plan.memory,
        _path(plan.chain),
        (*_source(picture), *launch(plan.chain), "fakesink"),
        choices,
        left_out,
        plan.notes,
    )


def launch(chain: Chain) -> tuple[str, ...]:
    """Each part as `gst-launch-1.0` and a shell take it."""
    return tuple(_word(part) for part in chain)


def _word(part: Part) -> str:
    if part.launch is not None:
        return part.launch
    if part.factory == "capsfilter":
        return shlex.quote(part.properties["caps"])
    return " ".join((part.factory, *(f"{name}={shlex.quote(value)}" for name, value in part.properties.items())))


def _source(picture: Picture) -> tuple[str, str]:
    """In the place of the lobby's source: a picture that moves, so that the line can be tried."""
    rate = fraction(picture.fps or FPS_WHERE_UNKNOWN)
    caps = f"video/x-raw,width={picture.width},height={picture.height},framerate={rate}"
    return f"videotestsrc num-buffers={PLAYED_FRAMES}", shlex.quote(caps)


def _path(chain: Chain) -> tuple[str, ...]:
    """What brings the picture to the encoder, element by element, without queues and caps."""
    before = next((number for number, part in enumerate(chain) if part.name == "encoder"), len(chain))
    return tuple(part.factory for part in chain[:before] if part.factory not in ("queue", "capsfilter", "videorate"))


def _choices(plan: RenditionPlan, found: Row) -> tuple[tuple[Choice, ...], tuple[str, ...]]:
    encoder = next(part for part in plan.chain if part.name == "encoder")
    chosen: list[Choice] = []
    left_out: list[str] = []
    for setting in found.settings:
        one = next((one for one in setting.tries if one.property in encoder.properties), None)
        if one is not None:
            chosen.append(Choice(_said(setting), one.property, encoder.properties[one.property], one.live))
        elif not setting.needed:
            names = " or ".join(one.property for one in setting.tries)
            left_out.append(f"{_said(setting)}: {plan.element} does not take {names}")
    told = {choice.property for choice in chosen}
    others = ((name, value) for name, value in encoder.properties.items() if name not in told)
    chosen += [Choice("device", name, value, False) for name, value in others]
    return tuple(chosen), tuple(left_out)


def _said(setting: Setting) -> str:
    return setting.want.value.replace("_", " ")
