"""A staging buffer as both sides have it: sealed shared memory by its descriptor, and GStreamer's memory around it."""

from __future__ import annotations

import fcntl
import os
from typing import Any

from steadycast.frames import Layout
from steadycast.pipelines.gst import Gst, GstAllocators

# Its length is for ever: whoever maps it never finds that the end of it is gone (SIGBUS). fcntl(2).
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
NAME = "steadycast-push"  # as /proc shows it: /memfd:steadycast-push


class StagingBuffer:
    """Made empty; its memory is taken page by page when it is written. It goes, with its descriptor, when the last who
    holds it lets go. Raises OSError where there is no descriptor, or no memory, for it."""

    def __init__(self, size: int, allocator: Any) -> None:
        fd = os.memfd_create(NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
        except OSError:
            os.close(fd)
            raise
        # The memory owns the descriptor. It stays mapped, so that a picture costs no mapping.
        flags = GstAllocators.FdMemoryFlags.KEEP_MAPPED
        self._memory = GstAllocators.FdAllocator.alloc(allocator, fd, size, flags)
        self._resting = self._count()
        self.fd = fd

    @property
    def looked_at(self) -> bool:
        """Whether a buffer of the pipeline still refers to it."""
        return self._count() > self._resting

    def picture(self) -> Any:
        """A buffer of these pixels, not copied."""
        buffer = Gst.Buffer.new()
        buffer.append_memory(self._memory)
        return buffer

    def _count(self) -> int:
        return int(self._memory.mini_object.refcount)


def allocator() -> Any:
    """Makes the memory of staging buffers."""
    return GstAllocators.FdAllocator.new()


def black(layout: Layout) -> Any:
    """A black picture: zeros; for Y, U and V it is 16, 128, 128 (ITU-R BT.601, limited range)."""
    if len(layout.planes) == 1:
        return Gst.Buffer.new_wrapped(bytes(layout.size))
    luma = layout.planes[1].offset
    return Gst.Buffer.new_wrapped(b"\x10" * luma + b"\x80" * (layout.size - luma))
