"""Growth with time of one series: a suspect where a line that goes on explains its valleys far better than all that
looks like one for a while (docs/leaks.md says how it decides). Only a suspect: whoever hears of it probes.

An update is a few additions; each ten minutes a few windows are judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from steadycast.model.findings import Rate, Shape
from steadycast.model.series import Unit
from steadycast.tracking.leaks import load as loads
from steadycast.tracking.leaks.bins import RATIO, Bins
from steadycast.tracking.leaks.cause import cause
from steadycast.tracking.leaks.company import AGREE, Leaning
from steadycast.tracking.leaks.demands import TrendPolicy, usual
from steadycast.tracking.leaks.growths import Growth, told
from steadycast.tracking.leaks.plain import build, plain
from steadycast.tracking.leaks.shapes import DAY, RHYTHM_FROM, bank, nearest_age, weigh
from steadycast.tracking.leaks.verdicts import SLOW, TREND, Verdict
from steadycast.tracking.leaks.windows import (
    WINDOWS,
    Window,
    carried_by_few,
    given_back,
    newest,
    points_of,
    slope_of,
    tamed,
    valleys,
)

Array = npt.NDArray[np.float64]

HOUR = 3600.0
PLAIN_FROM = 23.9  # hours
SLOW_FROM = 96.0  # hours: longer windows are the slow tier


def middle(values: Array) -> float:
    """The median; NaN, which is no growth, where something is missing in the middle of it."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


class Trend:
    """One series over the lives of its owner."""

    def __init__(self, unit: Unit, policy: TrendPolicy | None = None) -> None:
        self.unit = unit
        self.policy = policy or TrendPolicy()
        self.judged = 0  # windows weighed so far
        self.ease = 0.0  # how much less is asked, since other series of the owner say the same (company.py)
        self._bins: Bins | None = None
        self._names: tuple[str, ...] = ()
        self._cost: loads.Cost | None = None
        self._growth: list[Growth | None] = [None] * len(WINDOWS)
        self._agreed = 0
        self._plateau: float | None = None  # where earlier lives stopped growing
        self._verdict: Verdict | None = None
        self._raised: tuple[float, float, float] | None = None  # when, how high, after how many hours of growth

    def update(self, monotonic: float, value: float, load: Mapping[str, float]) -> Verdict | None:
        if not np.isfinite(value):
            return self._verdict
        if self._bins is None:
            self._bins = Bins(monotonic, self.policy.step, self._names)
        closed = self._bins.add(monotonic, value, load)
        if closed:
            self._judge(self._bins, closed)
        verdict = self._verdict
        if verdict is not None and not verdict.holds:
            self._verdict = None  # told once
        return verdict

    def restart(self, monotonic: float) -> None:
        """Another life begins: neither a drop nor a growth. What load costs and where plateaus lie is kept."""
        if self._bins is not None:
            self._names = self._bins.names
            self._plateau = self._stopped_at(self._bins) or self._plateau
        self._bins = None
        self._growth = [None] * len(WINDOWS)
        self._agreed = 0
        self._verdict = self._raised = None

    @property
    def leaning(self) -> Leaning | None:
        """The longest growth that would be enough beside others that say the same."""
        growing = [growth for growth in self._growth if growth is not None]
        longest = max(growing, key=lambda growth: growth.hours, default=None)
        return None if longest is None else Leaning(longest.grown, longest.hours)

    def rise(self, hours: float) -> float | None:
        """How much the valleys have risen in so many hours; None where that is not known."""
        if self._bins is None:
            return None
        back = max(1, int(hours * HOUR / self.policy.step))
        low = self._without_load(self._bins, self._bins.fine.rows[-back - 3 :])[:, 0]
        if len(low) < back + 3 or np.isnan(low[:3]).all() or np.isnan(low[-3:]).all():
            return None
        return float(np.nanmin(low[-3:]) - np.nanmin(low[:3]))

    def state(self) -> dict[str, Any]:
        """As JSON, so that a control plane that starts again goes on."""
        cost = self._cost and [self._cost.each.tolist(), self._cost.error.tolist()]
        told = self._agreed, self._plateau, self._raised, plain(self._verdict)
        return {"bins": self._bins and self._bins.state(), "names": list(self._names), "cost": cost, "told": told}

    def restore(self, state: Mapping[str, Any]) -> None:
        """What `state` gave."""
        cost = state["cost"]
        self._bins = state["bins"] and Bins.restored(state["bins"])
        self._names = tuple(state["names"])
        self._cost = cost and loads.Cost(np.array(cost[0], float), np.array(cost[1], float))
        self._agreed, self._plateau, raised, verdict = state["told"]
        self._raised = raised and tuple(raised)
        self._verdict = verdict and build(Verdict, verdict)

    # What is judged

    def _judge(self, bins: Bins, closed: int) -> None:
        age = bins.closed * self.policy.step - self.policy.warm
        self._learn(bins)
        fine = self._without_load(bins, bins.fine.rows)
        for index, window in enumerate(WINDOWS):
            if bins.closed % window.fine and closed < window.fine:
                continue
            length = window.fine * window.points * self.policy.step
            if length > age:
                continue
            rows = self._without_load(bins, bins.coarse.rows) if window.coarse else fine
            self._growth[index] = self._weigh(index, window, rows, (age - length) / length)
        self._decide(bins, closed)

    def _decide(self, bins: Bins, closed: int) -> None:
        """A suspect where windows have agreed for long enough, one after the other."""
        growing = [growth for growth in self._growth if growth is not None and (growth.enough or self.ease > 0)]
        if not growing:
            self._agreed = 0
            self._look_after(bins)
            return
        self._agreed += closed * (2 if self.ease > 0 else 1)  # two views that agree are two looks
        best = max(growing, key=lambda growth: growth.odds)
        shortest = min(growth.hours for growth in growing)
        needed = max(self.policy.times - 1, self.policy.agree * shortest * HOUR / self.policy.step)
        if self._agreed > needed:
            self._suspect(bins, best)

    def _look_after(self, bins: Bins) -> None:
        """A suspect that has stopped for half of the time that it had grown, or for three hours, is over."""
        verdict, raised = self._verdict, self._raised
        if verdict is None or raised is None or verdict.per_hour is None:
            return
        at, level, hours = raised
        elapsed = (bins.last - at) / HOUR
        if elapsed < max(3.0, hours / 4):
            return
        low = float(np.nanmin(self._without_load(bins, bins.fine.rows[-12:])[:, 0], initial=np.inf))
        if low - level < 0.25 * verdict.per_hour.value * elapsed:
            self._verdict = replace(verdict, holds=False)
            self._raised = None
        else:
            self._raised = (bins.last, low, hours)

    def _stopped_at(self, bins: Bins) -> float | None:
        """The height at which this life grew no more; None for a short one and for one that still grew."""
        low = valleys(self._without_load(bins, bins.fine.rows)[:, 0], 6)
        if len(low) < 36:
            return None
        late = float(low[-1] - low[-len(low) // 3])
        return float(low[-1]) if late <= 0.1 * float(low[-1] - low.min()) else None

    def _learn(self, bins: Bins) -> None:
        """What load costs, once an hour; what earlier hours and lives taught stays where the newest tell nothing."""
        if bins.names and bins.closed % loads.LAG == 0:
            rows = bins.fine.rows
            self._cost = loads.fit(rows[:, 0], loads.regressors(rows[:, 1:])) or self._cost

    def _without_load(self, bins: Bins, rows: Array) -> Array:
        """(n, 1) what load does not explain of each row; and beside it, where a cost is known, the loads."""
        if self._cost is None or not bins.names:
            return rows[:, :1]
        busy = loads.regressors(rows[:, 1:])
        return np.column_stack([rows[:, 0] - self._cost.of(busy), busy])

    def _weigh(self, index: int, window: Window, rows: Array, before: float) -> Growth | None:
        hours = window.fine * window.points * self.policy.step / HOUR
        if not self._may_grow(rows[-window.bins :, 0], hours):
            return None
        points = points_of(rows, window)
        if points is None:
            return None
        self.judged += 1
        shaped = self._shaped(index, window, rows, points, before)
        if shaped is not None and shaped.enough:
            return shaped
        return self._plain(index, window, rows, points) or shaped

    def _shaped(self, index: int, window: Window, rows: Array, points: Array, before: float) -> Growth | None:
        hours = window.fine * window.points * self.policy.step / HOUR
        values, level = tamed(points[:, 0]), float(np.abs(points[:, 0]).mean())
        evidence = weigh(bank(window.points, round(hours, 3), nearest_age(before)), values, self.policy.quiet * level)
        length = hours * (1 - evidence.hinge)
        error = float(np.hypot(evidence.error, self._doubt(points)))
        share = evidence.span / (1 - evidence.hinge)
        growth = Growth(index, evidence.grown, error, length, level, evidence.odds, evidence.steady, span=share)
        asked = length, growth.grown - 1.64 * error, level, growth.odds, growth.steady
        if not self.policy.content(*asked, max(self.ease, AGREE)):
            return None
        if length < RHYTHM_FROM and growth.grown / length * DAY < 2 * np.pi * self.policy.rhythm * level:
            return None  # a rhythm of the day might climb as fast, and so short a window cannot tell
        if not self._stands(growth, window, values[int(evidence.hinge * len(values)) :], rows):
            return None
        return growth if self.policy.content(*asked, self.ease) else replace(growth, enough=False)

    def _plain(self, index: int, window: Window, rows: Array, points: Array) -> Growth | None:
        """Over days: large, spread over all of it, and not given back, whatever its shape."""
        hours = window.fine * window.points * self.policy.step / HOUR
        if not PLAIN_FROM <= hours <= SLOW_FROM or window.points < 40:
            return None
        values, level = tamed(points[:, 0]), float(np.abs(points[:, 0]).mean())
        grown, error = slope_of(values)
        error = float(np.hypot(error, self._doubt(points)))
        if not self.policy.plainly(hours, grown - 2.33 * error, level):
            return None
        growth = Growth(index, grown, error, hours, level, plain=True)
        return growth if self._stands(growth, window, values, rows) else None

    def _may_grow(self, values: Array, hours: float) -> bool:
        """A cheap look first: most series do not grow most of the time."""
        part = max(1, len(values) // 6)
        early, late = middle(values[: 2 * part]), middle(values[-part:])
        return late - early > 0.4 * min(1.0, self.policy.flattest) * usual(hours, abs(late))

    def _doubt(self, points: Array) -> float:
        """Standard error of what load was said to explain of this window's growth."""
        if self._cost is None or points.shape[1] == 1:
            return 0.0
        part = max(2, len(points) // 4)
        return self._cost.doubt(points[-part:, 1:].mean(axis=0) - points[:part, 1:].mean(axis=0))

    def _stands(self, growth: Growth, window: Window, since: Array, rows: Array) -> bool:
        """Neither carried by a few jumps nor within what the series gives back by itself."""
        asked = self.policy
        few, late, beyond = (
            (asked.plain_few, asked.plain_newest, asked.plain_beyond)
            if growth.plain
            else (asked.few, asked.newest, asked.beyond)
        )
        if growth.grown < asked.clear * growth.error or carried_by_few(since) > few or newest(since) < late:
            return False
        unit = window.fine if not window.coarse else window.group
        length = max(4, int(growth.hours * HOUR / self.policy.step / (window.fine / unit)))
        horizon = max(4 * length, int(30 * HOUR / self.policy.step / (window.fine / unit)))
        low = valleys(rows[-horizon:, 0], max(1, length // 4))
        if self._plateau is not None and low[-1] < asked.plateau * self._plateau:
            return False
        return float(low[-1] - low.min()) > beyond * given_back(low)

    # What is told

    def _suspect(self, bins: Bins, growth: Growth) -> None:
        hour, error = (one / (growth.hours * growth.span) for one in (growth.grown, growth.error))
        low = float(np.nanmin(self._without_load(bins, bins.fine.rows[-12:])[:, 0], initial=np.inf))
        self._raised = (bins.last, low, growth.hours)
        self._verdict = Verdict(
            Shape.TIME,
            SLOW if growth.hours > SLOW_FROM else TREND,
            max(self.policy.certain, math.exp(-min(growth.odds, growth.steady))),
            bins.last - growth.hours * HOUR,
            growth.level,
            growth.grown,
            Rate(hour, hour - 1.96 * error, hour + 1.96 * error),
            evidence=(
                *told(growth),
                *self._cause(bins, growth),
            ),
        )

    def _cause(self, bins: Bins, growth: Growth) -> tuple[str, ...]:
        """Time, or load times time: which of them the growth goes with."""
        if not bins.names:
            return ()
        rows = (bins.coarse if growth.hours > SLOW_FROM else bins.fine).rows
        step = self.policy.step * (RATIO if growth.hours > SLOW_FROM else 1)
        rows = rows[-max(6, int(growth.hours * HOUR / step)) :]
        return cause(self._without_load(bins, rows)[:, 0], rows[:, 1:], bins.names)
