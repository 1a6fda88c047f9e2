"""When a buffer is shown, on the clock that all tracks of a pipeline share."""

from __future__ import annotations

from typing import Any

from steadycast.pipelines.gst import Gst


def running_time(pad: Any, buffer: Any) -> int | None:
    """In nanoseconds: time stamps themselves begin anew where a file turns. None where it is not known."""
    event = pad.get_sticky_event(Gst.EventType.SEGMENT, 0)
    if event is None or buffer.pts == Gst.CLOCK_TIME_NONE:
        return None
    time = event.parse_segment().to_running_time(Gst.Format.TIME, buffer.pts)
    return None if time == Gst.CLOCK_TIME_NONE else int(time)
