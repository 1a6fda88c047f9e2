"""What is known of a stream from the caps of a pad."""

from __future__ import annotations

from typing import Any

from steadycast.pipelines.plan import FPS_MAX, Picture


def first_of(caps: Any) -> Any:
    """The first structure of caps, to be read while the caps are held.

    By index, as `get_structure` of GStreamer's Python bindings gives another thing (a context manager) from 1.26 on.
    """
    return caps[0]


def picture_of(pad: Any) -> Picture:
    """Size and frame rate as negotiated; None where the stream does not tell."""
    caps = pad.get_current_caps()
    if caps is None:
        return Picture()
    structure = first_of(caps)
    known_width, width = structure.get_int("width")
    known_height, height = structure.get_int("height")
    known_rate, numerator, denominator = structure.get_fraction("framerate")
    fps = numerator / denominator if known_rate and numerator and denominator else None
    if fps is not None and fps > FPS_MAX:
        fps = None  # cameras that tell their clock (90000/1) instead of a frame rate
    return Picture(
        width if known_width else None, height if known_height else None, None if fps is None else round(fps, 3)
    )
