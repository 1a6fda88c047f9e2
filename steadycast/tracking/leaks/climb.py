"""A climb that needs no statistics: a series that rises in each part of its newest minutes, evenly, and by much.

It is told within minutes where nothing is known of sessions, long before a growth with time can be told from a rhythm.
What starts up and what is used more climbs like that, too, for a while: so it is a suspect and never more by itself.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from steadycast.model.findings import Rate, Shape
from steadycast.model.series import Unit
from steadycast.tracking.leaks.slopes import slope
from steadycast.tracking.leaks.verdicts import TREND, Verdict

BLOCKS = 48  # that are kept: then two become one
WINDOW = 24  # newest blocks that are judged
PARTS = 8  # of them, each of which must rise
MB = 2.0**20


@dataclass(frozen=True, slots=True)
class ClimbPolicy:
    """`step`: seconds of a block at first. `span`: seconds that a climb takes at least. It must have grown by `least`
    and by the `share` of what there was. `part`: the least rise of one part, `late`: of its second half, both against
    an even one. `over`: less than this share of its rate in the newest third ends it."""

    step: float = 3.75
    span: float = 90.0
    least: float = 24.0
    share: float = 0.25
    part: float = 0.35
    late: float = 0.75
    over: float = 0.25


COUNTS = ClimbPolicy()
BYTES = ClimbPolicy(step=12.5, span=300.0, least=48 * MB, share=0.5)
CHANCE = 0.01  # no series without a leak is known to do it more seldom


class Climb:
    """One series of one life."""

    def __init__(self, unit: Unit) -> None:
        self._policy = BYTES if unit is Unit.BYTES else COUNTS
        self._step = self._policy.step
        self._blocks: list[tuple[float, float]] = []  # start, lowest
        self._start: float | None = None
        self._low = 0.0
        self._since: tuple[float, float] | None = None  # of the climb that was told: when, from which level
        self._verdict: Verdict | None = None

    def update(self, monotonic: float, value: float, load: Mapping[str, float]) -> Verdict | None:
        """Answers as OverTime does. Where a load is known, what climbs with it is no matter of time."""
        verdict = self._verdict
        if load or self._start is None or monotonic < self._start:
            self._begin(monotonic, value)
            return None if verdict is None or not verdict.holds else self._ended(value)
        if verdict is not None and not verdict.holds:
            verdict = self._verdict = None  # told once
        if monotonic - self._start < self._step:
            self._low = min(self._low, value)
            return verdict
        self._blocks.append((self._start, self._low))
        self._start, self._low = monotonic, value
        if len(self._blocks) > BLOCKS:
            pairs = zip(self._blocks[::2], self._blocks[1::2], strict=False)
            self._blocks = [(first[0], min(first[1], second[1])) for first, second in pairs]
            self._step *= 2
        self._verdict = self._judge(value)
        return self._verdict

    def _begin(self, monotonic: float, value: float) -> None:
        self._blocks, self._step = [], self._policy.step
        self._start, self._low, self._since, self._verdict = monotonic, value, None, None

    def _judge(self, value: float) -> Verdict | None:
        if self._since is None:
            return self._climbs(value)
        third = self._blocks[-WINDOW // 3 :]
        rate = self._rate(self._blocks[-WINDOW:])
        hours = (third[-1][0] - self._since[0]) / 3600
        mean = (third[-1][1] - self._since[1]) / max(hours, 1e-9)
        newest = (third[-1][1] - third[0][1]) / max((third[-1][0] - third[0][0]) / 3600, 1e-9)
        if len(third) < WINDOW // 3 or newest < self._policy.over * mean or rate is None:
            return self._ended(value)
        return self._tell(value, rate)

    def _climbs(self, value: float) -> Verdict | None:
        window, policy = self._blocks[-WINDOW:], self._policy
        if len(window) < WINDOW or window[-1][0] - window[0][0] + self._step < policy.span:
            return None
        size = WINDOW // PARTS
        lows = [min(low for _, low in window[at : at + size]) for at in range(0, WINDOW, size)]
        gains = [after - before for before, after in pairwise(lows)]
        grown, half = lows[-1] - lows[0], len(gains) // 2
        even = grown / len(gains)
        if grown < max(policy.least, policy.share * max(lows[0], 0.0)) or min(gains) < policy.part * even:
            return None
        if sum(gains[-half:]) < policy.late * half * even:
            return None
        rate = self._rate(window)
        if rate is None:
            return None
        self._since = window[0]
        return self._tell(value, rate)

    def _rate(self, window: list[tuple[float, float]]) -> Rate | None:
        at = np.array([start for start, _ in window])
        fitted = slope((at - at[0]) / 3600, np.array([low for _, low in window]))
        if fitted is None or fitted.value <= 0:
            return None
        return Rate(fitted.value, *fitted.interval())

    def _tell(self, value: float, rate: Rate) -> Verdict:
        assert self._since is not None
        since, level = self._since
        minutes = (self._blocks[-1][0] + self._step - since) / 60
        why = f"it rose in each eighth of {minutes:,.0f} minutes, evenly, and gave nothing back"
        return Verdict(Shape.TIME, TREND, CHANCE, since, value, value - level, rate, evidence=(why,))

    def _ended(self, value: float) -> Verdict:
        since, self._since = self._since, None
        at = None if since is None else since[0]
        return Verdict(Shape.TIME, TREND, 1.0, at, value, 0.0, holds=False)
