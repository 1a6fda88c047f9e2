"""Leak detection over the server's processes: looks are taken and judged on a thread of their own, findings come back
as events, and those that act are signs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from steadycast.model import (
    ActionTaken,
    Bound,
    Finding,
    FindingChange,
    FindingEvent,
    FindingState,
    Measured,
    Resource,
    Shape,
)
from steadycast.tracking.families import Identity
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.sampler import Sample, Sampled, Sampler
from steadycast.tracking.probes.targets import Target, Told
from steadycast.watching.common.quiet_probe import QuietProbe
from steadycast.watching.guard.facts import Act, Cause, Sign
from steadycast.watching.guard.learned import Learned
from steadycast.watching.guard.policy import FindingsPolicy

EVENTS = 1000  # that wait to be taken
FINDINGS = 200
ROLES = 100  # that are full at once
LEVELS = 2000  # newest values that are kept, one a series

log = structlog.get_logger("guard")
_DESCRIPTORS = Measured(Resource.DESCRIPTORS)


class LeakWatch:
    """`load` tells how many watch, None where that is not known; it is called by the sampler's thread. What was learned
    is kept in `folder`, so that the next guard goes on with it."""

    def __init__(self, name: str, policy: FindingsPolicy, folder: Path, load: Callable[[], int | None]) -> None:
        self._name = name
        self._policy = policy
        self._learned = Learned(folder)
        self._quiet = QuietProbe()
        self._detection = self._learned.restored()
        self._load = load
        self._bounds: Mapping[Resource, Bound] = {}
        self._full: dict[str, tuple[str, Bound]] = {}
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
        """Watch this life."""
        self.born(identity.start_time)
        self._sampler.watch(Target(self._name, pid=identity.pid, told=self._told))
        self._sampler.start(self.take)

    def born(self, start_time: int) -> None:
        """Another life. What was found in the one before acts no more."""
        self._acting.clear()
        self._born = start_time

    def end(self) -> None:
        """The server does not run."""
        self._acting.clear()
        self._sampler.forget(self._name)
        with self._lock:
            self._quiet.forget()

    def _told(self) -> Told:
        watching = self._load()
        return Told() if watching is None else Told(load={"viewers": float(watching)})

    def take(self, sampled: Sampled) -> None:
        """One round of looks, on the sampler's thread."""
        watching = self._load()
        with self._lock:
            for sample in sampled.samples:
                self._observe(sample)
                self._note_levels(sample)
                self._quiet.look(sample.look, watching)
            self._events.extend(self._quiet.decide(self._detection))
            self.looks += len(sampled.samples)
            self._learned.keep(self._detection)
        self.missing = next(iter(sampled.missing.values()), None)

    def _observe(self, sample: Sample) -> None:
        """A fault of the judgement costs what it learned, not the looks that follow."""
        try:
            self._events.extend(self._detection.observe(sample.look, sample.bounds))
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
            log.exception("leak detection failed and begins anew")
            self._detection = self._learned.fresh()

    @property
    def suspects(self) -> tuple[Finding, ...]:
        """Those that are not decided yet."""
        with self._lock:
            return tuple(one for one in self._detection.findings() if one.state is FindingState.SUSPECT)

    def note_signature(self, sign: Sign) -> None:
        """What the log said, as evidence for findings."""
        with self._lock:
            self._detection.note_signature(self._name, sign.key, sign.text)

    def _note_levels(self, sample: Sample) -> None:
        role, epoch = sample.look.owner.role, sample.look.owner.epoch
        for measured, value in sample.look.values.items():
            if (role, measured) in self._levels or len(self._levels) < LEVELS:
                self._levels[role, measured] = (epoch, value)
        files = next((one for one in sample.bounds if one.measured == _DESCRIPTORS), None)
        if files is not None and files.used >= self._policy.full * files.limit and len(self._full) < ROLES:
            self._full[role] = (epoch, files)
        else:
            self._full.pop(role, None)
        if role == self._name:
            self._bounds = {bound.measured.resource: bound for bound in sample.bounds}

    @property
    def bounds(self) -> Mapping[Resource, Bound]:
        """What the server itself runs against."""
        return self._bounds

    def acted(self, finding: str | None, what: str, result: str, effect: str | None = None) -> None:
        """Link what was done, and later what it did, to the finding it was done for."""
        if finding is not None:
            with self._lock:
                self._detection.acted(finding, ActionTaken(time.time(), what, result, effect))

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
        """Open ones, then those that are over."""
        with self._lock:
            return self._detection.findings()

    def signs(self, unix: float) -> tuple[Sign, ...]:
        """What the findings of this life set off."""
        acting = [one for one in self._findings.values() if one.id in self._acting]
        with self._lock:
            full = [(role, one) for role, (epoch, one) in self._full.items() if is_of_epoch(epoch, self._born)]
        act = Act(self._policy.exhaustion)
        return (
            *(sign_of(one, self._policy, unix) for one in acting),
            *(Sign(Cause.EXHAUSTION, act, f"{role} {_DESCRIPTORS.resource}", _full_words(one)) for role, one in full),
        )

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
        with self._lock:
            self._learned.keep(self._detection, now=True)


def is_of_life(finding: Finding, born: int | None) -> bool:
    """Whether the process of a finding belongs to the life whose first process was started then. Pure."""
    return is_of_epoch(finding.owner.epoch, born)


def is_of_epoch(epoch: str, born: int | None) -> bool:
    """Whether a process that began in an epoch belongs to that life. Pure."""
    return born is not None and epoch_start(epoch) >= born


def _full_words(bound: Bound) -> str:
    return f"{bound.used:.0f} of {bound.limit:.0f} descriptors are open ({bound.name})"


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
