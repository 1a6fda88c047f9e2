"""Keeps findings: opens, confirms and closes them, puts series that grow together into one, outlives restarts. Bounded.

Time is told: `at` in Unix seconds, `monotonic` on the clock of the looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from steadycast.model.findings import (
    NOT_DECIDED,
    ActionTaken,
    Finding,
    FindingChange,
    FindingEvent,
    FindingState,
    ProbeOutcome,
    Shape,
)
from steadycast.model.series import Bound, Measured, Owner
from steadycast.tracking.leaks.belonging import GROWTH, case_of
from steadycast.tracking.leaks.cases import KEPT, Case
from steadycast.tracking.leaks.confirming import by_itself, comes_back
from steadycast.tracking.leaks.control import Probes
from steadycast.tracking.leaks.probing import RETRY_S, TRIES, ProbeWanted, steps_for
from steadycast.tracking.leaks.undecided import Undecided
from steadycast.tracking.leaks.verdicts import TREND, Verdict

OPEN = 256  # findings
PAST = 256  # that are over
MUTED = 1024  # series
_WORSE = 2.0  # times what had grown when it was last told
Events = Iterator[FindingEvent]


@dataclass(frozen=True, slots=True)
class Now:
    """When something is said."""

    at: float
    monotonic: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Whom a verdict is of, which other series of it are followed, and the limits it runs against."""

    owner: Owner
    followed: Collection[Measured]
    bounds: Sequence[Bound]
    now: Now


class Book:
    """All findings of a host."""

    def __init__(self) -> None:
        self.open: dict[str, Case] = {}
        self.past: deque[Finding] = deque(maxlen=PAST)
        self.refused = 0  # findings that were one too many
        self.count = 0
        self.undecided = Undecided()
        self._by_role: dict[str, list[Case]] = {}
        self._bucket = Probes()
        self.muted: dict[tuple[str, Measured], float] = {}  # proven to be no loss, and how much it was

    def of(self, role: str) -> list[Case]:
        return self._by_role.get(role, [])

    def follows(self, role: str) -> bool:
        """Whether there is anything that `settle` has to look after."""
        return role in self._by_role or bool(self.undecided.of(role))

    def say(self, scene: Scene, measured: Measured, verdict: Verdict) -> Events:
        """One verdict of one series."""
        owner, now = scene.owner, scene.now
        if self.muted and self._is_muted(owner.role, measured, verdict):
            return
        case = case_of((*self.of(owner.role), *self.undecided.of(owner.role)), measured, verdict, now.monotonic)
        if not verdict.holds:
            if case is not None and measured in case.members:
                case.leave(measured, verdict)
                case.heard(now.at, now.monotonic)
                if not case.members:
                    yield from self._stopped(case, "it stopped growing or went back", now)
            return
        fresh = case is None
        if case is None:
            case = self._open(owner, measured, verdict, now)
            if case is None:
                return
        if case.started is not None and not case.members:
            case.affected("it came back in the next life")
        case.join(measured, verdict, now.monotonic)
        case.owner, case.followed = owner, scene.followed
        case.heard(now.at, now.monotonic)
        case.meets(scene.bounds, now.at)
        if not case.open:
            if not case.is_worse and by_itself(case, now.monotonic) is None:
                return
            self._suspect_again(case, now)
            fresh = True
        if not case.granted:
            case.granted = case.first.tier < TREND or self._bucket.may(now.monotonic)
        if fresh:
            yield FindingEvent(FindingChange.OPENED, case.finding())
        yield from self.weigh(case, now)

    def weigh(self, case: Case, now: Now) -> Events:
        """Whether a suspect is confirmed by now, or a confirmed one is worse."""
        grown = case.verdict.grown
        if case.state is FindingState.SUSPECT:
            why = by_itself(case, now.monotonic)
            if why is None:
                return
            case.state, case.confirmed, case.told = FindingState.CONFIRMED, why, grown
            yield FindingEvent(FindingChange.CONFIRMED, case.finding())
        elif grown >= _WORSE * max(case.told, 1e-9):
            case.told = grown
            yield FindingEvent(FindingChange.WORSE, case.finding())

    def restarted(self, owner: Owner, now: Now) -> None:
        """The owner of a role began another life: what grew in the one before waits for what this one shows."""
        for case in (*self.of(owner.role), *self.undecided.of(owner.role)):
            case.members.clear()
            case.lives += 1
            case.started, case.owner = now.monotonic, owner
        self._unmute(owner.role)

    def settle(self, role: str, cycles: Mapping[str, int], now: Now) -> Events:
        """What waits since a restart and has not come back in time is over; a suspect must be decided in time."""
        for case in (*self.of(role), *self.undecided.of(role)):
            if case.started is not None and not case.members:
                ended = cycles.get(case.first.cycle) if case.first.cycle else None
                if comes_back(case, now.monotonic, ended) is False:
                    yield from self._stopped(case, "it has not come back since its owner was started again", now)
                    continue
            if case.is_due(now.monotonic):
                yield from self._due(case, now)

    def gone(self, role: str, now: Now) -> Events:
        """There is nobody of this role any more."""
        for case in list(self.of(role)):
            yield from self._over(case, "its owner has ended", now)
        self.undecided.forget(role)
        self._unmute(role)

    def probes(self, monotonic: float) -> tuple[ProbeWanted, ...]:
        """Suspects that nobody has probed, or could not decide a while ago."""
        return tuple(
            ProbeWanted(
                case.id,
                case.owner,
                case.measured,
                case.verdict.cycle,
                case.verdict.since,
                steps_for(case.measured, case.verdict.cycle),
            )
            for case in self.open.values()
            if case.state is FindingState.SUSPECT
            and case.shape in GROWTH
            and case.members
            and case.granted
            and case.tries < TRIES
            and (case.probed is None or monotonic - case.probed >= RETRY_S)
            and (case.probe is None or case.probe.confirmed is None)
        )

    def probed(self, finding: str, outcome: ProbeOutcome, now: Now) -> Events:
        """What came of a probe. One of a finding that is over is too late, and nothing."""
        case = self.open.get(finding)
        if case is None:
            return
        case.probe, case.probed = outcome, now.monotonic
        case.heard(now.at, now.monotonic)
        case.tries += 1
        if outcome.confirmed is False:
            yield from self._retained(case, outcome.why, now)
        else:
            yield from self.weigh(case, now)

    def hindered(self, finding: str, why: str) -> None:
        """Why a probe that is wanted cannot be made yet."""
        case = self.open.get(finding)
        if case is not None:
            case.hindered = why

    def acted(self, finding: str, action: ActionTaken) -> bool:
        """Links what was done to its finding; False where it is not open."""
        case = self.open.get(finding)
        if case is None:
            return False
        case.actions = [*case.actions, action][-KEPT:]
        return True

    def signature(self, role: str, name: str, says: str) -> None:
        for case in self.of(role):
            if (name, says) not in case.signatures:
                case.signatures = [*case.signatures, (name, says)][-KEPT:]

    def receipt(self, role: str, residue: tuple[str, ...]) -> None:
        for case in self.of(role):
            case.residue = list(dict.fromkeys([*case.residue, *residue]))[-KEPT:]

    def elsewhere(self, role: str, bound: Bound, verdict: Verdict) -> bool:
        """Whether a limit that several owners share is told of another one already."""
        if verdict.shape is not Shape.EXHAUSTION:
            return False
        measured = Measured(bound.measured.resource, bound.name)
        return any(
            case.shape is Shape.EXHAUSTION and case.measured == measured and case.owner.role != role
            for case in (*self.open.values(), *self.undecided)
            if case.exhaustion is None or case.exhaustion.of == bound.limit
        )

    def put(self, case: Case) -> None:
        """One that was open when it was saved."""
        self.open[case.id] = case
        self._by_role.setdefault(case.owner.role, []).append(case)

    def _is_muted(self, role: str, measured: Measured, verdict: Verdict) -> bool:
        """A growth that was proven to be kept and not lost says nothing until it is over, or as much again."""
        grown = self.muted.get((role, measured))
        if grown is None:
            return False
        if verdict.holds and verdict.grown < _WORSE * grown:
            return True
        del self.muted[role, measured]
        return not verdict.holds

    def _unmute(self, role: str) -> None:
        self.muted = {key: grown for key, grown in self.muted.items() if key[0] != role}

    def _open(self, owner: Owner, measured: Measured, verdict: Verdict, now: Now) -> Case | None:
        if len(self.open) >= OPEN:
            self.refused += 1
            return None
        since = None if verdict.since is None else now.at - (now.monotonic - verdict.since)
        case = Case(self._ident(now), owner, measured, verdict.shape, verdict, now.at, now.monotonic, since)
        self.put(case)
        return case

    def _ident(self, now: Now) -> str:
        self.count += 1
        return f"{int(now.at):x}-{self.count}"

    def _suspect_again(self, case: Case, now: Now) -> None:
        """One that was not decided has become worse, or is proven by now."""
        self.undecided.drop(case)
        case.suspect_again(self._ident(now), now.at, now.monotonic)
        self.put(case)

    def _due(self, case: Case, now: Now) -> Events:
        """The time for a suspect is over."""
        if case.shape is Shape.RATCHET:
            yield from self._retained(case, "the allocator keeps it, and what is in use has not grown", now)
            return
        yield from self._over(case, f"{NOT_DECIDED}: {case.undecided()}", now)
        case.put_off()
        self.undecided.put(case)

    def _retained(self, case: Case, why: str, now: Now) -> Events:
        if len(self.muted) < MUTED:
            self.muted.update({(case.owner.role, one): v.grown for one, v in case.members.items()})
        yield from self._over(case, f"retention, not a loss: {why}", now, healed=False)

    def _stopped(self, case: Case, why: str, now: Now) -> Events:
        """It grows no more. Of one that was not decided nothing is to be told."""
        if case.open:
            yield from self._over(case, why, now)
        else:
            self.undecided.drop(case)

    def _over(self, case: Case, why: str, now: Now, healed: bool = True) -> Events:
        confirmed = case.state is FindingState.CONFIRMED
        case.affected(why)
        case.state = FindingState.HEALED if confirmed and healed else FindingState.CLOSED
        case.closed, case.why = now.at, why
        case.heard(now.at, now.monotonic)
        self.open.pop(case.id, None)
        cases = self._by_role.get(case.owner.role, [])
        if case in cases:
            cases.remove(case)
        if not cases:
            self._by_role.pop(case.owner.role, None)
        finding = case.finding()
        self.past.append(finding)
        change = FindingChange.HEALED if case.state is FindingState.HEALED else FindingChange.CLOSED
        yield FindingEvent(change, finding)
