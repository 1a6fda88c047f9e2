"""What is seen while it is watched: each round judged, kept for the end, recorded. Fed by the sampler's thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from steadycast.model import Bound, Finding, FindingEvent, Look, unit_of
from steadycast.tracking.leaks.detection import Detection
from steadycast.tracking.leaks.words import whole
from steadycast.tracking.probes.sampler import Sample, Sampled
from steadycast.watching.common.growth import over_time
from steadycast.watching.common.quiet_probe import QuietProbe, users_of
from steadycast.watching.watch.aims import is_group, not_readable
from steadycast.watching.watch.record import Recording
from steadycast.watching.watch.report import Courses
from steadycast.watching.watch.screen import Shown

EVENTS = 1000  # that wait to be told
NOTES = 200
ROLES = 1024  # that are shown
FULL = 0.95  # of a limit: so much is told at once


class Observing:
    """One lock around all of it: the main thread asks while the sampler's thread adds."""

    def __init__(self, roles: Iterable[str], recording: Recording | None, *, groups: bool = True) -> None:
        """`groups`: control groups were meant, so they are judged, too."""
        self.detection = Detection(trends=over_time)
        self._quiet = QuietProbe()
        self.courses = Courses()
        self.lock = threading.Lock()
        self.rounds = 0
        self.took_s = 0.0
        self._roles = tuple(roles)
        self._groups = groups
        self._recording = recording
        self._shown: dict[str, Shown] = {}
        self._events: deque[FindingEvent] = deque(maxlen=EVENTS)
        self._news: deque[str] = deque(maxlen=NOTES)
        self._notes: dict[str, None] = {}
        self._missing: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._full: set[tuple[str, str]] = set()

    def take(self, sampled: Sampled) -> None:
        """One round."""
        with self.lock:
            self.rounds += 1
            self.took_s += sampled.took_s
            for sample in sampled.samples:
                self._take(sample.look)
                self._tell_full(sample)
                if self._groups or not is_group(sample.look.owner.role):
                    self._events.extend(self.detection.observe(sample.look, sample.bounds))
                    self._quiet.look(sample.look, users_of(sample.look), is_told=bool(sample.look.load))
                if self._recording is not None:
                    self._record(self._recording, sample.look, sample.bounds)
            self._events.extend(self._quiet.decide(self.detection))
            for role, epoch in sampled.ended:
                self._shown.pop(role, None)
                if self._recording is not None:
                    self._recording.forget(role, epoch)
            for note in sampled.notes:
                self._note(note)
            self._tell_missing(sampled.missing)

    def _take(self, look: Look) -> None:
        self.courses.add(look)
        role = look.owner.role
        shown = self._shown.get(role)
        if shown is None:
            if len(self._shown) >= ROLES:
                return
            shown = self._shown[role] = Shown(look)
            target = role.split("/", 1)[0]
            if target not in self._unreadable and (why := not_readable(look)) is not None:
                self._unreadable.add(target)  # its children are as unreadable
                self._note(why)
        shown.take(look)

    def _tell_full(self, sample: Sample) -> None:
        """What is full when it is first looked at does not rise any more, so no finding tells of it."""
        role = sample.look.owner.role
        for bound in sample.bounds:
            if (
                bound.used >= FULL * bound.limit > 0
                and (role, bound.name) not in self._full
                and len(self._full) < NOTES
            ):
                self._full.add((role, bound.name))
                unit = unit_of(bound.measured.resource)
                self._note(f"{role}: {whole(bound.used, unit)} of {whole(bound.limit, unit)} in use ({bound.name})")

    def _record(self, recording: Recording, look: Look, bounds: tuple[Bound, ...]) -> None:
        try:
            recording.add(look, bounds)
        except OSError as error:
            self._recording = None
            self._note(f"the record ends here: {error.strerror or error}")

    def note_signature(self, role: str, name: str, says: str) -> None:
        """The log of a target says something that is known."""
        with self.lock:
            self.detection.note_signature(role, name, says)
            self._note(f"the log of {role} says: {says} ({name})")

    def note(self, text: str) -> None:
        """Something that a person should know, once."""
        with self.lock:
            self._note(text)

    def _note(self, text: str) -> None:
        if text not in self._notes and len(self._notes) < NOTES:
            self._notes[text] = None
            self._news.append(text)

    def _tell_missing(self, missing: dict[str, str]) -> None:
        """Who went, and who is there again."""
        missing = {role: why for role, why in missing.items() if role in self._roles}
        for role, why in missing.items():
            if role not in self._missing:
                self._news.append(f"{role}: {why}")
        for role in self._missing:
            if role not in missing:
                self._news.append(f"{role} is there again")
        self._missing = dict(missing)

    def news(self) -> tuple[tuple[FindingEvent, ...], tuple[str, ...]]:
        """Changes of findings and notes since the last time."""
        with self.lock:
            events, notes = tuple(self._events), tuple(self._news)
            self._events.clear()
            self._news.clear()
        return events, notes

    @property
    def is_over(self) -> bool:
        """Nobody of those that were meant is there any more."""
        return bool(self._roles) and all(role in self._missing for role in self._roles)

    @property
    def missing(self) -> dict[str, str]:
        return dict(self._missing)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def shown(self) -> list[Shown]:
        """Those that are there now; under `lock`."""
        return list(self._shown.values())

    def findings(self) -> tuple[Finding, ...]:
        """All; under `lock`."""
        return self.detection.findings()
