"""Leak detection over the server's processes: looks are taken and judged on a thread of their own, findings come back
as events, and those that act are signs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from steadycast.model import Bound, Finding, FindingChange, FindingEvent, FindingState, Look, Measured, Shape
from steadycast.tracking.families import Identity
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.sampler import Sampled, Sampler
from steadycast.tracking.probes.targets import Target, Told
from steadycast.watching.guard.facts import Act, Cause, Sign
from steadycast.watching.guard.policy import FindingsPolicy

EVENTS = 1000  # that wait to be taken
FINDINGS = 200
LEVELS = 2000  # newest values that are kept, one a series


class Detector(Protocol):
    """Judges looks; keeps the findings."""

    def observe(self, look: Look, bounds: tuple[Bound, ...]) -> Sequence[FindingEvent]: ...


class LeakWatch:
    """`load` tells how many watch, None where that is not known; it is called by the sampler's thread."""

    def __init__(self, name: str, policy: FindingsPolicy, detector: Detector, load: Callable[[], int | None]) -> None:
        self._name = name
        self._policy = policy
        self._detector = detector
        self._load = load
        self._sampler = Sampler(steps=Steps(fast_s=policy.every_s, slow_s=max(60.0, policy.every_s)))
        self._events: deque[FindingEvent] = deque(maxlen=EVENTS)
        self._levels: dict[tuple[str, Measured], tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._findings: dict[str, Finding] = {}
        self._acting: set[str] = set()
        self._born: int | None = None
        self.missing: str | None = None
        self.looks = 0

    def begin(self, identity: Identity) -> None:
        """Watch this life. What was found in the one before acts no more."""
        self._acting.clear()
        self._born = identity.start_time
        self._sampler.watch(Target(self._name, pid=identity.pid, told=self._told))
        self._sampler.start(self._take)

    def end(self) -> None:
        """The server does not run."""
        self._acting.clear()
        self._sampler.forget(self._name)

    def _told(self) -> Told:
        watching = self._load()
        return Told() if watching is None else Told(load={"viewers": float(watching)})

    def _take(self, sampled: Sampled) -> None:
        """On the sampler's thread."""
        for sample in sampled.samples:
            events = self._detector.observe(sample.look, sample.bounds)
            with self._lock:
                self.looks += 1
                self._events.extend(events)
                for measured, value in sample.look.values.items():
                    key = (sample.look.owner.role, measured)
                    if key in self._levels or len(self._levels) < LEVELS:
                        self._levels[key] = (sample.look.owner.epoch, value)
        self.missing = next(iter(sampled.missing.values()), None)

    def events(self) -> tuple[FindingEvent, ...]:
        """What happened since the last time."""
        with self._lock:
            events = tuple(self._events)
            self._events.clear()
        for event in events:
            self._note(event)
        return events

    def _note(self, event: FindingEvent) -> None:
        finding = event.finding
        self._findings.pop(finding.id, None)
        self._findings[finding.id] = finding  # the newest last
        while len(self._findings) > FINDINGS:
            del self._findings[next(iter(self._findings))]
        if event.change in (FindingChange.HEALED, FindingChange.CLOSED):
            self._acting.discard(finding.id)
        elif finding.state is FindingState.CONFIRMED and is_of_life(finding, self._born):
            self._acting.add(finding.id)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._findings.values())

    def signs(self, unix: float) -> tuple[Sign, ...]:
        """What the findings of this life set off."""
        acting = [one for one in self._findings.values() if one.id in self._acting]
        return tuple(sign_of(one, self._policy, unix) for one in acting)

    def level(self, finding_id: str | None, born: int | None) -> float | None:
        """The newest value of a finding's series in the life that began then."""
        finding = self._findings.get(finding_id or "")
        if finding is None or born is None:
            return None
        with self._lock:
            found = self._levels.get((finding.owner.role, finding.measured))
        return found[1] if found is not None and epoch_start(found[0]) >= born else None

    def close(self) -> None:
        """Stop looking; waits for a look that is under way."""
        self._sampler.stop()


def is_of_life(finding: Finding, born: int | None) -> bool:
    """Whether the process of a finding belongs to the life whose first process was started then. Pure."""
    return born is not None and epoch_start(finding.owner.epoch) >= born


def epoch_start(epoch: str) -> int:
    """The start time in an epoch (`<pid>:<start time>`); -1 where there is none."""
    _, _, started = epoch.rpartition(":")
    return int(started) if started.isdigit() else -1


def sign_of(finding: Finding, policy: FindingsPolicy, unix: float) -> Sign:
    """What the policy does about a confirmed finding now. Pure."""
    key = f"{finding.owner.role} {finding.measured.resource} {finding.measured.detail}".strip()
    if policy.resources and finding.measured.resource not in policy.resources:
        return Sign(Cause.FINDING, Act.TELL, key, finding.headline, finding.id)
    end = finding.exhaustion
    if end is not None:
        left = end.earliest - max(0.0, unix - finding.updated)
        if left <= policy.margin_s:
            text = f"{finding.headline}; {end.limit} may be met in {max(0.0, left):.0f} s"
            return Sign(Cause.EXHAUSTION, Act(policy.exhaustion), key, text, finding.id)
    act = Act.TELL if finding.shape is Shape.EXHAUSTION else Act(policy.act)
    return Sign(Cause.FINDING, act, key, finding.headline, finding.id)
