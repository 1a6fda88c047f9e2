"""How short of memory this machine is, and the control group that this process is in.

Some files in /proc and /sys: 0.2 ms on a slow core, but they may hang, so never on the event loop.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from steadycast.model import Resource
from steadycast.tracking.probes import cgroup
from steadycast.tracking.probes.cgroup import Cgroups
from steadycast.tracking.probes.limits import meminfo, ram
from steadycast.tracking.probes.reading import Reading


@dataclass(frozen=True, slots=True)
class Strain:
    """`stalled`: share of the last 10 s in which something waited for memory; None where the kernel does not tell.
    `full`: the share of each known limit (RAM, the group) that is used."""

    stalled: float | None
    full: tuple[float, ...]
    free: int | None = None  # bytes until the nearest of these limits


def look(root: Path = Path("/")) -> Strain:
    """Now. What cannot be read is left out."""
    bounds = [ram(meminfo(root))]
    readings = [Reading()]
    cgroup.pressure(root / "proc/pressure/memory", readings[0])
    group = Cgroups(root).of(os.getpid())
    if group is not None and group.memory is not None:
        readings.append(Reading())
        bounds += [one for one in cgroup.read(group, readings[1]) if one.measured.resource is Resource.CGROUP]
    values = [pair for reading in readings for pair in reading.values.items()]
    stalls = [value for one, value in values if one.resource is Resource.PRESSURE]
    full = tuple(bound.used / bound.limit for bound in bounds if bound is not None and bound.limit > 0)
    left = [int(bound.limit - bound.used) for bound in bounds if bound is not None and bound.limit > 0]
    return Strain(max(stalls, default=None), full, min(left, default=None))
