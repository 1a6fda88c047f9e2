"""What a table shows, column by column, as it would have been said live: judged, in words, and as one object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from steadycast.model import Finding, FindingState, Rate, Unit
from steadycast.watching.watch.busy import CYCLE_S, Busy, busy_of
from steadycast.watching.watch.columns import Column
from steadycast.watching.watch.csvs import read_table
from steadycast.watching.watch.judging import CYCLES, Beside, Judged, judge
from steadycast.watching.watch.report import finding_plain, ordered
from steadycast.watching.watch.words import amount, duration

_BYTES = ("bytes", "B")
_VERDICTS = {
    FindingState.CONFIRMED: "leaks", FindingState.SUSPECT: "suspect", FindingState.HEALED: "leaked",
    FindingState.CLOSED: "nothing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one column. `unit`: what a 1 in it is, in words, and its `size` in bytes."""

    judged: Judged
    unit: str
    size: float

    @property
    def verdict(self) -> str:
        """`leaks`, `suspect`, `leaked` (and has stopped), `nothing`, `too short`."""
        worst = self.judged.worst
        if worst is None or worst.state is FindingState.CLOSED:
            return "too short" if self.judged.is_short else "nothing"
        return _VERDICTS[worst.state]

    def number(self, value: float) -> str:
        if self.unit in _BYTES:
            return amount(value, Unit.BYTES)
        shown = value / self.size
        unit = self.unit.upper() if self.unit.islower() else self.unit
        return f"{shown:,.0f} {unit}".rstrip() if abs(shown) >= 100 else f"{shown:.3g} {unit}".rstrip()

    def rate(self, rate: Rate, per: str) -> str:
        return f"{self.number(rate.value)} {per} ({self.number(rate.low)} to {self.number(rate.high)})"


@dataclass(frozen=True, slots=True)
class Analysed:
    """`began` and `ended`: times of the table, Unix seconds where it is `dated`. `by_cycle`: it has no times."""

    path: Path
    columns: tuple[Judgement, ...]
    dated: bool
    began: float
    ended: float
    by_cycle: bool
    notes: tuple[str, ...]

    @property
    def confirmed(self) -> int:
        """Columns that leak."""
        return sum(one.verdict == "leaks" for one in self.columns)


def analyse_table(
    path: Path, time: str | None = None, loads: Sequence[str] = (), counter: str | None = None
) -> Analysed:
    """Raises ConfigError."""
    table = read_table(path, time)
    busy = busy_of(table, loads, counter)
    judged = [column for column in table.columns if column.name not in busy.names]
    columns = tuple(_judgement(column, busy, len(judged)) for column in judged)
    began, ended = min(one.times[0] for one in table.columns), max(one.times[-1] for one in table.columns)
    notes = (*table.notes, *busy.notes)
    return Analysed(path, columns, table.dated, began, ended, busy.by_cycle, notes)


def _judgement(column: Column, busy: Busy, columns: int) -> Judgement:
    unit, size = column.unit()
    times = [at * CYCLE_S for at in column.times] if busy.by_cycle else column.times
    values = column.values if size == 1.0 else [value * size for value in column.values]
    beside = Beside(busy.at(column.times), busy.cycles(times), busy.restarts)
    judged = judge(column.name, column.resource, times, values, beside, columns)
    return Judgement(replace(judged, left_out=column.left_out), unit, size)


def table_plain(found: Analysed) -> dict[str, Any]:
    """One object, in the units of the table."""
    return {
        "file": str(found.path), "kind": "table", "dated": found.dated, "began": found.began, "ended": found.ended,
        "columns": [_column_plain(one) for one in found.columns],
        "findings": [
            {"column": one.judged.name, **finding_plain(finding, one.size), "unit": one.unit or "count"}
            for one in found.columns
            for finding in ordered(one.judged.findings)
        ],
        "notes": list(found.notes),
    }  # fmt: skip


def _column_plain(one: Judgement) -> dict[str, Any]:
    judged = one.judged
    slope = judged.slope_per_h
    return {
        "column": judged.name, "resource": judged.resource.value, "unit": one.unit or "count", "verdict": one.verdict,
        "rows": judged.rows, "left_out": judged.left_out, "hours": judged.hours, "needed_hours": judged.needed_h,
        "cycles": judged.cycles, **{name: value / one.size for name, value in judged.ends.items()},
        "slope_per_hour": None if slope is None else slope / one.size,
    }  # fmt: skip


def told(found: Analysed, one: Judgement) -> Iterator[str]:
    """A column as a person reads it: the verdict, then what says so."""
    judged, worst = one.judged, one.judged.worst
    span = f"{judged.rows:,} rows, {'' if found.by_cycle else duration(judged.hours * 3600)}".rstrip(", ")
    if one.verdict == "too short":
        more = f", or {CYCLES} that came and went" if judged.cycles else ""
        yield f"too short to tell ({span}): at least {duration(judged.needed_h * 3600)} are needed{more}"
        return
    if worst is None or one.verdict == "nothing":
        yield f"nothing found ({span})"
        if worst is not None:
            yield f"a suspect since {_when(found, worst)} was none: {worst.why_closed}"
        return
    head = {"leaks": "leaks", "suspect": "suspect", "leaked": "leaked, and has stopped"}[one.verdict]
    yield f"{head}: {_speed(found, one, worst)}, since {_when(found, worst)}"
    if worst.grown is not None and worst.level is not None:
        level = judged.ends["last"] if worst.closed is None else worst.level  # a growth is not judged at each row
        yield f"{one.number(worst.grown)} too much so far, of {one.number(max(level, worst.grown))}"
    yield from worst.evidence[:4]
    if one.verdict == "suspect":
        yield "a suspect: it looks like a leak, but not for long enough to be sure"
    elif worst.why_closed is not None:
        yield worst.why_closed


def _speed(found: Analysed, one: Judgement, worst: Finding) -> str:
    speeds = []
    if worst.per_cycle is not None:
        speeds.append(one.rate(worst.per_cycle, f"a {worst.cycle or 'cycle'}"))
    if worst.per_hour is not None and not found.by_cycle:
        speeds.append(one.rate(worst.per_hour, "an hour"))
    return "; ".join(speeds) or "it grows"


def _when(found: Analysed, worst: Finding) -> str:
    at = worst.since if worst.since is not None else worst.opened
    if found.by_cycle:
        return f"cycle {at / CYCLE_S:.0f}"
    if found.dated:
        moment = datetime.fromtimestamp(at).astimezone()
        return f"{moment:%Y-%m-%d %H:%M} ({duration(max(0.0, found.ended - at))} before the end)"
    return f"{duration(max(0.0, at - found.began))} after the beginning"
