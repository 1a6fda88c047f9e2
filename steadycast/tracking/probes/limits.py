"""What a process runs into: its descriptors' limit, and the memory of the machine.

Costs on a slow core: 15 us for /proc/<pid>/limits, 20 us for /proc/meminfo; both are read once a minute or less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steadycast.model import Bound, Measured, Resource
from steadycast.tracking.probes.process import Process
from steadycast.tracking.probes.reading import Reading

LIMITS_S = 60.0  # prlimit changes them seldom
MEMORY_S = 10.0
_FILES = "Max open files"
_DESCRIPTORS = Measured(Resource.DESCRIPTORS)


@dataclass(slots=True)
class Limits:
    """Of one process."""

    process: Process
    _files: int | None = None
    _read: float = float("-inf")

    def read(self, now: float, reading: Reading) -> tuple[Bound, ...]:
        """`reading` has what is used. Empty where nothing limits it, or nobody may know."""
        if now - self._read >= LIMITS_S:
            self._read = now
            try:
                self._files = open_files(self.process.text("limits", 4096))
            except PermissionError:
                self._files = None
        used = reading.values.get(_DESCRIPTORS)
        if self._files is None or used is None:
            return ()
        return (Bound("RLIMIT_NOFILE", _DESCRIPTORS, self._files, used),)


def open_files(text: str) -> int | None:
    """The soft limit of descriptors in /proc/<pid>/limits; None where there is none."""
    for line in text.splitlines():
        if line.startswith(_FILES):
            word = line[len(_FILES) :].split()[0]
            return int(word) if word.isdecimal() else None
    return None


@dataclass(slots=True)
class Ram:
    """Memory of the machine, below `root`."""

    root: Path = Path("/")
    _bound: Bound | None = None
    _read: float = float("-inf")

    def bound(self, now: float) -> tuple[Bound, ...]:
        """All RAM, and what is not available for programs."""
        if now - self._read >= MEMORY_S:
            self._read = now
            self._bound = ram(meminfo(self.root))
        return () if self._bound is None else (self._bound,)


def meminfo(root: Path = Path("/")) -> dict[str, int]:
    """Bytes by the names of /proc/meminfo (proc(5)); empty where there is none."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    rows = (line.partition(":") for line in lines)
    return {key: int(value.split()[0]) * 1024 for key, _, value in rows if value.strip().endswith("kB")}


def ram(fields: Mapping[str, int]) -> Bound | None:
    """A process's own memory counts against all of the machine's."""
    total, free = fields.get("MemTotal"), fields.get("MemAvailable")
    if not total or free is None:
        return None
    return Bound("RAM", Measured(Resource.PRIVATE), total, total - free)
