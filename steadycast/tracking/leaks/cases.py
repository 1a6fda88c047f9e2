"""One finding while it is open: the series that grow together, what was learned of it, and how it is told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from steadycast.model.findings import (
    ActionTaken,
    Exhaustion,
    Finding,
    FindingState,
    ProbeOutcome,
    Rate,
    Shape,
)
from steadycast.model.series import Bound, Measured, Owner, Resource, unit_of
from steadycast.tracking.leaks.exhaustion import project
from steadycast.tracking.leaks.sources import Facts, sources
from steadycast.tracking.leaks.verdicts import Verdict
from steadycast.tracking.leaks.words import headline

LINES = 12  # of evidence
KEPT = 8  # signatures, lines of residue, actions
# What names a loss best comes first: a thing before the memory it holds, inside before outside.
_TELLING = (
    Resource.OBJECTS, Resource.ENCODER_SESSIONS, Resource.DISPLAYS, Resource.ZOMBIES, Resource.CHILDREN, Resource.POOL,
    Resource.QUEUE, Resource.DESCRIPTORS, Resource.HANDLES, Resource.SOCKETS, Resource.VRAM, Resource.DMABUF,
    Resource.MEMFD, Resource.THREADS, Resource.IN_USE, Resource.PYTHON, Resource.SHARED_VRAM, Resource.BAR1,
    Resource.PRIVATE, Resource.USS, Resource.PSS, Resource.RSS, Resource.CGROUP,
)  # fmt: skip
_RANK = {resource: at for at, resource in enumerate(_TELLING)}


def telling(measured: Measured) -> tuple[int, bool]:
    """Sorts series by how well they name a loss; one of a kind before their sum."""
    return _RANK.get(measured.resource, len(_TELLING)), not measured.detail


@dataclass(slots=True)
class Case:
    """`first` is the verdict that opened it, `since` and `opened` in Unix seconds, `when` and `started` (of this life,
    where the owner began anew since) on the clock of the looks."""

    id: str
    owner: Owner
    measured: Measured
    shape: Shape
    first: Verdict
    opened: float
    when: float
    since: float | None
    state: FindingState = FindingState.SUSPECT
    updated: float = 0.0
    members: dict[Measured, Verdict] = field(default_factory=dict)
    firsts: dict[Measured, tuple[Verdict, float]] = field(default_factory=dict)  # when each joined
    last: Verdict | None = None  # of `measured`, also when it has ended
    exhaustion: Exhaustion | None = None
    told: float = 0.0  # how much had grown at the last event
    lives: int = 1
    started: float | None = None
    followed: Collection[Measured] = ()
    signatures: list[tuple[str, str]] = field(default_factory=list)
    residue: list[str] = field(default_factory=list)
    probe: ProbeOutcome | None = None
    probed: float | None = None  # when, on the clock of the looks
    tries: int = 0
    granted: bool = False  # whether it may be probed: only so many a day may
    actions: list[ActionTaken] = field(default_factory=list)
    confirmed: str | None = None  # by what
    closed: float | None = None
    why: str | None = None

    @property
    def open(self) -> bool:
        return self.state in (FindingState.SUSPECT, FindingState.CONFIRMED)

    @property
    def verdict(self) -> Verdict:
        """The newest one of the series that names it."""
        return self.members.get(self.measured) or self.last or self.first

    def join(self, measured: Measured, verdict: Verdict, monotonic: float) -> None:
        """One more series, or news of one. What names the loss best stands for all."""
        if measured not in self.members:
            self.firsts[measured] = verdict, monotonic
        self.members[measured] = verdict
        if self.measured not in self.members or telling(measured) < telling(self.measured):
            if measured != self.measured:
                self.told = verdict.grown
            self.measured, self.shape = measured, verdict.shape
        if measured == self.measured:
            self.last = verdict

    def affected(self, effect: str) -> None:
        """What was done about it had this effect; what is known already stays."""
        self.actions = [one if one.effect else replace(one, effect=effect) for one in self.actions]

    def leave(self, measured: Measured, verdict: Verdict) -> None:
        """One series grows no more."""
        self.members.pop(measured, None)
        if measured == self.measured:
            self.last = verdict
        if self.members and measured == self.measured:
            self.measured = min(self.members, key=telling)
            self.last = self.members[self.measured]
            self.shape, self.told = self.last.shape, self.last.grown

    def meets(self, bounds: Sequence[Bound], at: float) -> None:
        """Which limit of what grows is met first."""
        ends = [
            end
            for bound in bounds
            for measured, verdict in self.members.items()
            if measured.resource is bound.measured.resource
            and (end := project(bound, verdict.per_hour, at)) is not None
        ]
        if ends:
            self.exhaustion = min(ends, key=lambda end: end.seconds)

    def finding(self) -> Finding:
        """As it is told now."""
        verdict = self.verdict
        growing = self.members or {self.measured: verdict}
        return Finding(
            id=self.id,
            shape=self.shape,
            state=self.state,
            owner=self.owner,
            measured=self.measured,
            unit=unit_of(self.measured.resource),
            headline=self.headline(),
            opened=self.opened,
            updated=self.updated,
            since=self.since,
            level=verdict.level,
            grown=verdict.grown,
            per_hour=verdict.per_hour,
            per_cycle=verdict.per_cycle,
            cycle=verdict.cycle,
            cycles=verdict.cycles,
            exhaustion=self.exhaustion,
            sources=sources(Facts(growing, self.followed, self.signatures, self.residue)),
            evidence=self._evidence(verdict),
            related=tuple(sorted((one for one in growing if one != self.measured), key=telling)),
            signatures=tuple(name for name, _ in self.signatures),
            probe=self.probe,
            actions=tuple(self.actions),
            closed=self.closed,
            why_closed=self.why,
        )

    def headline(self) -> str:
        verdict = self.verdict
        rates: tuple[Rate | None, str | None, Rate | None] = verdict.per_cycle, verdict.cycle, verdict.per_hour
        return headline(self.owner, self.measured, self.shape, verdict.grown, rates, self.exhaustion)

    def _evidence(self, verdict: Verdict) -> tuple[str, ...]:
        lines = list(verdict.evidence)
        if self.lives > 1:
            lines.append(f"it came back after each restart of its owner: {self.lives} lives")
        if self.confirmed is not None:
            lines.append(f"confirmed by {self.confirmed}")
        if self.probe is not None:
            lines += [f"probe: {step}" for step in self.probe.steps]
        return tuple(lines[:LINES])
