"""What is known of a guarded server at one moment, and what guard did before: frozen facts for pure decisions.

`clock` is in seconds of CLOCK_BOOTTIME: it never jumps and means the same to the next guard of this boot. Unix seconds
are for people. None is "cannot tell", never "no".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

KEPT = 200  # restarts that are remembered


class Presence(StrEnum):
    """Whether the server runs."""

    RUNNING = "running"
    ENDED = "ended"  # by itself: it was seen running, or somebody's record says that it failed
    ABSENT = "absent"  # it was not running when guard first looked
    AWAY = "away"  # stopped by a person, or somebody else is starting it
    STUCK = "stuck"  # guard cannot go on with it: it cannot be ended, or went away into the background
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why guard starts or restarts."""

    FIRST = "first"
    EXIT = "exit"
    NEVER_HEALTHY = "never_healthy"
    HEALTH = "health"
    FINDING = "finding"
    EXHAUSTION = "exhaustion"
    SIGNATURE = "signature"
    AGE = "age"
    ASKED = "asked"


class Act(StrEnum):
    """What a sign sets off: at once, when it is quiet, nothing but a word."""

    RESTART = "restart"
    QUIET = "quiet"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a life ended; None where nobody can know (not our child)."""

    clock: float
    code: int | None = None
    killed_by: int | None = None

    @property
    def failed(self) -> bool:
        return self.code != 0

    def words(self) -> str:
        if self.killed_by is not None:
            return f"it was ended by signal {self.killed_by}"
        return "it ended, how is not known" if self.code is None else f"it exited with {self.code}"


@dataclass(frozen=True, slots=True)
class Server:
    """The server now. `since`: clock of its start; `adopted`: it ran before guard came."""

    presence: Presence
    why: str = ""
    since: float | None = None
    adopted: bool = False
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """One health probe: its newest answer, failures in a row (answers of None count for nothing)."""

    name: str
    act: Act
    ok: bool | None
    failures: int
    allowed: int
    was_good: bool  # at least once in this life
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a log or leak detection said of this life. `key` names it for good; `finding` is its id."""

    cause: Cause
    act: Act
    key: str
    text: str
    finding: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """`watching`: how many do; `nobody_s`: for how long it was seen that nobody does. `asked`: by whom, where a person
    wants a restart."""

    server: Server
    health: tuple[Health, ...] = ()
    signs: tuple[Sign, ...] = ()
    watching: int | None = None
    nobody_s: float | None = None
    asked: str | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: `clock` for every wait, `unix` to be told, `local` for the window of a day."""

    clock: float
    unix: float
    local: datetime


@dataclass(frozen=True, slots=True)
class Restart:
    """One start that guard made, but the first of a life of its own. `clock` when it was decided, `done` when it was
    carried out: an end and a start may take minutes."""

    clock: float
    at: float
    cause: Cause
    why: str
    done: float | None = None


@dataclass(frozen=True, slots=True)
class Latch:
    """Guard does nothing more until a person resets it."""

    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What guard keeps of what it did. `settled`: clock when the server was last seen well for long enough."""

    began: bool = False  # a life was begun or adopted and not ended on purpose
    restarts: tuple[Restart, ...] = ()
    settled: float | None = None
    latch: Latch | None = None
    paused: bool = False
