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
DECIDE_S = 3600.0  # a suspect is decided by then, or closed as one that could not be
AGAIN = 3  # so often one that was not decided is a suspect again
DOUBLED = 2.0  # times what had grown then, or its owner's next life
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
    where the owner began anew since) on the clock of the looks. One that was not decided in time goes on as another
    finding, with another `id`, when it is suspected again."""

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
    ahead: float = 0.0  # Unix seconds at 0 on the clock of the looks, by the newest news
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
    hindered: str | None = None  # why no probe has come of it yet
    asked: float | None = None  # since when it is suspected this time, on the clock of the looks; None: since `when`
    again: int = 0  # how often it was suspected again
    left: tuple[float, int] | None = None  # how much had grown, and in how many lives, when it was not decided
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

    @property
    def decide_by(self) -> float:
        """When a suspect must be decided, on the clock of the looks."""
        return (self.when if self.asked is None else self.asked) + DECIDE_S

    def is_due(self, monotonic: float) -> bool:
        """Whether it must be decided now. A clock that is before it was suspected is that of another boot."""
        suspected = self.decide_by - DECIDE_S
        return self.state is FindingState.SUSPECT and not suspected <= monotonic < self.decide_by

    def heard(self, at: float, monotonic: float) -> None:
        """There is news of it; the clock on the wall may have jumped since the last."""
        self.updated, self.ahead = at, at - monotonic

    def undecided(self) -> str:
        """Why nobody could decide it."""
        if self.probe is not None and self.probe.confirmed is None:
            return self.probe.why
        if self.probe is not None and self.members and all(one.fills for one in self.members.values()):
            return f"{self.probe.why}, but a pool that is not full yet would look the same"
        if self.probe is not None:
            return f"it has not gone on for long enough since it was probed ({self.probe.why})"
        if self.shape is Shape.EXHAUSTION:
            return "the limit is neither met nor surely met soon"
        if not self.granted:
            return "as many others were probed today as may be"
        return self.hindered or "nobody could probe it"

    def _hindered(self) -> str | None:
        """Why it is not decided yet, as far as that is known."""
        return self.hindered if self.probe is None else self.undecided()

    def put_off(self) -> None:
        """It was not decided in time."""
        self.left = self.verdict.grown, self.lives

    def suspect_again(self, ident: str, at: float, monotonic: float) -> None:
        """As another finding that knows what was seen before."""
        self.id, self.opened, self.asked = ident, at, monotonic
        self.state, self.closed, self.why = FindingState.SUSPECT, None, None
        if self.probe is None or self.probe.confirmed is None:  # else it is known that nothing was given back
            self.probe, self.probed, self.tries, self.granted, self.hindered = None, None, 0, False, None
        self.again += 1

    @property
    def is_worse(self) -> bool:
        """Whether one that was not decided is to be suspected again."""
        if self.left is None or self.again >= AGAIN:
            return False
        grown, lives = self.left
        return self.lives > lives or self.verdict.grown >= DOUBLED * max(grown, 1e-9)

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
            decide_by=self.decide_by + self.ahead if self.state is FindingState.SUSPECT and self.ahead else None,
            hindered=self._hindered() if self.state is FindingState.SUSPECT else None,
        )

    def headline(self) -> str:
        verdict = self.verdict
        rates: tuple[Rate | None, str | None, Rate | None] = verdict.per_cycle, verdict.cycle, verdict.per_hour
        return headline(self.owner, self.measured, self.shape, verdict.grown, rates, self.exhaustion)

    def _evidence(self, verdict: Verdict) -> tuple[str, ...]:
        lines = list(verdict.evidence)
        if self.lives > 1:
            lines.append(f"it came back after each restart of its owner: {self.lives} lives")
        if self.again:
            times = "once" if self.again == 1 else f"{self.again} times"
            lines.append(f"it could not be decided {times} before, and went on")
        if self.confirmed is not None:
            lines.append(f"confirmed by {self.confirmed}")
        if self.probe is not None:
            lines += [f"probe: {step}" for step in self.probe.steps]
        return tuple(lines[:LINES])
