"""What a count was at which load, so that it is compared only with what is to be expected at that load.

What one more of each kind of active thing holds is learned from how the count moves when the load does. Until that is
known, a reading is compared only with those at which no less was going on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LEVELS = 16
_FLOWS = frozenset({"bitrate"})  # how much flows, not how many things are open
_ENOUGH = 8  # moves of the load until its costs are known
_NEAR = 0.2  # a cost so near to a whole number is one
Key = tuple[tuple[str, float], ...]


class Compared(NamedTuple):
    """`readings` it is compared with; the `high` of them at this load; readings `since` that was last met; what was
    highest and what was `last` met at just this load (None: it never was)."""

    key: Key
    readings: int
    high: float
    since: int
    here: float | None
    last: float | None


class LoadLevels:
    """Readings, highest value, when that was, and newest value at each of the loads met most."""

    __slots__ = ("_before", "_costs", "_count", "_levels", "_moves", "_sums")

    def __init__(self) -> None:
        self._levels: dict[Key, list[float]] = {}
        self._count = 0
        self._before: tuple[Key, float] | None = None
        self._moves = 0
        self._sums: dict[str, dict[str, float]] = {}  # name: products of its moves with those of others, "" the count's
        self._costs: dict[str, float] | None = None

    def compare(self, load: Mapping[str, float]) -> Compared:
        key = tuple(sorted((name, many) for name, many in load.items() if many and name not in _FLOWS))
        compared, high, at = 0, float("-inf"), 0.0
        mine = self._cost(key)
        for other, (readings, highest, when, _) in self._levels.items():
            if other == key or not key:
                expected = highest if mine is None or other == key else highest - (self._cost(other) or 0.0)
            elif mine is not None:
                expected = highest + mine - (self._cost(other) or 0.0)
            elif _covers(other, key):
                expected = highest
            else:
                continue
            compared += int(readings)
            if expected > high or (expected == high and when > at):
                high, at = expected, when
        level = self._levels.get(key)
        last = (level[1], level[3]) if level else (None, None)
        return Compared(key, compared, high, self._count + 1 - int(at), *last)

    def note(self, key: Key, value: float) -> None:
        """One reading."""
        self._count += 1
        if self._before is not None and self._before[0] != key:
            self._learn(self._before, key, value)
        self._before = key, value
        level = self._levels.get(key)
        if level is None:
            if len(self._levels) >= LEVELS:
                del self._levels[min(self._levels, key=lambda one: self._levels[one][0])]
            self._levels[key] = [1, value, self._count, value]
            return
        level[0] += 1
        if value >= level[1]:
            level[1], level[2] = value, self._count
        level[3] = value

    def clear(self) -> None:
        """Compare anew. What a load costs is kept."""
        self._levels.clear()

    def _cost(self, key: Key) -> float | None:
        if self._costs is None:
            return None
        return sum(self._costs.get(name, 0.0) * many for name, many in key)

    def _learn(self, before: tuple[Key, float], key: Key, value: float) -> None:
        old, new = dict(before[0]), dict(key)
        moved = {name: new.get(name, 0.0) - old.get(name, 0.0) for name in old.keys() | new.keys()}
        moved = {name: by for name, by in moved.items() if by}
        for name, by in moved.items():
            row = self._sums.setdefault(name, {})
            row[""] = row.get("", 0.0) + by * (value - before[1])
            for other, by_other in moved.items():
                row[other] = row.get(other, 0.0) + by * by_other
        self._moves += 1
        if self._moves >= _ENOUGH:
            costs = _solve(self._sums)
            self._costs = {name: round(c) if abs(c - round(c)) < _NEAR else c for name, c in costs.items()}

    def state(self) -> list[Any]:
        before = None if self._before is None else [list(self._before[0]), self._before[1]]
        levels = [[list(key), *level] for key, level in self._levels.items()]
        return [levels, self._count, before, self._moves, self._sums, self._costs]

    def restore(self, state: Sequence[Any]) -> None:
        levels, self._count, before, self._moves, self._sums, self._costs = state
        self._levels = {_key(key): list(level) for key, *level in levels[:LEVELS]}
        self._before = None if before is None else (_key(before[0]), float(before[1]))


def _key(raw: Sequence[Sequence[Any]]) -> Key:
    return tuple((str(name), float(many)) for name, many in raw)


def _covers(other: Key, key: Key) -> bool:
    """Whether at the other load there was at least as much of everything."""
    held = dict(other)
    return all(held.get(name, 0.0) >= many for name, many in key)


def _solve(sums: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Least squares of the moves; a little ridge, so that loads that always move together share the cost."""
    names = list(sums)
    rows = [
        [sums[one].get(other, 0.0) + (1e-6 if one == other else 0.0) for other in names] + [sums[one].get("", 0.0)]
        for one in names
    ]
    for at in range(len(names)):
        pivot = max(range(at, len(names)), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for row in range(len(names)):
            if row != at and rows[at][at]:
                factor = rows[row][at] / rows[at][at]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[at], strict=True)]
    return {name: rows[at][-1] / rows[at][at] if rows[at][at] else 0.0 for at, name in enumerate(names)}
