"""Looks at this test process and at all others from outside, to compare before and after."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steadycast.tracking import proc

GENEROUS_S = 60


@dataclass(frozen=True)
class Outside:
    """Descriptors and threads of the test process, its children, and X displays of this machine."""

    descriptors: tuple[str, ...]
    threads: int
    children: tuple[int, ...]


def look() -> Outside:
    gc.collect()
    found = proc.descriptors()
    threads = proc.threads_by_name(os.getpid())
    assert found is not None
    assert threads is not None
    # By kind, because a socket that was closed and one that was opened meanwhile have different inodes.
    kinds = sorted(proc.descriptor_kind(target) for target in found.values())
    return Outside(tuple(kinds), sum(threads.values()), tuple(sorted(proc.children())))


def marked(mark: str) -> list[int]:
    """Pids of all processes whose environment holds this variable value (`NAME=value`)."""
    name, _, value = mark.partition("=")
    return [pid for pid in proc.processes() if (proc.environment(pid) or {}).get(name) == value]


def files_of(number: int) -> list[str]:
    """What display `number` has in /tmp."""
    paths = (Path(f"/tmp/.X{number}-lock"), Path(f"/tmp/.X11-unix/X{number}"))
    return [str(path) for path in paths if path.exists()]


async def until(condition: Callable[[], object], seconds: float = GENEROUS_S) -> None:
    """Wait for a state; a TimeoutError says that it did not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
