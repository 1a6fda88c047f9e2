"""What malloc says of this process."""

from __future__ import annotations

import ctypes

import pytest

from steadycast.workers.allocator import allocated, trim

MiB = 1024 * 1024


def test_bytes_in_use_follow_what_is_allocated() -> None:
    before = allocated()
    if "in_use" not in before:
        pytest.skip("this libc has no mallinfo2")
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    small = [libc.malloc(1000) for _ in range(20_000)]
    large = libc.malloc(50 * MiB)
    held = allocated()["in_use"] - before["in_use"]
    for block in (*small, large):
        libc.free(block)
    after = allocated()["in_use"] - before["in_use"]
    assert 65 * MiB < held < 80 * MiB
    assert after < 5 * MiB
    assert trim()


def test_python_blocks_follow_objects() -> None:
    before = allocated()["blocks"]
    held = [object() for _ in range(10_000)]
    assert allocated()["blocks"] - before > 9_000
    del held
