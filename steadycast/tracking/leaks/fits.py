"""One line through readings against each kind of what has finished, and which kind it goes with best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steadycast.tracking.leaks.kinds import ALIKE
from steadycast.tracking.leaks.slopes import Array, Slope, bend, hinge, slope, without

_STEADY = 0.35  # of its share: what each quarter grows by at least
_AT_ONCE = 0.6  # of all growth: what one quarter has at most
_TIMELY = 0.7  # so much less is left unexplained by time than by what finished: it goes with time
_TELLABLE = 16  # readings from which on time and cycles are told apart
_BENT = 0.75  # as steep at the end as at the start, at least
LEAST = 8  # readings


@dataclass(frozen=True, slots=True)
class Reading:
    """One series at one quiet point."""

    monotonic: float
    value: float
    finished: Mapping[str, int]
    load: Mapping[str, float]

    @property
    def total(self) -> int:
        return sum(self.finished.values())

    def state(self) -> list[Any]:
        return [self.monotonic, self.value, dict(self.finished), dict(self.load)]

    @classmethod
    def of(cls, raw: Sequence[Any]) -> Reading:
        return cls(float(raw[0]), float(raw[1]), dict(raw[2]), dict(raw[3]))


@dataclass(frozen=True, slots=True)
class Fit:
    """A growth with one kind. `start`: the reading it begins at, with `level` then and `high` at last, load taken out.

    `steady`: each part of the readings grew, and it does not slow down. `timely`: time explains it better. `alike`:
    kinds that explain it as well.
    """

    kind: str
    slope: Slope
    start: Reading
    level: float
    high: float
    readings: int
    steady: bool
    timely: bool
    alike: tuple[str, ...]

    def since(self, before: Fit) -> Fit:
        """The same with the beginning of an earlier fit, where that was earlier."""
        earlier = before.kind == self.kind and before.start.monotonic < self.start.monotonic
        return replace(self, start=before.start, level=before.level) if earlier else self

    def evidence(self, budget: float) -> tuple[str, ...]:
        low, _ = self.slope.interval(0.999)
        lines = [
            f"a line through {self.readings} quiet points: at least {low / 1024:,.1f} KB for each "
            f"{self.kind} that ended (allowed are {budget / 1024:,.0f} KB)",
        ]
        if self.timely:
            lines.append("it goes with time better than with what ended")
        if self.alike:
            lines.append(f"came and went together with it, so it may be these: {', '.join(self.alike)}")
        return tuple(lines)


@dataclass(frozen=True, slots=True)
class Line:
    """The best line through some readings, and what it was made of."""

    kind: str
    slope: Slope
    alike: tuple[str, ...]
    x: Array
    y: Array
    others: Array
    names: tuple[str, ...]


def best_line(readings: Sequence[Reading], floor: float) -> Line | None:
    """Against the kind that explains most; of those that explain it alike, the one that ended least often."""
    if len(readings) < LEAST:
        return None
    y = np.array([one.value for one in readings])
    names = tuple(sorted({name for one in readings[:: max(1, len(readings) // 16)] for name in one.load}))
    others = np.array([[one.load.get(name, 0.0) for name in names] for one in readings]).reshape(len(readings), -1)
    found: list[tuple[str, Array, Slope]] = []
    for kind in sorted(readings[-1].finished):
        x = np.array([float(one.finished.get(kind, 0)) for one in readings])
        fitted = slope(x, y, others, floor)
        if fitted is not None:
            found.append((kind, x, fitted))
    if not found:
        return None
    least = min(fitted.left for _, _, fitted in found)
    enough = least / ALIKE + floor * floor
    alike = sorted((one for one in found if one[2].left <= enough), key=lambda one: float(np.ptp(one[1])))
    kind, x, fitted = alike[0]
    return Line(kind, fitted, tuple(one[0] for one in alike[1:]), x, y, others, names)


def fit(readings: Sequence[Reading], line: Line, floor: float, all_known: Sequence[Reading]) -> Fit:
    """What a line tells of the growth: whether it is one, and where among all that is known it begins."""
    x, others = line.x, line.others
    flat = without(line.y, x, others)
    start, level, straight = _begin(all_known, line)
    return Fit(
        line.kind,
        line.slope,
        start,
        level,
        float(np.median(flat[-3:])),
        len(readings),
        _steady(x, flat) and straight and bend(x, flat) >= _BENT,
        _timely(readings, line.y, others, line.slope, floor),
        line.alike,
    )


def _begin(readings: Sequence[Reading], line: Line) -> tuple[Reading, float, bool]:
    """Where it begins, its level then, and whether all but the first quarter does not slow down either."""
    x = np.array([float(one.finished.get(line.kind, 0)) for one in readings])
    y = np.array([one.value for one in readings])
    others = np.array([[one.load.get(name, 0.0) for name in line.names] for one in readings])
    flat = without(y, x, others.reshape(len(readings), -1))
    at = hinge(x, flat)
    late = len(readings) // 4
    straight = bend(x[late:], flat[late:]) >= _BENT
    return readings[at], float(np.median(flat[max(0, at - 2) : at + 3])), straight


def _steady(x: Array, y: Array) -> bool:
    """Whether each quarter has its share of the growth."""
    edges = np.linspace(x[0], x[-1], 5)
    near = max(1, len(x) // 16)
    levels = []
    for edge in edges:
        at = int(np.argmin(np.abs(x - edge)))
        levels.append(float(np.median(y[max(0, at - near) : at + near + 1])))
    gains = np.diff(levels)
    whole = levels[-1] - levels[0]
    return bool(whole > 0 and gains.min() >= _STEADY * whole / 4 and gains.max() <= _AT_ONCE * whole)


def _timely(readings: Sequence[Reading], y: Array, others: Array, fitted: Slope, floor: float) -> bool:
    if len(readings) < _TELLABLE:
        return False
    when = np.array([one.monotonic for one in readings])
    timed = slope(when, y, others, floor)
    return timed is not None and timed.value > 0 and timed.left + floor * floor < _TIMELY * fitted.left
