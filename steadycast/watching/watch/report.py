"""What was watched and found as one object for programs (docs/watch.md describes it). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steadycast.model import Finding, FindingState, Look, Measured, Owner, Rate, Resource, unit_of
from steadycast.workers.codec import to_plain

SERIES = 4000  # that are kept
_ORDER = {FindingState.CONFIRMED: 0, FindingState.SUSPECT: 1, FindingState.HEALED: 2, FindingState.CLOSED: 3}


@dataclass(slots=True)
class Course:
    """One series of one life of an owner, without its samples: where it began and is, and a line through it."""

    epoch: str
    first: float
    last: float
    least: float
    most: float
    looks: int = 0
    lives: int = 1
    _sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])  # of t, v, tt, tv since the first look
    _began: float = 0.0

    def add(self, monotonic: float, value: float, epoch: str) -> None:
        if epoch != self.epoch:
            self.epoch, self.first, self.looks, self._sums = epoch, value, 0, [0.0, 0.0, 0.0, 0.0]
            self.lives += 1
        if self.looks == 0:
            self._began = monotonic
        self.last, self.least, self.most = value, min(self.least, value), max(self.most, value)
        self.looks += 1
        at, over = monotonic - self._began, value - self.first
        for place, more in enumerate((at, over, at * at, at * over)):
            self._sums[place] += more

    def per_hour(self) -> float | None:
        """The slope of the line: a description, no judgement."""
        at, over, square, product = self._sums
        spread = square - at * at / max(self.looks, 1)
        return None if spread < 1e-6 else (product - at * over / self.looks) / spread * 3600


@dataclass(slots=True)
class _Ended:
    """What came and went in all lives of a role, in its newest one, and until its newest quiet look; how many of such
    looks there were."""

    total: int = 0
    now: int = 0
    read: int = 0
    readings: int = 0


class Courses:
    """All series that were seen, and what could not be told. Bounded."""

    def __init__(self) -> None:
        self.looks = 0
        self.at_processes = 0  # of these looks
        self.readings = 0  # quiet looks after which something had ended, of whoever had most
        self.refused = 0
        self.owners: dict[str, Owner] = {}
        self.finished: dict[str, Mapping[str, int]] = {}
        self._courses: dict[tuple[str, Measured], Course] = {}
        self._unknown: dict[tuple[str, Resource], str] = {}
        self._ended: dict[str, _Ended] = {}

    def add(self, look: Look) -> None:
        self.looks += 1
        self.at_processes += look.owner.pid is not None
        role, epoch = look.owner.role, look.owner.epoch
        self._read(role, look)
        self.owners[role], self.finished[role] = look.owner, look.finished
        for measured, value in look.values.items():
            course = self._courses.get((role, measured))
            if course is None:
                if len(self._courses) >= SERIES:
                    self.refused += 1
                    continue
                course = self._courses[role, measured] = Course(epoch, value, value, value, value)
            course.add(look.monotonic, value, epoch)
            self._unknown.pop((role, measured.resource), None)
        for resource, why in look.unknown.items():
            if len(self._unknown) < SERIES:
                self._unknown[role, resource] = why

    def _read(self, role: str, look: Look) -> None:
        """What came and went while it was never quiet tells nothing. Another life begins to count anew."""
        now = sum(look.finished.values())
        ended = self._ended.get(role)
        if ended is None:
            if len(self._ended) >= SERIES:
                return
            ended = self._ended[role] = _Ended()
        ended.total += now - ended.now if now >= ended.now else now
        ended.now = now
        if look.quiet and ended.total > ended.read:
            ended.read = ended.total
            ended.readings += 1
            self.readings = max(self.readings, ended.readings)

    @property
    def ended(self) -> int:
        """What came and went in all lives, of whoever had most."""
        return max((one.total for one in self._ended.values()), default=0)

    def unknown(self) -> list[dict[str, str]]:
        """What of whom could not be told at last, and why."""
        return [{"role": role, "resource": one.value, "why": why} for (role, one), why in sorted(self._unknown.items())]

    def roles(self) -> list[dict[str, Any]]:
        """Everybody who was looked at."""
        return [
            {"role": role, "pid": owner.pid, "epoch": owner.epoch, "command": owner.about.command,
             "finished": dict(self.finished[role])}
            for role, owner in sorted(self.owners.items())
        ]  # fmt: skip

    def series(self) -> list[dict[str, Any]]:
        return [
            {"role": role, "resource": measured.resource.value, "detail": measured.detail,
             "unit": unit_of(measured.resource).value, "first": one.first, "last": one.last, "min": one.least,
             "max": one.most, "slope_per_hour": one.per_hour(), "looks": one.looks, "lives": one.lives}
            for (role, measured), one in sorted(self._courses.items())
        ]  # fmt: skip


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, of those the oldest."""
    return sorted(findings, key=lambda one: (_ORDER[one.state], one.opened, one.id))


def finding_plain(one: Finding, scale: float = 1.0) -> dict[str, Any]:
    """`scale`: bytes that a 1 stands for in what is printed."""
    plain: dict[str, Any] = to_plain(one)
    measured, owner = one.measured, plain["owner"]
    del plain["measured"], plain["opened"]
    head = {"resource": measured.resource.value, "detail": measured.detail, "state": one.state.value}
    for name in ("level", "grown"):
        plain[name] = None if plain[name] is None else plain[name] / scale
    for name, rate in (("per_hour", one.per_hour), ("per_cycle", one.per_cycle)):
        plain[name] = _rate(rate, scale)
    plain["owner"] = {**{name: owner[name] for name in ("role", "epoch", "pid")}, **owner["about"]}
    plain["related"] = [{"resource": other.resource.value, "detail": other.detail} for other in one.related]
    return {**head, "opened_at": one.opened, **plain}


def _rate(rate: Rate | None, scale: float) -> dict[str, float] | None:
    if rate is None:
        return None
    low, high = rate.low / scale, rate.high / scale
    return {"value": rate.value / scale, "low": low, "high": high, "confidence": rate.confidence}
