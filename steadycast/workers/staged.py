"""The staging buffers of all lobby workers, as one pool: what their signs of life tell, and what they are told."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from steadycast.errors import SteadycastError
from steadycast.leases.pools import Pools, PoolStatistics, Pressure
from steadycast.workers.messages import Press

NOW = ("total", "keeps", "lent", "idle")
SINCE = ("created", "stocked", "parted", "reused", "failed", "refused", "missed", "expired")


def pools(workers: Callable[[], Iterable[Sayer]]) -> Pools:
    """The pools of a host, with this one in them; `workers` are those that are there now, of all kinds."""
    made, buffers = Pools(), StagingBuffers(workers)
    made.add("staging buffers", buffers.statistics, buffers.press)
    return made


class Sayer(Protocol):
    """A worker, as far as it is needed here."""

    @property
    def id(self) -> str: ...

    @property
    def statistics(self) -> dict[str, Any]: ...

    def post(self, message: Any) -> None: ...


class StagingBuffers:
    """Of the workers that show a push source. Totals go on when a worker is gone, as far as they were told here."""

    def __init__(self, workers: Callable[[], Iterable[Sayer]]) -> None:
        self._workers = workers
        self._before: Counter[str] = Counter()  # of workers that are gone
        self._latest: dict[str, Counter[str]] = {}  # of those that are there
        self._told: dict[str, Pressure] = {}
        self._pressure = Pressure.LOW
        self._high_water = 0

    def press(self, pressure: Pressure, now: float) -> None:
        """How short of memory the host is: told to each that does not know it yet."""
        self._pressure = pressure
        there = self._there()
        self._told = {id: level for id, level in self._told.items() if id in there}
        for id, (worker, _) in there.items():
            if self._told.get(id, Pressure.LOW) is not pressure:
                with contextlib.suppress(SteadycastError):  # one that does not read is ended by its supervisor
                    worker.post(Press(int(pressure)))
                    self._told[id] = pressure

    def statistics(self) -> PoolStatistics:
        """All of them together."""
        there = {id: counts for id, (_, counts) in self._there().items()}
        for id, counts in self._latest.items():
            if id not in there:
                self._before.update({name: count for name, count in counts.items() if name not in NOW})
        self._latest = there
        total: Counter[str] = Counter(self._before)
        for counts in there.values():
            total.update(counts)
        self._high_water = max(self._high_water, total["lent"] + total["idle"])
        evicted = {name.partition(":")[2]: count for name, count in total.items() if name.startswith("evicted:")}
        known: dict[str, int] = {name: total[name] for name in (*NOW, *SINCE)}
        return PoolStatistics(
            waiting=0,
            keys=sum(counts["idle"] > 0 for counts in there.values()),
            pressure=int(self._pressure),
            high_water=self._high_water,
            evicted=evicted,
            **known,
        )

    def _there(self) -> dict[str, tuple[Sayer, Counter[str]]]:
        found = {}
        for worker in self._workers():
            pool = _table(_table(_table(worker.statistics.get("source")).get("push")).get("pool"))
            if pool:
                found[worker.id] = worker, _counts(pool)
        return found


def _counts(pool: dict[str, Any]) -> Counter[str]:
    counts = Counter({name: _number(pool.get(name)) for name in (*NOW, *SINCE)})
    for why, count in _table(pool.get("evicted")).items():
        counts[f"evicted:{why}"] = _number(count)
    return counts


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
