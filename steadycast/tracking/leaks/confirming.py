"""When a suspect is confirmed without anybody's probe, and when one that had stopped for a restart has healed. Pure."""

from __future__ import annotations

from steadycast.model.findings import Shape
from steadycast.tracking.leaks.cases import Case
from steadycast.tracking.leaks.verdicts import CYCLES, TREND, Verdict

SURE = 1e-5  # chance of a false alarm in one series and life: what pages at once
_AGAIN = 2.0  # times what it took to be named: so long the foretold growth must go on
_MET = 0.85  # of what was foretold
_POOL = 32  # pieces that a harmless pool may hold
_DOUBLED = 1.0  # of what there was before: so much memory must have grown, seen from outside
_TENTH, _MANY = 0.1, 32  # or so much, over so many cycles since it was named
_HOUR = 3600.0
_ON = 2400.0  # after a probe, at most: a suspect has an hour to be decided in
_SOON, _AHEAD = 24 * _HOUR, 4.0
_BACK = 1.5
_GROWTH = frozenset({Shape.CYCLE, Shape.TIME})


def by_itself(case: Case, monotonic: float) -> str | None:
    """What confirms it, in words; None: nothing yet."""
    if case.shape is Shape.RATCHET:
        return None
    for verdict in case.members.values():
        if verdict.tier <= CYCLES and verdict.chance <= SURE and verdict.shape in (Shape.EXHAUSTION, Shape.FOREIGN):
            return "what is there: it needs no proof"
        if verdict.tier <= CYCLES and verdict.chance <= SURE:
            return f"itself: a false alarm has a chance under 1 in {1 / max(verdict.chance, 1e-12):,.0f}"
    if case.lives > (2 if case.verdict.tier >= TREND else 1) and case.members:
        return "its coming back after a restart of its owner"
    return _soon(case, monotonic) or _foretold(case, monotonic) or _probed(case, monotonic)


def comes_back(case: Case, monotonic: float, cycles: int | None) -> bool | None:
    """Of one whose owner began anew: None while that cannot be told, False where it has not come back in time."""
    if case.started is None:
        return True
    if case.members:
        return True
    first = case.first
    if first.per_cycle is not None and first.cycles and cycles is not None:
        return None if cycles < _BACK * first.cycles + 2 else False
    took = max(case.when - (first.since if first.since is not None else case.when), 60.0)
    return None if monotonic - case.started < _BACK * took else False


def _soon(case: Case, monotonic: float) -> str | None:
    """A limit is near, and no more than four times what was seen is foretold."""
    end, rate, since = case.exhaustion, case.verdict.per_hour, case.verdict.since
    if end is None or rate is None or since is None or not case.members:
        return None
    sure = rate.low >= 0.5 * rate.value
    if sure and end.seconds < _SOON and end.seconds <= _AHEAD * (monotonic - since):
        return f"the limit it meets within a day ({end.limit})"
    return None


def _foretold(case: Case, monotonic: float) -> str | None:
    """What was foretold when it was named came true, for twice as long as it took to name it."""
    now = case.members.get(case.measured)
    first, when = case.firsts.get(case.measured, (case.first, case.when))
    if now is None or case.lives > 1 or not {now.shape, first.shape} <= _GROWTH:
        return None
    more = 0
    if first.per_cycle is not None and first.cycles and now.cycles is not None and now.cycle == first.cycle:
        more = now.cycles - first.cycles
        long, came = more >= _AGAIN * first.cycles, now.grown - first.grown >= _MET * first.per_cycle.value * more
    elif first.per_hour is not None and first.since is not None:
        took = when - first.since
        long = monotonic - when >= max(_AGAIN * took, _HOUR)
        came = now.grown >= _due(now, first, when, monotonic)
    else:
        return None
    if not (long and came and _enough(now, more)):
        return None
    return "time: it went on as foretold for twice as long as it took to be named"


def _due(now: Verdict, first: Verdict, when: float, monotonic: float) -> float:
    """What must have grown since the newest verdict's change point: all of it before it was named (`when`), most
    after."""
    since = now.since if now.since is not None else when
    before, after = max(0.0, when - since), monotonic - max(since, when)
    begun = first.since if first.since is not None else since
    rate = first.per_hour.value if first.per_hour is not None else 0.0
    return rate / _HOUR * (min(before, when - begun) + _MET * after)


def _enough(now: Verdict, more: int) -> bool:
    """A pool or a cache that fills up goes on for a while, too: so it must have become much, or have gone on for many
    cycles since it was named (`more`, 0 where it goes with time)."""
    if now.tier == 0:
        return now.grown > _POOL and not now.fills
    if now.tier == CYCLES:
        share = _TENTH if more >= _MANY else 0.5 * _DOUBLED
        return now.grown >= share * max(now.level - now.grown, 0.0)
    return now.grown >= _DOUBLED * max(now.level - now.grown, 0.0)


def _probed(case: Case, monotonic: float) -> str | None:
    """Nothing was given back when it was probed, and it went on for half as long again (40 minutes at most). A pool
    gives nothing back either."""
    if case.probe is None or case.probe.confirmed is not True or case.probed is None:
        return None
    if case.members and all(verdict.fills for verdict in case.members.values()):
        return None
    if case.first.tier <= CYCLES:
        return f"a probe: {case.probe.why}"
    since = case.first.since if case.first.since is not None else case.when
    wait = min(_ON, 0.5 * (case.when - since))
    if case.members and monotonic - case.probed >= wait:
        return f"a probe, and by going on after it: {case.probe.why}"
    return None
