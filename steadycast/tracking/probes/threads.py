"""Threads of a process by name, the numbers in their names folded.

Costs on a slow core: 6 us for the listing and 6 us for each name that is new. Threads are listed when their number
changed, and every `RELIST_S`; all names are read anew every `RENAME_S`.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field

from steadycast.model import Resource
from steadycast.tracking.measure import fold
from steadycast.tracking.probes.process import Process
from steadycast.tracking.probes.reading import Reading

NAMED = 4096  # threads whose names are read; of more, only their number is told
RELIST_S = 10.0
RENAME_S = 60.0


@dataclass(slots=True)
class Threads:
    """Of one process, between its looks."""

    process: Process
    _total: int = -1
    _listed: float = float("-inf")
    _renamed: float = float("-inf")
    # Name by number, and whether it was read twice: a thread gets its name after it has started.
    _names: dict[str, tuple[str, bool]] = field(default_factory=dict)
    _counts: dict[str, float] = field(default_factory=dict)

    def read(self, count: int, now: float, reading: Reading) -> None:
        """`count` as stat tells it."""
        is_sure = all(sure for _, sure in self._names.values())
        if count > NAMED:
            self._counts = {}
        elif count != self._total or not is_sure or now - self._listed >= RELIST_S:
            self._list(now)
        self._total = count
        reading.split(Resource.THREADS, self._counts, count)

    def _list(self, now: float) -> None:
        if now - self._renamed >= RENAME_S:
            self._renamed, self._names = now, {name: (text, False) for name, (text, _) in self._names.items()}
        folder = self.process.open("task")
        try:
            known, self._names = self._names, {}
            for number in os.listdir(folder):  # noqa: PTH208 - of an open folder
                name, is_sure = known.get(number, ("", False))
                if not is_sure:
                    if (found := _name(folder, number)) is None:
                        continue
                    name, is_sure = found, number in known
                self._names[number] = (name, is_sure)
        finally:
            os.close(folder)
        self._listed = now
        self._counts = dict(Counter(name for name, _ in self._names.values()))


def _name(folder: int, number: str) -> str | None:
    try:
        handle = os.open(f"{number}/comm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None  # it ended
    try:
        return fold(os.read(handle, 64).decode(errors="replace").strip())
    except OSError:
        return None
    finally:
        os.close(handle)
