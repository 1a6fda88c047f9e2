"""One life of one owner: its series, each with the detectors that fit what it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from steadycast.model.findings import Rate
from steadycast.model.series import Look, Measured, Owner, Resource, Unit, unit_of
from steadycast.tracking.leaks.counts import Counts, count_policy
from steadycast.tracking.leaks.cycles import Cycles, policy_of
from steadycast.tracking.leaks.foreign import Foreign
from steadycast.tracking.leaks.pace import Pace
from steadycast.tracking.leaks.ratchet import Ratchet
from steadycast.tracking.leaks.together import ease
from steadycast.tracking.leaks.trend import Trend
from steadycast.tracking.leaks.verdicts import OverTime, Verdict

Trends = Callable[[Unit], OverTime | None]

IN_USE, RETAINED = Measured(Resource.IN_USE), Measured(Resource.RETAINED)
SERIES = 256  # of one life
TOGETHER_S = 600.0
# Things are lost whole: a context, a frame, a mapping. So the bytes of these are counted in pieces, exactly.
_PIECES = {Resource.VRAM: 2.0**20, Resource.DMABUF: 2.0**12, Resource.MEMFD: 2.0**12}
_OUTSIDE = frozenset({Resource.PRIVATE, Resource.PSS, Resource.USS, Resource.RSS})
_INEXACT = frozenset({Resource.PYTHON, Resource.QUEUE})
_UNJUDGED = frozenset({Resource.RETAINED})  # the ratchet's part


class Series:
    """One series of one life. `trend` may come from the life before."""

    __slots__ = ("_newest", "counts", "cycles", "foreign", "trend")

    def __init__(self, measured: Measured, trend: OverTime | None) -> None:
        unit = unit_of(measured.resource)
        exact = (unit is Unit.COUNT and measured.resource not in _INEXACT) or measured.resource in _PIECES
        self.counts = Counts(count_policy(measured)) if exact else None
        self.cycles = Cycles(policy_of(measured)) if unit is Unit.BYTES or measured.resource in _INEXACT else None
        self.foreign = Foreign() if measured.resource is Resource.FILES else None
        self.trend = trend
        self._newest: dict[str, Verdict] = {}

    def sample(self, look: Look, value: float) -> Verdict | None:
        """A look of any kind."""
        if self.trend is not None:
            self._note("trend", self.trend.update(look.monotonic, value, look.load))
        if self.foreign is not None:
            self._note("foreign", self.foreign.update(look.monotonic, value))
        return self._best() if self._newest else None

    def reading(self, look: Look, value: float, piece: float, peak: float) -> None:
        """A look at a quiet point."""
        when, ended, load = look.monotonic, look.finished, look.load
        if self.counts is not None:
            found = self.counts.update(when, round(value / piece), ended, load, True, peak)
            self._note("counts", found if found is None or piece == 1 else _scaled(found, piece))
        if self.cycles is not None:
            self._note("cycles", self.cycles.update(when, value, ended, load, True))

    def _note(self, detector: str, verdict: Verdict | None) -> None:
        if verdict is not None:
            self._newest[detector] = verdict
        else:
            self._newest.pop(detector, None)

    def _best(self) -> Verdict:
        """The surest one that holds; else one that has just ended, which is told once."""
        holding = [one for one in self._newest.values() if one.holds]
        if holding:
            return min(holding, key=lambda one: (one.tier > 1, one.chance, one.tier))
        ended = self._newest.popitem()[1]
        self._newest.clear()
        return ended


class Life:
    """All series of one life of one owner."""

    __slots__ = (
        "_due",
        "_eased",
        "_kept",
        "_none",
        "_ratchet",
        "_series",
        "_trends",
        "owner",
        "pace",
        "refused",
        "seen",
        "started",
    )

    def __init__(
        self, owner: Owner, monotonic: float, trends: Trends, before: Mapping[Measured, OverTime] | None = None
    ) -> None:
        self.owner = owner
        self.started = self.seen = monotonic
        self.pace = Pace()
        self.refused = 0  # series that are not followed, in the last look
        self._kept = 0.0  # by the allocator, of all memory seen from outside
        self._eased = monotonic  # when series of bytes were last held against each other
        self._none: set[Measured] = set()  # kinds of which there are none, as was said once
        self._due: set[Measured] = set()  # what the last reading did not show: not everything is read at each look
        self._ratchet = Ratchet()
        self._trends = trends
        self._series: dict[Measured, Series] = {}
        for measured, trend in (before or {}).items():
            trend.restart(monotonic)
            self._series[measured] = Series(measured, trend)

    def __len__(self) -> int:
        return len(self._series)

    @property
    def followed(self) -> tuple[Measured, ...]:
        return tuple(self._series)

    @property
    def trends(self) -> dict[Measured, OverTime]:
        """To be carried on into the next life of the same role."""
        return {measured: one.trend for measured, one in self._series.items() if one.trend is not None}

    def look(self, look: Look, room: int) -> Iterator[tuple[Measured, Verdict]]:
        """What is to be said of each series; `room` is for so many new ones."""
        self.seen, self.owner = look.monotonic, look.owner
        reading = self.pace.take(look)
        values, absent = self._values(look)
        if reading is not None:
            self._due = {one for one in self._series if one not in (values if reading is look else reading.values)}
        self.refused = 0
        for measured, value in values.items():
            if not isfinite(value):
                continue
            series = self._series.get(measured)
            if series is None:
                if measured not in look.values or not _judged(measured):
                    continue
                if (room <= 0 or len(self._series) >= SERIES) and not self._make_room(absent):
                    self.refused += 1
                    continue
                room -= 1
                series = self._series[measured] = self._new(measured, look)
            kept = self._kept if measured.resource in _OUTSIDE else 0.0
            if reading is not None:
                then = value if reading is look else reading.values.get(measured)
                if then is not None:
                    series.reading(reading, then - kept, _PIECES.get(measured.resource, 1.0), self.pace.peak)
            elif measured in self._due and look.quiet:
                self._due.discard(measured)
                series.reading(look, value - kept, _PIECES.get(measured.resource, 1.0), self.pace.peak)
            verdict = series.sample(look, value - kept)
            if verdict is not None:
                yield measured, verdict
        if look.monotonic - self._eased >= TOGETHER_S:
            self._eased = look.monotonic
            ease({measured: one.trend for measured, one in self._series.items() if isinstance(one.trend, Trend)})
        if IN_USE in values and RETAINED in values:
            note = self._ratchet.update(look.monotonic, values[IN_USE], values[RETAINED])
            if note is not None:
                yield RETAINED, note

    def _values(self, look: Look) -> tuple[Mapping[Measured, float], set[Measured]]:
        """What was read, with 0 for a kind that is not among those that were read of its resource any more; and which
        series were not read, or are none any more."""
        values = look.values
        if RETAINED in values and IN_USE in values:
            self._kept = values[RETAINED]
        absent = {one for one in self._series if one not in values} if len(values) < len(self._series) else set()
        if not absent:
            return values, absent
        read = {one.resource for one in values if one.detail and unit_of(one.resource) is Unit.COUNT}
        self._none -= values.keys()
        none = {one: 0.0 for one in absent - self._none if one.detail and one.resource in read}
        self._none |= none.keys()
        return ({**values, **none}, absent) if none else (values, absent)

    def _make_room(self, absent: set[Measured]) -> bool:
        """A kind that is no more gives its place."""
        if not absent:
            return False
        gone = absent.pop()
        self._series.pop(gone, None)
        self._none.discard(gone)
        return True

    def _new(self, measured: Measured, look: Look) -> Series:
        """Counts in all their details are judged by cycles; by time only as a whole, where there are cycles."""
        timed = not measured.detail or unit_of(measured.resource) is Unit.BYTES or not look.finished
        return Series(measured, self._trends(unit_of(measured.resource)) if timed else None)

    def state(self, remembers: bool = True) -> dict[str, Any]:
        """As JSON; what was seen over time only where it is wanted, as it is large."""
        return {
            "role": self.owner.role,
            "epoch": self.owner.epoch,
            "pid": self.owner.pid,
            "started": self.started,
            "seen": self.seen,
            "peak": self.pace.peak,
            "series": [
                [
                    measured.resource.value,
                    measured.detail,
                    None if one.counts is None else one.counts.state(),
                    None if one.cycles is None else one.cycles.state(),
                    one.trend.state() if remembers and isinstance(one.trend, Trend) else one.trend is not None,
                ]
                for measured, one in self._series.items()
            ],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], trends: Trends) -> Life:
        """What `state` gave."""
        life = cls(Owner(state["role"], state["epoch"], state["pid"]), float(state["started"]), trends)
        life.seen, life.pace.peak = float(state["seen"]), float(state["peak"])
        for resource, detail, counts, cycles, timed in state["series"][:SERIES]:
            measured = Measured(Resource(resource), detail)
            one = Series(measured, trends(unit_of(measured.resource)) if timed else None)
            if one.counts is not None and counts is not None:
                one.counts.restore(counts)
            if one.cycles is not None and cycles is not None:
                one.cycles.restore(cycles)
            if isinstance(one.trend, Trend) and isinstance(timed, Mapping):
                one.trend.restore(timed)
            life._series[measured] = one
        return life


def _judged(measured: Measured) -> bool:
    return unit_of(measured.resource) is not Unit.RATIO and measured.resource not in _UNJUDGED


def _scaled(verdict: Verdict, piece: float) -> Verdict:
    """Pieces back in bytes."""
    return replace(
        verdict,
        level=verdict.level * piece,
        grown=verdict.grown * piece,
        per_hour=_times(verdict.per_hour, piece),
        per_cycle=_times(verdict.per_cycle, piece),
    )


def _times(rate: Rate | None, piece: float) -> Rate | None:
    return None if rate is None else Rate(rate.value * piece, rate.low * piece, rate.high * piece, rate.confidence)
