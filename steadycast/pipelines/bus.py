"""Reading a pipeline's bus on an asyncio loop, without a GLib main loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from steadycast.pipelines.gst import Gst

MESSAGES_PER_WAKE = 64  # then the loop gets its turn; the descriptor stays readable while messages wait


class BusReader:
    """Calls `on_message` for each message from `start` until `stop`."""

    def __init__(self, bus: Any, on_message: Callable[[Any], None]) -> None:
        self._bus = bus
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._fd: int = bus.get_pollfd().fd
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        for _ in range(MESSAGES_PER_WAKE):
            message = None if self._fd < 0 else self._bus.pop()
            if message is None:
                return
            if message.type == Gst.MessageType.ERROR:
                # Behind what its thread told the loop before it posted the error: that says more.
                self._loop.call_soon(self._late, message)
            else:
                self._on_message(message)

    def _late(self, message: Any) -> None:
        if self._fd >= 0:
            self._on_message(message)

    def stop(self) -> None:
        """Before the pipeline goes: messages that wait hold references to their elements, so they are dropped."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._fd = -1
            self._bus.set_flushing(True)
