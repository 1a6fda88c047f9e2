"""What a process holds at one moment, measured from outside. Blocking: run it beside the event loop.

Costs on a slow core: 1.5 ms for a lobby worker, 11 ms for a process with 1,000 connections. Most of it is the tables of
ports, which the kernel walks as a whole.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from steadycast.model import Measures
from steadycast.tracking import proc, sockets
from steadycast.tracking.families import near

# VRAM (bytes) and encoder sessions that the drivers show for a process; None where nobody knows.
Usage = Callable[[int], tuple[int | None, int | None]]

KEYS = 64  # of descriptors and of threads; what is beyond is counted together
REST = "others"
_N = TypeVar("_N", int, float)
_COMM = 15  # the kernel cuts names of threads to so many characters
_NUMBER = re.compile(r"\d+")


def measure(pid: int, usage: Usage | None = None, objects: Mapping[str, int] | None = None) -> Measures:
    """What can be known of a process; None for all that cannot be read (it is gone, or not ours).

    `objects` are passed on: only the process itself can count them.
    """
    at = time.time()
    alive = proc.stat(pid)
    if alive is None or alive.state in "ZX":
        return Measures(at, processes=0 if alive is None else 1 + len(near(pid)))
    held = proc.descriptors(pid)
    threads = proc.threads_by_name(pid)
    memory = proc.memory(pid)
    vram, sessions = (None, None) if usage is None else usage(pid)
    return Measures(
        at=at,
        processes=1 + len(near(pid)),
        descriptors=None if held is None else bounded(Counter(map(proc.descriptor_kind, held.values()))),
        threads=None if threads is None else folded(threads),
        pss=None if memory is None else memory.pss,
        private_dirty=None if memory is None else memory.private_dirty,
        vram=vram,
        encoder_sessions=sessions,
        objects=None if objects is None else dict(objects),
        ports=None if held is None else sockets.bound(pid, held),
    )


def folded(threads: Mapping[str, int]) -> dict[str, int]:
    """Threads counted by what their names have in common: `queue3:src` and `queue12:src` are both `queue#:src`."""
    names: Counter[str] = Counter()
    for name, count in threads.items():
        names[fold(name)] += count
    return bounded(names)


def fold(name: str) -> str:
    """A thread's name without its numbers. Where the kernel cut it, without the part that may be cut."""
    if len(name) >= _COMM and ":" in name:
        name = name.rpartition(":")[0]
    return _NUMBER.sub("#", name) or "#"


def bounded(counts: Mapping[str, _N]) -> dict[str, _N]:
    """At most `KEYS` keys, the largest counts first; the rest in one."""
    if len(counts) <= KEYS:
        return dict(counts)
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return {**dict(ordered[: KEYS - 1]), REST: sum(count for _, count in ordered[KEYS - 1 :])}
