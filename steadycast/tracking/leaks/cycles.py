"""Tier 1: bytes that are lost with each thing that came and went: in use, GPU memory, private memory.

A line through readings at quiet points against what has finished, load taken out. It convicts where even the lower end
of its interval is above a budget, and where the growth neither slows down nor came at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steadycast.model.findings import Rate, Shape
from steadycast.model.series import Measured, Resource
from steadycast.tracking.leaks.fits import Fit, Reading, best_line, fit
from steadycast.tracking.leaks.verdicts import CYCLES, Verdict

KB, MB = 1024.0, 1024.0**2
RECENT = 192  # newest readings, each known
OLD = 64  # readings of the life before, ever fewer of them
_FIRST = 8  # readings until the first judgement
_EVERY = 8  # and so many from one to the next at most


@dataclass(frozen=True, slots=True)
class CyclePolicy:
    """`budget`: bytes a cycle that are accepted, and `warm` bytes that warming up may add to all of them together.

    `floor`: a reading is no finer than that. `page` and `suspect`: chances of a false alarm in one series over one
    life, spent over its judgements; nothing pages before `least` readings (None: never by itself). `windows`: newest
    readings that are judged.
    """

    budget: float
    warm: float
    floor: float
    least: int | None
    windows: tuple[int, ...]
    page: float = 1e-5
    suspect: float = 1e-2
    steady: float = 0.7  # of the growth since an eighth of its life: less has slowed down


_MEMORY = CyclePolicy(96 * KB, 4 * MB, 4 * KB, None, (RECENT,))
_GPU = CyclePolicy(0.5 * MB, 0.0, 64 * KB, 12, (RECENT, 64, 24))
# Warm allocators keep 58 to 64 KB a cycle of whole video pipelines although nothing is lost. Bytes in use rise by 1,
# and by some hundred KB in all before each code path was taken once.
_POLICIES = {
    Resource.IN_USE: CyclePolicy(4 * KB, 0.75 * MB, 256.0, 40, (RECENT, 64, 24)),
    Resource.VRAM: _GPU,
    Resource.SHARED_VRAM: _GPU,
    Resource.BAR1: _GPU,
    Resource.MEMFD: CyclePolicy(64 * KB, 0.0, 4 * KB, 12, (RECENT, 64, 24)),
    Resource.DMABUF: CyclePolicy(64 * KB, 0.0, 4 * KB, 12, (RECENT, 64, 24)),
    Resource.CGROUP: CyclePolicy(512 * KB, 16 * MB, 64 * KB, None, (RECENT,)),
    Resource.PYTHON: CyclePolicy(8.0, 4000.0, 8.0, 40, (RECENT, 64)),  # blocks
}


def policy_of(measured: Measured) -> CyclePolicy:
    """Budgets by what is measured; memory seen from outside has the highest."""
    return _POLICIES.get(measured.resource, _MEMORY)


class Cycles:
    """One series of one life of an owner. Implements OverCycles."""

    __slots__ = ("_count", "_judged", "_next", "_old", "_policy", "_recent", "_stride", "_told", "_total")

    def __init__(self, policy: CyclePolicy) -> None:
        self._policy = policy
        self._recent: deque[Reading] = deque(maxlen=RECENT)
        self._old: list[Reading] = []
        self._stride = 1
        self._count = 0
        self._total = 0
        self._judged = 0  # judgements so far
        self._next = _FIRST
        self._told: tuple[Fit, float] | None = None  # and its chance

    def update(
        self, monotonic: float, value: float, finished: Mapping[str, int], load: Mapping[str, float], quiet: bool
    ) -> Verdict | None:
        if not quiet:
            return None
        total = sum(finished.values())
        if total <= self._total:
            if total < self._total:  # counted anew: what was read before cannot be compared
                self._recent.clear()
                self._old, self._total, self._told = [], total, None
            return None
        warm = self._total > 0  # the first cycle pays once for what all others use
        self._total = total
        if not warm:
            return None
        self._add(Reading(monotonic, value, finished, load))
        if self._count >= self._next:
            self._next = self._count + min(_EVERY, max(1, self._count // 6))
            return self._judge(monotonic, value)
        return None if self._told is None else self._verdict(monotonic, value, True)

    def _add(self, reading: Reading) -> None:
        if len(self._recent) == RECENT and self._count % self._stride == 0:
            self._old.append(self._recent[0])
            if len(self._old) > OLD:
                self._old = self._old[::2]
                self._stride *= 2
        self._recent.append(reading)
        self._count += 1

    def _judge(self, monotonic: float, value: float) -> Verdict | None:
        best: tuple[Fit, float] | None = None
        warm = min(self._count // 4, max(0, self._count - _FIRST))
        start = max(0, warm - (self._count - len(self._recent)))
        readings = list(self._recent)[start:]
        for window in self._policy.windows:
            if window < RECENT and window >= len(readings):
                continue
            self._judged += 1
            found = self._convict(readings[-window:])
            if found is not None and (best is None or found[1] < best[1]):
                best = found
        if best is not None:
            if self._told is not None:
                best = best[0].since(self._told[0]), min(best[1], self._told[1])
            self._told = best
            return self._verdict(monotonic, value, True)
        if self._told is None:
            return None
        if not self._ended(value):
            return self._verdict(monotonic, value, True)
        verdict = self._verdict(monotonic, value, False)
        self._told = None
        return verdict

    def _convict(self, readings: list[Reading]) -> tuple[Fit, float] | None:
        policy = self._policy
        line = best_line(readings, policy.floor)
        if line is None:
            return None
        # What warm-up may add is spread over all that ended; 1 / (k (k + 1)) of the chance: all judgements sum to 1.
        budget = policy.budget + policy.warm / max(float(line.x[-1] - line.x[0]), 1.0)
        chance = line.slope.chance(budget) * self._judged * (self._judged + 1)
        if chance > policy.suspect:
            return None
        found = fit(readings, line, policy.floor, list(self._recent))
        if not found.steady or self._slows(found) or self._was_there(found):
            return None
        pages = policy.least is not None and self._count >= policy.least
        return found, max(chance, 1e-12 if pages else 2 * policy.page)

    def _slows(self, found: Fit) -> bool:
        """Whether the life before grew faster, from an eighth of it on: a cache that fills, not a leak."""
        life = [*self._old, *self._recent]
        early = next((one for one in life if one.total >= self._total / 8), life[0])
        ended = self._recent[-1].finished.get(found.kind, 0) - early.finished.get(found.kind, 0)
        before = (self._recent[-1].value - early.value) / max(ended, 1)
        return found.slope.value < self._policy.steady * before

    def _was_there(self, found: Fit) -> bool:
        """Whether it was as high before this growth: it comes back to where it was."""
        before = [one.value for one in (*self._old, *self._recent) if one.monotonic < found.start.monotonic]
        return bool(before) and max(before) > (found.level + found.high) / 2

    def _ended(self, value: float) -> bool:
        """It went back, or the last readings do not grow any more."""
        assert self._told is not None
        told = self._told[0]
        if value < told.level + 0.25 * (told.high - told.level):
            return True
        last = best_line(list(self._recent)[-24:], self._policy.floor)
        return last is not None and last.slope.interval()[1] < max(self._policy.budget, 0.3 * told.slope.value)

    def _verdict(self, monotonic: float, value: float, holds: bool) -> Verdict:
        assert self._told is not None
        told, chance = self._told
        low, high = told.slope.interval()
        now = self._recent[-1].finished.get(told.kind, 0)
        cycles = max(0, now - told.start.finished.get(told.kind, 0))
        hours = max(monotonic - told.start.monotonic, 1.0) / 3600
        grown = told.slope.value * cycles
        scale = cycles / hours
        return Verdict(
            shape=Shape.TIME if told.timely else Shape.CYCLE,
            tier=CYCLES,
            chance=chance,
            since=told.start.monotonic,
            level=value,
            grown=max(0.0, grown),
            per_hour=Rate(told.slope.value * scale, low * scale, high * scale),
            per_cycle=None if told.timely else Rate(told.slope.value, low, high),
            cycle=None if told.timely else told.kind,
            cycles=cycles,
            evidence=told.evidence(self._policy.budget),
            holds=holds,
        )

    def state(self) -> dict[str, Any]:
        """As JSON: at most 128 readings. What was told is judged anew."""
        readings = [*self._old, *self._recent]
        kept = readings if len(readings) <= 128 else [*readings[:-64:2][-64:], *readings[-64:]]
        return {"readings": [one.state() for one in kept], "count": self._count, "judged": self._judged}

    def restore(self, state: Mapping[str, Any]) -> None:
        """What `state` gave."""
        for raw in state["readings"]:
            reading = Reading.of(raw)
            self._add(reading)
            self._total = reading.total
        self._judged = int(state["judged"])
        self._next = max(_FIRST, self._count + 1)
