"""How many CPUs a process may use: those it may run on, or fewer by the quota of its control group. It only reads."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


def cpus(allowed: Collection[int], root: Path) -> float:
    """May be a part of one. `root` is the machine's (`/`)."""
    return min([float(len(allowed)), *quotas(root)])


def quotas(root: Path) -> list[float]:
    """CPUs that each control group around this process allows; both versions of control groups."""
    found = []
    for path in _limits(root):
        try:
            quota, period = path.read_text().split()[:2]
            found.append(int(quota) / int(period))
        except (OSError, ValueError, ZeroDivisionError):  # not there, or `max`: no limit
            continue
    first = root / "sys/fs/cgroup/cpu"
    try:
        quota_us, period_us = (int((first / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        found.append(quota_us / period_us)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    return [one for one in found if one > 0]


def _limits(root: Path) -> list[Path]:
    """`cpu.max` of this process's group and of those above it (version 2), as far as a container sees them."""
    top = root / "sys/fs/cgroup"
    try:
        line = next(x for x in (root / "proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))
    except (OSError, StopIteration):
        return [top / "cpu.max"]
    group = top / line[3:].lstrip("/")
    return [folder / "cpu.max" for folder in (group, *group.parents) if folder == top or top in folder.parents]
