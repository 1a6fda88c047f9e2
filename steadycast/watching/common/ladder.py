"""How a server is ended, step by step, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ladder:
    """`command` (seconds `command_s`) or `signal` (`graceful_s`), then SIGKILL (`kill_s`)."""

    command: tuple[str, ...] | None = None
    command_s: float = 20.0
    signal: str = "SIGTERM"
    graceful_s: float = 20.0
    kill_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of an end: `outcome` in words, seconds that it took."""

    name: str
    took_s: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a start or stop. `stuck`: why guard cannot go on, as what must be gone is not."""

    ok: bool
    text: str
    rungs: tuple[Rung, ...] = ()
    stuck: bool = False
