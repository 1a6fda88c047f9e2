"""One column of a table judged as it would have been judged live: row by row, knowing nothing of what came later."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from steadycast.model import Finding, FindingState, Look, Measured, Owner, Resource, unit_of
from steadycast.tracking.leaks.book import Book, Now, Scene
from steadycast.tracking.leaks.demands import TrendPolicy
from steadycast.tracking.leaks.lives import Series
from steadycast.tracking.leaks.pace import Pace
from steadycast.tracking.leaks.series import SHORT, fitting
from steadycast.tracking.leaks.trend import Trend
from steadycast.tracking.leaks.verdicts import Verdict
from steadycast.watching.common.growth import Growth

HOUR = 3600.0
BINS = 15  # that the shortest window and the repeats of its judgement take
SPARSE = 0.5  # samples a bin at least
MOST_BINS, LEAST_BINS, ALL_BINS = 4500, 1500, 12_000  # of a column, and of a table: some 3 ms each
CYCLES = 10  # that a piece lost each time needs


@dataclass(frozen=True, slots=True)
class Cycles:
    """What came and went until each row (`ended`), how many were there then (`load`), and whether it was quiet."""

    kind: str = "session"
    ended: Sequence[int] = ()
    load: Sequence[float] = ()
    quiet: Sequence[bool] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known beside a column: loads at each row, what came and went, and when another life of it began."""

    loads: Mapping[str, Sequence[float]] = field(default_factory=dict)
    cycles: Cycles | None = None
    restarts: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """`findings`: open ones last. `needed_h`: hours that a growth over time needs at this pace of rows to be seen."""

    name: str
    resource: Resource
    rows: int
    hours: float
    findings: tuple[Finding, ...]
    needed_h: float
    cycles: int
    left_out: int = 0
    slope_per_h: float | None = None
    ends: dict[str, float] = field(default_factory=dict)  # first, last, min, max

    @property
    def worst(self) -> Finding | None:
        """The finding that its verdict is about: a confirmed one, else an open suspect, else one that is over."""
        ranks = {FindingState.CONFIRMED: 3, FindingState.HEALED: 2, FindingState.SUSPECT: 2, FindingState.CLOSED: 0}
        return max(self.findings, key=lambda one: (ranks[one.state], one.opened), default=None)

    @property
    def is_short(self) -> bool:
        """Whether neither time nor cycles suffice to tell anything."""
        return not self.findings and self.hours < self.needed_h and self.cycles < CYCLES


def policy_for(times: Sequence[float], columns: int = 1) -> TrendPolicy:
    """Bins of ten minutes: longer where rows are rarer than that or where there are months of them, shorter where all
    of it is short."""
    found = fitting(times)
    usual = TrendPolicy().step
    if found.step < usual:
        return found
    gaps = sorted(after - before for before, after in pairwise(times))
    gap = gaps[len(gaps) // 2] if gaps else usual
    most = min(MOST_BINS, max(LEAST_BINS, ALL_BINS // columns))
    step = max(usual, gap / SPARSE, (times[-1] - times[0]) / most)
    return replace(found, step=step, warm=max(found.warm, step))


def judge(
    name: str,
    resource: Resource,
    times: Sequence[float],
    values: Sequence[float],
    beside: Beside,
    columns: int = 1,
) -> Judged:
    """`times` in seconds, rising. `columns`: how many the whole table has."""
    loads, cycles = beside.loads, beside.cycles
    policy = policy_for(times, columns)
    measured = Measured(resource)
    brief = times[-1] - times[0] < SHORT
    trend = Growth(unit_of(resource), policy) if brief else Trend(unit_of(resource), policy)
    column = _Column(name, measured, trend, cycles)
    names = list(loads)
    rows = list(zip(*loads.values(), strict=True)) if loads else []
    restarts = iter((*beside.restarts, math.inf))
    restart = next(restarts)
    for at, (moment, value) in enumerate(zip(times, values, strict=True)):
        while moment >= restart:
            column.restart(restart)
            restart = next(restarts)
        load = dict(zip(names, rows[at], strict=True)) if rows else _NONE
        column.row(at, moment, value, load)
    return Judged(
        name, resource, len(times), (times[-1] - times[0]) / HOUR, column.findings(),
        (policy.warm + BINS * policy.step) / HOUR, cycles.ended[-1] - cycles.ended[0] if cycles is not None else 0,
        slope_per_h=slope(times, values),
        ends={"first": values[0], "last": values[-1], "min": min(values), "max": max(values)},
    )  # fmt: skip


_NONE: Mapping[str, float] = {}


class _Column:
    def __init__(self, name: str, measured: Measured, trend: Trend, cycles: Cycles | None) -> None:
        self._owner = Owner(name, "1")
        self._measured = measured
        self._trend = trend
        self._series = Series(measured, trend)
        self._pace = Pace()
        self._book = Book()
        self._cycles = cycles
        self._last: Verdict | None = None

    def restart(self, moment: float) -> None:
        """Another life begins: neither a drop nor a growth."""
        self._owner = Owner(self._owner.role, str(int(self._owner.epoch) + 1))
        self._trend.restart(moment)
        self._series, self._pace, self._last = Series(self._measured, self._trend), Pace(), None
        self._book.restarted(self._owner, Now(moment, moment))

    def row(self, at: int, moment: float, value: float, load: Mapping[str, float]) -> None:
        cycles = self._cycles
        if cycles is None:
            verdict = self._trend.update(moment, value, load)
        else:
            values, ended = {self._measured: value}, {cycles.kind: cycles.ended[at]}
            load = load or {"sessions": cycles.load[at]} if cycles.load else load
            look = Look(self._owner, moment, moment, values, load=load, finished=ended, quiet=cycles.quiet[at])
            if (reading := self._pace.take(look)) is not None:
                self._series.reading(reading, reading.values[self._measured], 1.0, self._pace.peak)
            verdict = self._series.sample(look, value)
        if verdict is not self._last and verdict is not None:  # a trend is told again and again until it is renewed
            scene = Scene(self._owner, (self._measured,), (), Now(moment, moment))
            for _ in self._book.say(scene, self._measured, verdict):
                pass
        self._last = verdict

    def findings(self) -> tuple[Finding, ...]:
        return (*self._book.past, *(case.finding() for case in self._book.open.values()))


def slope(times: Sequence[float], values: Sequence[float]) -> float | None:
    """Of a straight line through all of it, an hour: a description, no judgement."""
    count = len(times)
    middle, mean = sum(times) / count, sum(values) / count
    spread = sum((at - middle) ** 2 for at in times)
    if spread <= 0:
        return None
    return sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / spread * HOUR
