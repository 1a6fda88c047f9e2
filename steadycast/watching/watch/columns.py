"""A column of a table: a series, and what a 1 in it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from steadycast.model import Resource

UNITS = {
    "": 1.0, "%": 1.0, "b": 1.0, "bytes": 1.0, "k": 1e3, "kb": 1e3, "kib": 1024.0, "m": 1e6, "mb": 1e6, "mib": 2.0**20,
    "g": 1e9, "gb": 1e9, "gib": 2.0**30, "t": 1e12, "tb": 1e12, "tib": 2.0**40,
}  # fmt: skip
_NAMED_UNIT = re.compile(r"(?:^|[_ (\[./-])(bytes|b|[kmgt]i?b?)[)\] ]*$", re.I)
_LIKELY = ((3e4, "MB"), (3e7, "KB"))  # below which median a memory column without a unit is taken as MB, KB


@dataclass(slots=True)
class Column:
    """One series: times in seconds that rise, and values. `left_out`: cells that were not numbers."""

    name: str
    resource: Resource
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    left_out: int = 0
    sized: bool = False  # cells had units of their own: values are bytes

    def unit(self) -> tuple[str, float]:
        """What a 1 in it is, in words, and in bytes (1.0 where it is no memory)."""
        if self.sized:
            return "bytes", 1.0
        found = _NAMED_UNIT.search(self.name)
        if found is not None and self.resource not in (Resource.DESCRIPTORS, Resource.THREADS):
            return found[1] if len(found[1]) > 1 else found[1].upper(), UNITS[found[1].lower()]
        if self.resource not in (Resource.PRIVATE, Resource.IN_USE, Resource.VRAM):
            return "", 1.0
        middle = sorted(self.values)[len(self.values) // 2]
        unit = next((unit for below, unit in _LIKELY if middle < below), "bytes")
        return unit, UNITS[unit.lower()]
