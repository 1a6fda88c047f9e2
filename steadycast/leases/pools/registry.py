"""All pools of a process, by name: what they tell, and who hears how short the host is."""

from __future__ import annotations

from collections.abc import Callable

from steadycast.leases.pools.bounds import Pressure
from steadycast.leases.pools.statistics import PoolStatistics

MOST = 32  # names: they are labels of metrics
Tells = Callable[[], PoolStatistics]
Hears = Callable[[Pressure, float], None]


class Pools:
    """A name stands for one kind of thing. `add` raises ValueError for a name that is taken, or one too many."""

    def __init__(self) -> None:
        self._tells: dict[str, Tells] = {}
        self._hears: dict[str, Hears] = {}
        self.pressure = Pressure.LOW

    def add(self, name: str, tells: Tells, hears: Hears | None = None) -> None:
        """From now on; `hears` is told the pressure of the host (and the time on a monotonic clock)."""
        if name in self._tells:
            raise ValueError(f"there is a pool {name!r} already")
        if len(self._tells) >= MOST:
            raise ValueError(f"there are {MOST} pools already")
        self._tells[name] = tells
        if hears is not None:
            self._hears[name] = hears

    def press(self, pressure: Pressure, now: float) -> None:
        """How short the host is."""
        self.pressure = pressure
        for hears in self._hears.values():
            hears(pressure, now)

    def statistics(self) -> dict[str, PoolStatistics]:
        """Of each, by name, in the order in which they came."""
        return {name: tells() for name, tells in self._tells.items()}
