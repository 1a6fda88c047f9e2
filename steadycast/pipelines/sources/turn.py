"""Keeps the running time of a looped file going, for all its streams alike.

A demultiplexer that begins again counts on from where it stood, which is the start of some stream's last frame: sound
and picture would step back by a frame now and then. So each new round begins where the longest stream ended.
"""

from __future__ import annotations

import time
from typing import Any

from steadycast.pipelines.gst import Gst
from steadycast.pipelines.teardown import Disposer

NANOSECONDS = 1_000_000_000
ROUNDS = 64  # that wait in the queue in front of the clock, or fewer


class Turn:
    """Sits on the pads of one demultiplexer, which serves them from one thread."""

    def __init__(self) -> None:
        self._rounds: tuple[tuple[int, int], ...] = ()  # running time at the start of each, and where in the file it is
        self._round: int | None = None  # sequence number of the seek that began it
        self._base = 0  # running time at the start of this round, nanoseconds
        self._start = 0  # of the segment
        self._end = 0  # running time at the end of the longest stream so far

    def watch(self, pad: Any, disposer: Disposer) -> None:
        disposer.probe(pad, Gst.PadProbeType.BUFFER, self._buffer)
        disposer.probe(pad, Gst.PadProbeType.EVENT_DOWNSTREAM, self._event)

    def began(self, pipeline: Any) -> float | None:
        """When the round that is shown now began at the beginning of the file, or would have: seconds of the monotonic
        clock. None before anything is shown. From any thread."""
        clock = pipeline.get_clock()
        if clock is None or not self._rounds:
            return None
        shown: int = clock.get_time() - pipeline.get_base_time()
        begun = [one for one in self._rounds if one[0] <= shown]
        base, start = begun[-1] if begun else self._rounds[0]
        return time.monotonic() - (shown - base + start) / NANOSECONDS

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
            self._rounds = (*self._rounds[1 - ROUNDS :], (self._base, self._start))
        if segment.base == self._base:
            return Gst.PadProbeReturn.OK
        segment.base = self._base
        moved = Gst.Event.new_segment(segment)
        moved.set_seqnum(self._round)
        pad.push_event(moved)  # comes through here again, and fits
        return Gst.PadProbeReturn.DROP
