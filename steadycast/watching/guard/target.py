"""What guard can do with a server, whoever started it."""

from __future__ import annotations

from typing import Protocol

from steadycast.tracking.families import Identity
from steadycast.watching.common.ladder import Ladder, Outcome
from steadycast.watching.guard.facts import Server
from steadycast.watching.guard.policy import StopPolicy
from steadycast.watching.guard.record import Life


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


def ladder_of(stop: StopPolicy) -> Ladder:
    """How the policy ends it."""
    return Ladder(stop.command, stop.command_s, stop.signal, stop.graceful_s, stop.kill_s)


def target_name(command: tuple[str, ...] | None, unit: str | None, user: bool, named: object) -> str:
    """What a lock and a state file call it."""
    if unit is not None:
        return f"{'user ' if user else ''}unit {unit}"
    return f"command {' '.join(command)}"[:2000] if command is not None else f"process of {named}"
