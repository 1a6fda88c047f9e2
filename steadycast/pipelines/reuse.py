"""Whether an encoder that rested may be given to somebody: what is asked for against what it really makes. Pure.

The bitrate is no reason to open another one: it changes in place, where the encoder can do that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from steadycast.pipelines.fit import Wanted
from steadycast.pipelines.work import Work


@dataclass(frozen=True, slots=True)
class Made:
    """What a rendition comes to on the picture that the source sends now."""

    work: Work
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class InForce:
    """What an encoder says of itself. `raw` and `encoded` are fields of its caps on both sides (size, frame rate, pixel
    format, profile), `properties` those that were set when it was made, each in the element's own words."""

    raw: Mapping[str, str] = field(default_factory=dict)
    encoded: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


def other_work(asked: Made, held: Made) -> str | None:
    """Why an encoder that was opened as `held` is none for `asked`; None where it is, but for its bitrate."""
    if (asked.work.width, asked.work.height) != (held.work.width, held.work.height):
        size = f"{held.work.width}x{held.work.height}"
        return f"it makes {size}, and {asked.work.width}x{asked.work.height} is asked for"
    if asked.work.fps != held.work.fps:
        return f"it makes {_rate(held.work.fps)}, and {_rate(asked.work.fps)} is asked for"
    if asked.wanted.keyframe_frames != held.wanted.keyframe_frames:
        return (
            f"it makes a keyframe every {held.wanted.keyframe_frames} frames, "
            f"and one every {asked.wanted.keyframe_frames} is asked for"
        )
    return None


def changed(before: InForce, now: InForce) -> str | None:
    """What became another while nobody looked; None where nothing did."""
    for what, old, new in (
        ("what it is set to", before.properties, now.properties),
        ("what it takes", before.raw, now.raw),
        ("what it makes", before.encoded, now.encoded),
    ):
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                return f"{what} changed: {name} was {old.get(name, 'not told')} and is {new.get(name, 'not told')}"
    return None


def _rate(fps: float | None) -> str:
    return "the source's frame rate" if fps is None else f"{fps:g} frames a second"
