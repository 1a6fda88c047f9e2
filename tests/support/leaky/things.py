"""Things a process holds: descriptors, sockets, shared memory, threads, children, displays."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.leaky.kinds import Kind, Missing

_PR_SET_NAME = 15  # <linux/prctl.h>
_HEAP_ALLOC = 0xC0184800  # DMA_HEAP_IOCTL_ALLOC of <linux/dma-heap.h>
_HEAP = Path("/dev/dma_heap/system")


class Held:
    """Opens one thing a cycle and ends it, unless it is to be lost; all that was lost ends with the program."""

    def __init__(self, opens: Callable[[], Any], ends: Callable[[Any], None]) -> None:
        self._opens, self._ends = opens, ends
        self._lost: list[Any] = []

    def cycle(self, lose: bool) -> None:
        one = self._opens()
        if lose:
            self._lost.append(one)
        else:
            self._ends(one)

    def close(self) -> None:
        while self._lost:
            self._ends(self._lost.pop())


def shared_memory(size: int) -> int:
    fd = os.memfd_create("frames")
    os.truncate(fd, size)
    os.pwrite(fd, b"x" * size, 0)
    return fd


def dma_buffer(size: int) -> int:
    """From the system's heap (struct dma_heap_allocation_data)."""
    heap = os.open(_HEAP, os.O_RDWR | os.O_CLOEXEC)
    try:
        request = struct.pack("=QIIQ", size, 0, os.O_RDWR | os.O_CLOEXEC, 0)
        return int(struct.unpack("=QIIQ", fcntl.ioctl(heap, _HEAP_ALLOC, request))[1])
    finally:
        os.close(heap)


def thread() -> tuple[threading.Thread, threading.Event]:
    end, begun = threading.Event(), threading.Event()

    def run() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_NAME, b"session-worker", 0, 0, 0)
        begun.set()
        end.wait()

    one = threading.Thread(target=run, daemon=True)
    one.start()
    begun.wait()
    return one, end


def join(one: tuple[threading.Thread, threading.Event]) -> None:
    one[1].set()
    one[0].join()


def ended_child() -> int:
    """A child that has ended and waits to be waited for."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def child() -> subprocess.Popen[bytes]:
    """Ends when its parent does: nobody else can write to its stdin."""
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE)


def end_child(one: subprocess.Popen[bytes]) -> None:
    assert one.stdin is not None
    one.stdin.close()
    one.wait()


def display() -> tuple[subprocess.Popen[bytes], int]:
    """An X server that has said its number. Its pipe stays open with it."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "64x64x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    os.read(read, 32)
    return server, read


def end_display(one: tuple[subprocess.Popen[bytes], int]) -> None:
    one[0].terminate()
    one[0].wait()
    os.close(one[1])


def _needing(there: bool, what: str, kind: Callable[[], Kind]) -> Kind:
    if not there:
        raise Missing(what)
    return kind()


KINDS: dict[str, Callable[[int], Kind]] = {
    "descriptor": lambda size: Held(partial(os.open, "/dev/null", os.O_RDONLY), os.close),
    "socket": lambda size: Held(socket.socket, socket.socket.close),
    "memfd": lambda size: Held(partial(shared_memory, size), os.close),
    "dmabuf": lambda size: _needing(
        _HEAP.exists(), f"there is no {_HEAP}", lambda: Held(partial(dma_buffer, size), os.close)
    ),
    "thread": lambda size: Held(thread, join),
    "zombie": lambda size: Held(ended_child, lambda pid: os.waitpid(pid, 0) and None),
    "child": lambda size: Held(child, end_child),
    "display": lambda size: _needing(
        shutil.which("Xvfb") is not None, "there is no Xvfb", lambda: Held(display, end_display)
    ),
}
