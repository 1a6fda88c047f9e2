"""Keeps the running time of a looped file going, for all its streams alike.

A demultiplexer that begins again counts on from where it stood, which is the start of some stream's last frame: sound
and picture would step back by a frame now and then. So each new round begins where the longest stream ended.
"""

from __future__ import annotations

from typing import Any

from steadycast.pipelines.gst import Gst
from steadycast.pipelines.teardown import Disposer


class Turn:
    """Sits on the pads of one demultiplexer, which serves them from one thread."""

    def __init__(self) -> None:
        self._round: int | None = None  # sequence number of the seek that began it
        self._base = 0  # running time at the start of this round, nanoseconds
        self._start = 0  # of the segment
        self._end = 0  # running time at the end of the longest stream so far

    def watch(self, pad: Any, disposer: Disposer) -> None:
        disposer.probe(pad, Gst.PadProbeType.BUFFER, self._buffer)
        disposer.probe(pad, Gst.PadProbeType.EVENT_DOWNSTREAM, self._event)

    def _buffer(self, _pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        if buffer.pts != Gst.CLOCK_TIME_NONE:
            duration = buffer.duration if buffer.duration != Gst.CLOCK_TIME_NONE else 0
            self._end = max(self._end, self._base + buffer.pts + duration - self._start)
        return Gst.PadProbeReturn.OK

    def _event(self, pad: Any, info: Any) -> Any:
        event = info.get_event()
        if event.type != Gst.EventType.SEGMENT:
            return Gst.PadProbeReturn.OK
        segment = event.parse_segment().copy()
        if event.get_seqnum() != self._round:
            self._round = event.get_seqnum()
            self._base = self._end
            self._start = segment.start
        if segment.base == self._base:
            return Gst.PadProbeReturn.OK
        segment.base = self._base
        moved = Gst.Event.new_segment(segment)
        moved.set_seqnum(self._round)
        pad.push_event(moved)  # comes through here again, and fits
        return Gst.PadProbeReturn.DROP
