"""Which columns of a table tell what the server worked on, and what came and went by them. Pure."""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from steadycast.errors import ConfigError
from steadycast.model.series import LOADS
from steadycast.watching.watch.columns import Column
from steadycast.watching.watch.csvs import Table
from steadycast.watching.watch.judging import Cycles

SETTLE_S = 3.0
CYCLE_S = 60.0  # that a cycle is taken to last where a table tells no times
NONE = "none"
_WORKING = r"(sessions?|viewers?|streams?|clients?|players?|lobbies|renditions?|connections)"
_LOAD = re.compile(rf"^((active|num|n|current|open)[ _])?{_WORKING}([ _](count|active|now))?$|^load$", re.I)
_LIVES = re.compile(r"^(pid|process[ _]id|start[ _]time)$", re.I)
_CYCLES = re.compile(
    rf"^(cycles?|iterations?|rounds?|finished|ended|completed|{_WORKING}[ _](total|ended|finished|closed|done))$", re.I
)


@dataclass(frozen=True, slots=True)
class Busy:
    """`loads` are columns by name, `counter` the one that counts what ended; `by_cycle`: it stands for time, too.
    `lives`: another value in it is another life of the server."""

    loads: tuple[Column, ...] = ()
    counter: Column | None = None
    by_cycle: bool = False
    lives: Column | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Columns that are not judged themselves."""
        return frozenset(one.name for one in (*self.loads, self.counter, self.lives) if one is not None)

    @property
    def restarts(self) -> tuple[float, ...]:
        """When another life began."""
        if self.lives is None:
            return ()
        rows = zip(self.lives.times[1:], pairwise(self.lives.values), strict=True)
        return tuple(at for at, (before, after) in rows if before != after)

    def at(self, times: Sequence[float]) -> dict[str, list[float]]:
        """The loads at those times."""
        return {one.name: _held(one, times) for one in self.loads}

    def cycles(self, times: Sequence[float]) -> Cycles | None:
        """What ended until those times; None where nothing tells."""
        if self.by_cycle:
            ended = [int(at / CYCLE_S) for at in times]
            return Cycles("cycle", ended, (), [True] * len(times))
        if self.counter is not None:
            counted = _held(self.counter, times)
            ended = [int(one - counted[0]) for one in counted]
            kind = re.sub(r"[ _](total|ended|finished|closed|done)$", "", self.counter.name.lower())
            each = sum(after - before <= 1 for before, after in pairwise(ended))
            if each >= 0.9 * (len(ended) - 1) and ended[-1] >= 0.5 * len(ended):
                return Cycles(kind.rstrip("s"), ended, (), [True] * len(times))
            return Cycles(kind.rstrip("s"), ended, (), _quiet(times, counted))
        for one in self.loads:
            if all(value == int(value) and value >= 0 for value in one.values):
                load = _held(one, times)
                return Cycles("session", _ended(load), load, _quiet(times, load))
        return None


def busy_of(table: Table, wanted: Sequence[str] = (), counter: str | None = None) -> Busy:
    """`wanted` and `counter` name columns; without them those with a plain name are taken. Raises ConfigError."""
    columns = {one.name: one for one in table.columns}
    for name in (*wanted, *([counter] if counter else [])):
        if name not in columns and name != NONE:
            hint = f"There are: {', '.join(columns)}."
            raise ConfigError("analyze.load", f"The table has no column {name!r} with numbers.", hint=hint)
    if _CYCLES.match(table.time) and not table.dated:
        return Busy(_loads(columns, wanted), None, True, None, ("no times: each row is taken as a cycle of a minute",))
    counting = next((one for one in table.columns if _CYCLES.match(one.name) and _rises(one.values)), None)
    if counter is not None:
        counting = columns.get(counter)
        if counting is not None and not _rises(counting.values):
            raise ConfigError("analyze.cycles", f"Column {counter!r} does not count up in whole numbers.")
    loads = tuple(one for one in _loads(columns, wanted) if one is not counting)
    notes = [f"{one.name!r} is taken as load" for one in loads if not wanted]
    if counting is not None and counter is None:
        notes.append(f"{counting.name!r} is taken as the count of what ended")
    lives = next((one for name, one in columns.items() if _LIVES.match(name)), None)
    return Busy(loads, counting, False, lives, tuple(notes))


def _loads(columns: Mapping[str, Column], wanted: Sequence[str]) -> tuple[Column, ...]:
    if wanted:
        return tuple(columns[name] for name in wanted if name != NONE)[:LOADS]
    return tuple(one for name, one in columns.items() if _LOAD.match(name))[:LOADS]


def _rises(values: Sequence[float]) -> bool:
    whole = all(value == int(value) and value >= 0 for value in values)
    return whole and values[-1] > values[0] and all(a <= b for a, b in pairwise(values))


def _held(column: Column, times: Sequence[float]) -> list[float]:
    """The newest value at each of those times."""
    if column.times == times:
        return column.values
    return [column.values[max(0, bisect.bisect_right(column.times, at) - 1)] for at in times]


def _ended(load: Sequence[float]) -> list[int]:
    total, found = 0, [0]
    for before, after in pairwise(load):
        total += max(0, int(before - after))
        found.append(total)
    return found


def _quiet(times: Sequence[float], values: Sequence[float]) -> list[bool]:
    """Nothing came or went for long enough."""
    found, changed = [], float("-inf")
    for number, at in enumerate(times):
        if number and values[number] != values[number - 1]:
            changed = at
        found.append(at - changed >= SETTLE_S)
    return found
