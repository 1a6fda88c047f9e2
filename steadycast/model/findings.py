"""A judged leak, drift or fault with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from steadycast.model.series import Measured, Owner, Unit

NOT_DECIDED = "not decided"  # how `why_closed` begins where nobody could tell


class Shape(StrEnum):
    """How something grows. Each shape has its own detector."""

    CYCLE = "cycle"  # a piece is lost each time that something came and went
    TIME = "time"  # it grows while it works
    RATCHET = "ratchet"  # kept by the allocator after bursts; nothing is lost
    FOREIGN = "foreign"  # things outside that nobody accounts for
    EXHAUSTION = "exhaustion"  # whatever the cause: a limit is near
    SIGNATURE = "signature"  # the log said so


class FindingState(StrEnum):
    """`suspect` tells nobody but the page and starts a probe; `confirmed` pages."""

    SUSPECT = "suspect"
    CONFIRMED = "confirmed"
    HEALED = "healed"  # it stopped or went back, by itself or by what was done
    CLOSED = "closed"  # retention, a step, a warm-up: it was not a leak


class FindingChange(StrEnum):
    """What became of a finding; each is one event."""

    OPENED = "opened"
    CONFIRMED = "confirmed"
    WORSE = "worse"
    HEALED = "healed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Rate:
    """In the unit of the series, an hour or a cycle. `low` and `high`: the interval at `confidence` (0 to 1)."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """When a limit is met at this rate: seconds from the time of the finding, likely and at the earliest.

    `at` is the likely moment in Unix seconds.
    """

    limit: str
    of: float
    used: float
    seconds: float
    earliest: float
    at: float


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One likely source of a growth, and why. `weight` 0 to 1; those of a finding sum to at most 1."""

    what: str
    weight: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What was done to a suspect, and what came of it: each step with what was measured before and after."""

    began: float
    took: float
    steps: tuple[str, ...]
    confirmed: bool | None  # None: it could not be decided
    why: str


@dataclass(frozen=True, slots=True)
class ActionTaken:
    """What a finding set off, and what it did to the growth; `effect` is None while that is not known."""

    at: float
    what: str
    result: str
    effect: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What grows, how fast, since when, in whom, why probably, and until when it can go on.

    Times are Unix seconds. `since` is the change point, `level` the newest value, `grown` how much of it is too much.
    `cycle` names the kind of thing that takes a piece with it, where one is known. `sources` are ranked. `headline` is
    one line for a person.
    """

    id: str
    shape: Shape
    state: FindingState
    owner: Owner
    measured: Measured
    unit: Unit
    headline: str
    opened: float
    updated: float
    since: float | None
    level: float | None
    grown: float | None
    per_hour: Rate | None = None
    per_cycle: Rate | None = None
    cycle: str | None = None
    cycles: int | None = None  # how many of them were seen since `since`
    exhaustion: Exhaustion | None = None
    sources: tuple[Suspicion, ...] = ()
    evidence: tuple[str, ...] = ()
    related: tuple[Measured, ...] = ()  # series of the same owner that grew together with it
    signatures: tuple[str, ...] = ()
    probe: ProbeOutcome | None = None
    actions: tuple[ActionTaken, ...] = ()
    closed: float | None = None
    why_closed: str | None = None
    decide_by: float | None = None  # of a suspect: when it is confirmed or closed at the latest
    hindered: str | None = None  # of a suspect: why a probe has not decided it yet

    @property
    def is_undecided(self) -> bool:
        """Whether it was closed because nobody could tell in time whether it is a leak."""
        return self.state is FindingState.CLOSED and (self.why_closed or "").startswith(NOT_DECIDED)


@dataclass(frozen=True, slots=True)
class FindingEvent:
    """One change of one finding."""

    change: FindingChange
    finding: Finding


class Remedy(StrEnum):
    """What a signature asks for."""

    RETRY = "retry"  # the same process, after a wait
    FALLBACK = "fallback"  # to software
    RECYCLE = "recycle"  # replace the process
    DENY = "deny"  # take no new work there
    GPU = "gpu"  # the device is bad: an operator must look
    CONFIG = "config"  # it will never work as it is set up
    BUG = "bug"  # of the program that said it
    LIMIT = "limit"  # raise a limit of the system
    NONE = "none"  # harmless, or it follows from another line
