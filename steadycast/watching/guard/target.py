"""What guard can do with a server, whoever started it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from steadycast.tracking.families import Identity
from steadycast.watching.guard.facts import Server
from steadycast.watching.guard.record import Life


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


class Target(Protocol):
    """One server. `look` is cheap and answers "unknown" where it cannot tell; nothing else is called meanwhile."""

    name: str
    life: Life | None

    async def look(self) -> Server: ...

    async def start(self, life: Life) -> Outcome: ...

    async def stop(self) -> Outcome: ...

    def members(self) -> tuple[Identity, ...]:
        """The processes of the server, the first of them in front."""
        ...

    def forgive(self) -> None:
        """A person looked: what it was stuck at is looked at anew."""
        ...

    def close(self) -> None: ...


def target_name(command: tuple[str, ...] | None, unit: str | None, user: bool, named: object) -> str:
    """What a lock and a state file call it."""
    if unit is not None:
        return f"{'user ' if user else ''}unit {unit}"
    return f"command {' '.join(command)}"[:2000] if command is not None else f"process of {named}"
