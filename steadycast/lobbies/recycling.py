"""Which workers that work are replaced, and why. Pure: what is known of them in, what is due out; time is an argument.

What leaks in a worker is given back by replacing it, long before it hurts: by age, uses, memory, descriptors, and where
something was found. Never more than one at a time on a GPU, one lobby worker at a time in software, one egress worker
at a time. What a person asks for counts: on a GPU it waits for its turn, and nothing begins beside it. A lobby whose
worker could not be replaced rests, longer each time; after three failures in a row an hour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from steadycast.config.settings import RecycleSettings
from steadycast.model import RecycleCause, WorkerKind

SPACE_S = 5.0  # from the end of one to the next in the same place
FIRST_REST_S = 60.0  # after a failure; doubles
FAILURES = 3  # in a row; then it rests for `LONG_REST_S`
LONG_REST_S = 3600.0
REMEMBERED = 4096  # subjects that rest; the oldest is forgotten
SOFTWARE = "software"
EGRESS = "egress"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something was found of a worker: a finding, by its id, or residue of what ended in it."""

    cause: RecycleCause
    why: str
    finding: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A lobby or egress worker. `subject` is what rests where it fails: the lobby, or the egress worker itself. Unknown
    is None. `busy` says why it is not its time now."""

    worker: str
    kind: WorkerKind
    subject: str
    age_s: float
    uses: int | None = None  # renditions that it opened
    memory: int | None = None  # private bytes
    descriptors: int | None = None
    devices: frozenset[str] = field(default_factory=frozenset)  # GPUs that it encodes on
    suggestion: Suggestion | None = None
    busy: str | None = None

    @property
    def places(self) -> frozenset[str]:
        """Where at most one is replaced at a time."""
        if self.kind is WorkerKind.EGRESS:
            return frozenset({EGRESS})
        return self.devices or frozenset({SOFTWARE})


@dataclass(frozen=True, slots=True)
class Due:
    """Replace this one now."""

    worker: str
    kind: WorkerKind
    subject: str
    cause: RecycleCause
    why: str
    places: frozenset[str]
    finding: str | None = None  # the id of what was found, where that is the cause


@dataclass(frozen=True, slots=True)
class _Rest:
    failures: int
    until: float


def part(worker: str) -> float:
    """A number from 0 to 1 that a worker keeps all its life."""
    return int.from_bytes(hashlib.sha256(worker.encode()).digest()[:4], "big") / 0xFFFFFFFF


def reason(facts: WorkerFacts, settings: RecycleSettings) -> tuple[RecycleCause, str] | None:
    """Why a worker is to be replaced, the most telling first; None: it is not."""
    found = facts.suggestion
    if found is not None and (settings.residue or found.cause is not RecycleCause.RESIDUE):
        return found.cause, found.why
    lower = 1.0 - settings.jitter * part(facts.worker)
    for cause, value, limit, words in _limits(facts, settings):
        if value is not None and limit is not None and value >= limit * lower:
            return cause, f"{words} {value:.0f}, its limit {limit * lower:.0f} ({limit:g} less its jitter)"
    return None


def _limits(
    facts: WorkerFacts, settings: RecycleSettings
) -> Iterator[tuple[RecycleCause, float | None, float | None, str]]:
    """Cause, value and limit, and what the value is."""
    is_lobby = facts.kind is WorkerKind.LOBBY
    yield RecycleCause.MEMORY, facts.memory, settings.memory_bytes, "its private memory is, in bytes,"
    if is_lobby:
        yield RecycleCause.DESCRIPTORS, facts.descriptors, settings.descriptors, "its open descriptors are"
        yield RecycleCause.USES, facts.uses, settings.uses, "the renditions that it opened are"
    age = settings.age_s if is_lobby else settings.egress_age_s
    yield RecycleCause.AGE, facts.age_s, age, "its age is, in seconds,"


class Recycling:
    """What has to be remembered between looks. Times are seconds of one clock that does not go back."""

    def __init__(self) -> None:
        self._under_way: dict[str, frozenset[str]] = {}  # places by worker
        self._free_at: dict[str, float] = {}
        self._rests: dict[str, _Rest] = {}

    def due(self, workers: Iterable[WorkerFacts], settings: RecycleSettings, now: float) -> tuple[Due, ...]:
        """What to replace now: at most one for each place, the longest living first."""
        taken = {place for places in self._under_way.values() for place in places}
        taken |= {place for place, at in self._free_at.items() if now < at}
        chosen: list[Due] = []
        for facts in sorted(workers, key=lambda one: (-one.age_s, one.worker)):
            if facts.busy is not None or facts.worker in self._under_way or facts.places & taken:
                continue
            why = reason(facts, settings)
            if why is None or self.rests(facts.subject, now):
                continue
            found = facts.suggestion.finding if facts.suggestion and why[0] is facts.suggestion.cause else None
            chosen.append(Due(facts.worker, facts.kind, facts.subject, *why, facts.places, found))
            taken |= facts.places
        return tuple(chosen)

    def begun(self, due: Due) -> None:
        """It is being replaced."""
        self._under_way[due.worker] = due.places

    def ask(self, worker: str, places: frozenset[str]) -> bool:
        """A person wants this worker replaced: whether it may begin now, and then it has begun. A GPU takes one at a
        time; in software nobody waits for another. Say `left` when it is over."""
        taken = {place for places in self._under_way.values() for place in places}
        if (places - {SOFTWARE}) & taken:
            return False
        self._under_way[worker] = places
        return True

    def left(self, worker: str, now: float) -> None:
        """It is over, however that went."""
        places = self._under_way.pop(worker, frozenset())
        self._free_at = {place: at for place, at in self._free_at.items() if now < at}
        self._free_at |= dict.fromkeys(places, now + SPACE_S)

    def ended(self, due: Due, worked: bool, now: float) -> None:
        """How that went."""
        self.left(due.worker, now)
        before = self._rests.pop(due.subject, None)
        if worked:
            return
        failures = 1 if before is None else before.failures + 1
        rest = LONG_REST_S if failures >= FAILURES else FIRST_REST_S * 2.0 ** (failures - 1)
        self._rests[due.subject] = _Rest(failures, now + rest)
        if len(self._rests) > REMEMBERED:
            del self._rests[next(iter(self._rests))]

    def rests(self, subject: str, now: float) -> bool:
        """Whether it may not be tried yet."""
        rest = self._rests.get(subject)
        return rest is not None and now < rest.until

    @property
    def under_way(self) -> Mapping[str, frozenset[str]]:
        """Workers that are being replaced, with their places."""
        return self._under_way
