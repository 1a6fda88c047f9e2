"""Memory: lost by malloc, by a pool for each size of a frame, by a Python cache that nobody empties."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable

from tests.support.leaky.kinds import Kind

WIDE, HIGH = 320, 180


class Malloc:
    """`size` bytes, written to."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._libc = ctypes.CDLL(None)
        self._libc.malloc.restype = ctypes.c_void_p
        self._libc.free.argtypes = [ctypes.c_void_p]
        self._libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

    def cycle(self, lose: bool) -> None:
        pieces = [self._libc.malloc(self._size // 4) for _ in range(4)]
        for piece in pieces:
            self._libc.memset(piece, 1, self._size // 4)
            if not lose:
                self._libc.free(piece)

    def close(self) -> None:
        return


class Pools:
    """Frames from a pool that is kept for each exact size. Without a loss there are few sizes."""

    def __init__(self, size: int) -> None:
        self._pools: dict[tuple[int, int], list[bytearray]] = {}
        self._rolls = random.Random(2)
        self._new = 0

    def cycle(self, lose: bool) -> None:
        key = (WIDE, HIGH - 2 * self._rolls.randint(0, 3))
        if lose:
            self._new += 1
            key = (WIDE, HIGH + 2 * self._new % 400 + 1)
        frames = self._pools.setdefault(key, [])
        frame = frames.pop() if frames else bytearray(key[0] * key[1] * 3 // 2)
        frame[0] = 1
        frames.append(frame)

    def close(self) -> None:
        self._pools.clear()


class Cache:
    """Python objects that are remembered by a key which never comes again."""

    def __init__(self, size: int) -> None:
        self._known: dict[int, list[str]] = {}
        self._count = 0

    def cycle(self, lose: bool) -> None:
        self._count += 1
        self._known[self._count] = [f"{self._count}:{n}" for n in range(400)]
        if not lose:
            del self._known[self._count]

    def close(self) -> None:
        self._known.clear()


KINDS: dict[str, Callable[[int], Kind]] = {"malloc": Malloc, "pool": Pools, "cache": Cache}
