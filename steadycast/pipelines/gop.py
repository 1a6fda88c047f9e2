"""The encoded frames since the latest keyframe, so that a decoder that starts now need not wait for the next one.

A camera makes keyframes when it likes, often seconds apart, and cannot be asked for one over RTSP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from steadycast.pipelines.gst import Gst
from steadycast.pipelines.teardown import Disposer

FRAMES_MAX = 1200
BYTES_MAX = 16 * 1024 * 1024
Action = Callable[[tuple[Any, ...]], None]


class GopMemory:
    """Sits on a pad of encoded frames. A group of pictures that is too long is forgotten until the next keyframe."""

    def __init__(self) -> None:
        self._units: list[Any] = []
        self._bytes = 0
        self._action: Action | None = None
        self._lock = threading.Lock()

    def watch(self, pad: Any, disposer: Disposer) -> None:
        disposer.probe(pad, Gst.PadProbeType.BUFFER, self._passed)
        disposer.add(self._forget)

    def between_frames(self, action: Action) -> None:
        """Call `action` with the frames so far, on the streaming thread, before the next frame passes."""
        with self._lock:
            self._action = action

    def take_back(self) -> bool:
        """False where the action was called already, or is being called."""
        with self._lock:
            waiting, self._action = self._action, None
        return waiting is not None

    def keyframe(self) -> Any | None:
        """A copy of the latest one, or None. From any thread."""
        units = self._units[:1]
        return units[0].copy_deep() if units else None

    def _passed(self, _pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        if not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
            self._forget()  # nobody needs what came before a keyframe, which may also be of another round of a file
        if self._action is not None:
            with self._lock:
                action, self._action = self._action, None
            if action is not None:
                action(tuple(self._units))
        self._keep(buffer)
        return Gst.PadProbeReturn.OK

    def _keep(self, buffer: Any) -> None:
        if not self._units and buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
            return
        self._units.append(buffer)
        self._bytes += buffer.get_size()
        if len(self._units) > FRAMES_MAX or self._bytes > BYTES_MAX:
            self._forget()

    def _forget(self) -> None:
        self._units.clear()
        self._bytes = 0
