"""Pools of threads that are all there from the beginning: how many threads a process has then says nothing of what it
happened to do at the same time, and one more is one that was lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor


def filled_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """With so many threads. They begin to wait for each other; whatever is given to the pool comes after that."""
    pool = ThreadPoolExecutor(threads, name)
    together = threading.Barrier(threads)
    for _ in range(threads):
        pool.submit(together.wait)
    return pool
