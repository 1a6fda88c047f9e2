"""Raw frames on their way into an encoder: how many came, how many were left out because it is slow, and whether their
memory is used again. 15 us a frame."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from steadycast.pipelines.gst import Gst
from steadycast.pipelines.teardown import Disposer

PIECES = 64  # of memory that are remembered; more than any pool here holds


class RawFrames:
    """Of one encoding. Holds no element but its queue, which `forget` drops.

    Memory counts as used again where a buffer comes from a pool and was seen before; what comes from no pool is new.
    """

    def __init__(self, queue: Any, encoder: Any, disposer: Disposer) -> None:
        self._queue = queue
        self._came = self._went = 0
        self._created = self._reused = 0
        self._seen: OrderedDict[int, None] = OrderedDict()
        disposer.probe(queue.get_static_pad("sink"), Gst.PadProbeType.BUFFER, self._in)
        disposer.probe(queue.get_static_pad("src"), Gst.PadProbeType.BUFFER, self._out)
        disposer.probe(encoder.get_static_pad("sink"), Gst.PadProbeType.BUFFER, self._taken)
        disposer.add(self.forget)

    def forget(self) -> None:
        """The elements end."""
        self._queue = None

    def statistics(self) -> dict[str, int]:
        """Frames since it was opened: `came`, `dropped` in front of the encoder, `created` and `reused` memory."""
        waiting = 0 if self._queue is None else int(self._queue.get_property("current-level-buffers"))
        dropped = max(0, self._came - self._went - waiting)
        return {"came": self._came, "dropped": dropped, "created": self._created, "reused": self._reused}

    def _in(self, _pad: Any, _info: Any) -> Any:
        self._came += 1
        return Gst.PadProbeReturn.OK

    def _out(self, _pad: Any, _info: Any) -> Any:
        self._went += 1
        return Gst.PadProbeReturn.OK

    def _taken(self, _pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        piece = hash(buffer.peek_memory(0)) if buffer.pool is not None and buffer.n_memory() else None
        if piece in self._seen:
            self._reused += 1
            return Gst.PadProbeReturn.OK
        self._created += 1
        if piece is not None:
            self._seen[piece] = None
            if len(self._seen) > PIECES:
                self._seen.popitem(last=False)
        return Gst.PadProbeReturn.OK
