"""Looks at this test process and at all others from outside, to compare before and after."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
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
    # Pools start threads when they need them, up to a bound of their own.
    pool = sum(len(pool_threads(prefix)) for prefix in ("asyncio_", "looks_", "measures_"))
    # By kind, because a socket that was closed and one that was opened meanwhile have different inodes.
    kinds = sorted(proc.descriptor_kind(target) for target in found.values())
    return Outside(tuple(kinds), sum(threads.values()) - pool, tuple(sorted(proc.children())))


def pool_threads(prefix: str) -> list[str]:
    """Names of this process's threads that belong to a pool."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefix)]


def marked(mark: str) -> list[int]:
    """Pids of all processes whose environment holds this variable value (`NAME=value`)."""
    name, _, value = mark.partition("=")
    return [pid for pid in proc.processes() if (proc.environment(pid) or {}).get(name) == value]


def has_ended(pid: int) -> bool:
    """Gone, or a zombie that its parent has not reaped yet."""
    found = proc.stat(pid)
    return found is None or found.state == "Z"


def names_in(folder: Path) -> list[str]:
    return sorted(str(one) for one in folder.iterdir())


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode & 0o777


def has_socket(number: int) -> bool:
    """Whether display `number` has a socket file."""
    return Path(f"/tmp/.X11-unix/X{number}").exists()


def answers(number: int) -> bool:
    """Whether an X server serves display `number`."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(f"/tmp/.X11-unix/X{number}")
        except OSError:
            return False
    return True


def stale_files(number: int) -> list[str]:
    """What display `number` has in /tmp though no server answers; another server may have taken the number by now."""
    if answers(number):
        return []
    files = (Path(f"/tmp/.X11-unix/X{number}"), Path(f"/tmp/.X{number}-lock"))
    return [str(one) for one in files if one.exists()]


async def until(condition: Callable[[], object], seconds: float = GENEROUS_S) -> None:
    """Wait for a state; a TimeoutError says that it did not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
