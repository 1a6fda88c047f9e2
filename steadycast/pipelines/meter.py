"""Counting frames as they pass: for heartbeats, for the watch, and for how old the latest keyframe is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from steadycast.pipelines.gst import Gst
from steadycast.pipelines.order import FrameOrder
from steadycast.pipelines.teardown import Disposer


class FrameMeter:
    """Sits on a pad that passes whole frames. Holds no element, so that its probe keeps nothing alive.

    `on_news` is called, on the streaming thread, at the first frame and when the order of frames was found out.

    Read from any thread: each value is written by one streaming thread alone.
    """

    def __init__(self, on_news: Callable[[], None] | None = None) -> None:
        self._on_news = on_news
        self.frames = 0
        self.keyframes = 0
        self.bytes = 0
        self.last_keyframe: float | None = None  # monotonic seconds
        self.order = FrameOrder()

    def watch(self, pad: Any, disposer: Disposer) -> None:
        disposer.probe(pad, Gst.PadProbeType.BUFFER, self._passed)

    def _passed(self, _pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        self.frames += 1
        self.bytes += buffer.get_size()
        if not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
            self.keyframes += 1
            self.last_keyframe = time.monotonic()
        news = self.frames == 1
        if not self.order.settled:
            self.order.see(buffer.pts if buffer.pts != Gst.CLOCK_TIME_NONE else None)
            news = news or self.order.settled
        if news and self._on_news is not None:
            self._on_news()
        return Gst.PadProbeReturn.OK
