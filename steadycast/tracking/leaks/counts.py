"""Tier 0: counts (descriptors, threads, children, objects, sockets) that lose a piece when something came and went.

Looked at only at quiet points, each compared with earlier ones at which no less was going on. No budget and no model of
noise: a count that reaches new highs more often than chance allows (see bets.py), and never gives back, loses pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steadycast.model.findings import Rate, Shape
from steadycast.model.series import Measured, Resource
from steadycast.tracking.leaks.bets import Bets
from steadycast.tracking.leaks.kinds import together
from steadycast.tracking.leaks.levels import Compared, LoadLevels
from steadycast.tracking.leaks.runs import Run, steps
from steadycast.tracking.leaks.verdicts import EXACT, Verdict

_FILLS = "a pool that is not full yet would look the same so far: more pieces, another life or a near limit decide"
SURE = 0.3  # costs of a load are not whole numbers always


@dataclass(frozen=True, slots=True)
class CountPolicy:
    """`suspect` and `page` are chances of a false alarm in one series over one life.

    A suspect grew at least twice, one that pages `times`. A growth that was seen once is forgotten after `patience`
    readings; one that came again has stopped after `late` times its usual gap. A harmless pool of `pool` pieces may
    fill up now and then: an uneven growth pages only beyond it, and only where it does not get rarer. One of `full`
    pieces may take some in each cycle until it is full: what grows by `seldom` to `few` pieces a cycle pages only
    beyond that. Any other even growth (14 each time, or one each tenth) pages at once. `step` more at once, not as the
    last time, is another level: compared anew.
    """

    suspect: float = 1e-2
    page: float = 1e-5
    times: int = 4
    patience: int = 60
    late: float = 4.0
    pool: float = 32.0
    full: float = 128.0
    seldom: float = 0.5
    few: float = 4.5
    step: float = 3.0


_POOLED = CountPolicy()
_GRANULES = CountPolicy(full=0.0)  # pieces of memory are no things
_SINGLE = CountPolicy(pool=0.0, full=0.0)  # nobody keeps these for later
_POLICIES = {
    Resource.ZOMBIES: _SINGLE, Resource.DISPLAYS: _SINGLE, Resource.ENCODER_SESSIONS: _SINGLE,
    Resource.VRAM: _GRANULES, Resource.DMABUF: _GRANULES, Resource.MEMFD: _GRANULES,
}  # fmt: skip


def count_policy(measured: Measured) -> CountPolicy:
    """By whether programs keep such things in pools."""
    return _POLICIES.get(measured.resource, _POOLED)


class Counts:
    """One series of one life of an owner. Implements OverCycles."""

    __slots__ = ("_bets", "_breath", "_ended", "_last", "_levels", "_peak", "_policy", "_run", "_told")

    def __init__(self, policy: CountPolicy | None = None) -> None:
        self._policy = policy or CountPolicy()
        self._bets = Bets()
        self._levels = LoadLevels()
        self._run = Run()
        self._ended: dict[str, int] | None = None  # at the last reading
        self._last = (0.0, 0.0)  # its moment and value
        self._peak = 0.0
        self._breath = 0.0
        self._told = False

    def update(
        self,
        monotonic: float,
        value: float,
        finished: Mapping[str, int],
        load: Mapping[str, float],
        quiet: bool,
        peak: float = 0.0,
    ) -> Verdict | None:
        """`peak`: most that was active at once in this life; more than ever before explains a new high."""
        if not quiet:
            return None
        ended = steps(finished, self._ended)
        if not any(ended.values()):  # nothing came and went; before the first that did it was not warm
            if self._ended is not None and finished != self._ended:
                self._ended = dict(finished)  # counted anew
            return None
        first = self._ended is None
        self._ended = dict(finished)
        seen = self._levels.compare(load)
        more = max(0.0, value - seen.high) if seen.readings else 0.0
        more = more if more > SURE else 0.0
        if first or (more and peak > self._peak) or self._gave_back(value, seen.here):
            verdict = self._end(value)
            self._levels.clear()
        else:
            self._bet(monotonic, more, seen, ended)
            verdict = self._judge(monotonic, value)
        if seen.last is not None:
            self._breath = max(self._breath, seen.last - value)
        self._levels.note(seen.key, value)
        self._peak = max(self._peak, peak)
        self._last = monotonic, value
        return verdict

    def _bet(self, monotonic: float, more: float, seen: Compared, ended: dict[str, int]) -> None:
        run = self._run
        if run.gap is not None:
            run.gap += 1
        sizes = {kind: more / count for kind, count in ended.items() if count}
        sizes[""] = more / seen.since  # a reading
        same = run.same(sizes)
        self._bets.reading(seen.readings, more > 0, run.gap, more if same else None, self._breath)
        if more:
            if run.times == 0:
                run.when, run.first = self._last[0], (monotonic, more, ended)
            run.high(more, sizes)
            if not same and more >= self._policy.step * seen.since:
                self._levels.clear()
            run.strength = max(run.strength, self._bets.capital)
        if run.times:
            run.readings += 1
            run.kinds.add(ended, more)

    def _gave_back(self, value: float, here: float | None) -> bool:
        """Whether most of it came back, compared with the highest at this load."""
        return self._run.times > 0 and here is not None and value < here - 0.75 * self._run.lost

    def _judge(self, monotonic: float, value: float) -> Verdict | None:
        run, policy = self._run, self._policy
        if run.late(policy.patience, policy.late):
            return self._end(value)
        if run.strength >= 1 / policy.suspect and run.times >= 2 and run.lost >= 2:
            self._told = True
        return self._verdict(monotonic, value, True) if self._told else None

    def _end(self, value: float) -> Verdict | None:
        """It stopped, or gave back: the next growth is another one."""
        verdict = self._verdict(self._last[0], value, False) if self._told else None
        self._told = False
        self._bets.clear()
        self._run = Run()
        return verdict

    def _fills(self, cycles: int) -> bool:
        """Whether it may as well be a pool that is not full yet."""
        run, policy = self._run, self._policy
        if policy.seldom <= run.lost / max(cycles, 1) <= policy.few and run.lost <= policy.full:
            return True
        return not run.even and run.lost < policy.pool

    def _verdict(self, monotonic: float, value: float, holds: bool) -> Verdict:
        run = self._run
        chance = 1 / max(run.strength, 1.0)
        ranked = run.kinds.ranked()
        kind = ranked[0][0] if ranked else None
        cycles = run.kinds.ended(kind) if kind else run.readings
        fills = self._fills(cycles)
        if fills or run.times < self._policy.times or not (run.even or not run.slower):
            chance = max(chance, 2 * self._policy.page)
        lost, hours, over = run.after_first(monotonic, kind)
        return Verdict(
            shape=Shape.CYCLE,
            tier=EXACT,
            chance=chance,
            since=run.when,
            level=value,
            grown=run.lost,
            per_hour=_rate(lost, run.spread, hours),
            per_cycle=_rate(lost, run.spread, over),
            cycle=kind,
            cycles=cycles,
            evidence=(*_evidence(run, kind, cycles, together(ranked), chance), *((_FILLS,) if fills else ())),
            holds=holds,
            fills=fills,
        )

    def state(self) -> dict[str, Any]:
        """As JSON, some KB at most."""
        return {
            "bets": self._bets.state(),
            "levels": self._levels.state(),
            "run": self._run.state(),
            "ended": self._ended,
            "last": list(self._last),
            "seen": [self._peak, self._breath, self._told],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """What `state` gave."""
        self._bets.restore(state["bets"])
        self._levels.restore(state["levels"])
        self._run.restore(state["run"])
        self._ended = state["ended"]
        self._last = float(state["last"][0]), float(state["last"][1])
        self._peak, self._breath, self._told = state["seen"]


def _rate(lost: float, spread: float, over: float) -> Rate:
    return Rate(lost / over, max(0.0, lost - spread) / over, (lost + spread) / over)


def _evidence(run: Run, kind: str | None, cycles: int, others: tuple[str, ...], chance: float) -> tuple[str, ...]:
    lines = [
        f"a new high {run.times} times while {cycles} ended ({kind or 'cycle'}), at no more load, and none given back",
        f"chance that a count that loses nothing ever does so: under 1 in {1 / chance:,.0f}",
    ]
    if others:
        lines.append(f"came and went together with it, so it may be these: {', '.join(others)}")
    return tuple(lines)
