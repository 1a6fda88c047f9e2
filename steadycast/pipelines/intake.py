"""What goes into an encoder, counted on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from steadycast.pipelines import debug_log
from steadycast.pipelines.describe import feature_of
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.teardown import Disposer, tell


class Intake:
    """What goes into an encoder: whether it began (caps count: many open at them), how many frames, and in which
    memory. It holds no element.

    `changed` is called on the loop when the memory became another one.
    """

    def __init__(self, pad: Any, disposer: Disposer, loop: asyncio.AbstractEventLoop, branch: str) -> None:
        self.frames = 0
        self.began = False
        self.memory: str | None = None
        self.changed: Callable[[], None] = lambda: None
        self._loop = loop
        self._disposer = disposer
        self._branch = branch
        disposer.probe(pad, Gst.PadProbeType.BUFFER, self._frame)
        disposer.probe(pad, Gst.PadProbeType.EVENT_DOWNSTREAM, self._event)

    def restart(self) -> None:
        """Count anew; nothing goes in now."""
        self.frames = 0
        self.began = False

    def hear(self, item: Any, signal: str) -> None:
        """The memory is told by this signal, not by caps."""
        self._disposer.connect(item, signal, lambda *_: tell(self._loop, self._told))

    def _frame(self, _pad: Any, _info: Any) -> Any:
        self.frames += 1
        self.began = True
        return Gst.PadProbeReturn.OK

    def _event(self, _pad: Any, info: Any) -> Any:
        event = info.get_event()
        if event.type == Gst.EventType.CAPS:
            if not self.began:
                self.began = True
                debug_log.claim(self._branch)  # many open their device on this thread, at these caps
            memory = feature_of(event.parse_caps())
            if memory != self.memory:
                self.memory = memory
                tell(self._loop, self._told)
        return Gst.PadProbeReturn.OK

    def _told(self) -> None:
        self.changed()


def refuse_allocation(_pad: Any, info: Any) -> Any:
    """A question for memory waits in a queue for its turn: behind an encoder that opens slowly, the source would wait
    with it, and all other renditions."""
    refused = info.get_query().type == Gst.QueryType.ALLOCATION
    return Gst.PadProbeReturn.DROP if refused else Gst.PadProbeReturn.OK
