"""The states of a lobby, a rendition, a viewer and a worker, and the moves that each may make, as tables. Pure.

Every move that is made is an event with its cause and with the time spent in the state before. "Gone" states are said
only after it is gone; whatever else happens, the move towards the end is always allowed: delete wins over anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from steadycast.model import LobbyState as L


class RenditionState(StrEnum):
    """Life of a rendition that is in use."""

    OPENING = "OPENING"
    OPEN = "OPEN"
    MOVING = "MOVING"
    IDLE = "IDLE"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


class ViewerState(StrEnum):
    """Life of a viewer."""

    CONNECTING = "connecting"
    WATCHING = "watching"
    LEAVING = "leaving"
    GONE = "gone"


class WorkerState(StrEnum):
    """Life of a worker."""

    STARTING = "STARTING"
    ADOPTED = "ADOPTED"
    READY = "READY"
    ENDING = "ENDING"
    GONE = "GONE"
    CLEANUP_INCOMPLETE = "CLEANUP_INCOMPLETE"


S = TypeVar("S", bound=StrEnum)
Table = Mapping[S, frozenset[S]]

# A lobby that lost its source or worker stays DEGRADED, with a reason, until it streams again: no STARTING in between,
# so that a camera that is away for a week makes two events and not two a retry. A lobby whose workers were found alive
# by a new control plane goes from CREATED to STREAMING, and one that was latched under a former one to DEGRADED.
LOBBY: Table[L] = {
    L.CREATED: frozenset({L.STARTING, L.STREAMING, L.DEGRADED, L.DRAINING}),
    L.STARTING: frozenset({L.STREAMING, L.DEGRADED, L.DRAINING}),
    L.STREAMING: frozenset({L.DEGRADED, L.DRAINING}),
    L.DEGRADED: frozenset({L.STREAMING, L.DRAINING}),
    L.DRAINING: frozenset({L.ENDING}),
    L.ENDING: frozenset({L.DESTROYED, L.CLEANUP_INCOMPLETE}),
    L.DESTROYED: frozenset(),
    L.CLEANUP_INCOMPLETE: frozenset(),
}

# A rendition that moves is still open where it was until the other has taken over. IDLE: nobody watches, and it may be
# given up. A rendition whose encoder or worker failed goes back to OPENING as long as somebody holds it.
RENDITION: Table[RenditionState] = {
    RenditionState.OPENING: frozenset({RenditionState.OPEN, RenditionState.CLOSING, RenditionState.CLOSED}),
    RenditionState.OPEN: frozenset(
        {RenditionState.MOVING, RenditionState.IDLE, RenditionState.OPENING, RenditionState.CLOSING}
    ),
    RenditionState.MOVING: frozenset(
        {RenditionState.OPEN, RenditionState.IDLE, RenditionState.OPENING, RenditionState.CLOSING}
    ),
    RenditionState.IDLE: frozenset(
        {RenditionState.OPEN, RenditionState.MOVING, RenditionState.OPENING, RenditionState.CLOSING}
    ),
    RenditionState.CLOSING: frozenset({RenditionState.CLOSED, RenditionState.OPENING}),
    RenditionState.CLOSED: frozenset(),
}

VIEWER: Table[ViewerState] = {
    ViewerState.CONNECTING: frozenset({ViewerState.WATCHING, ViewerState.LEAVING, ViewerState.GONE}),
    ViewerState.WATCHING: frozenset({ViewerState.LEAVING, ViewerState.GONE}),
    ViewerState.LEAVING: frozenset({ViewerState.GONE}),
    ViewerState.GONE: frozenset(),
}

# ADOPTED: found alive by a new control plane; it is what a hello is to one that was started.
WORKER: Table[WorkerState] = {
    WorkerState.STARTING: frozenset({WorkerState.READY, WorkerState.ENDING}),
    WorkerState.ADOPTED: frozenset({WorkerState.READY, WorkerState.ENDING}),
    WorkerState.READY: frozenset({WorkerState.ENDING}),
    WorkerState.ENDING: frozenset({WorkerState.GONE, WorkerState.CLEANUP_INCOMPLETE}),
    WorkerState.GONE: frozenset(),
    WorkerState.CLEANUP_INCOMPLETE: frozenset(),
}

# States in which a lobby takes no new viewers and does not come back.
LEAVING = frozenset({L.DRAINING, L.ENDING, L.DESTROYED, L.CLEANUP_INCOMPLETE})


def check_move(table: Table[S], old: S, new: S) -> None:
    """Raise AssertionError where the table has no way from `old` to `new`: a fault of the program."""
    if new not in table[old]:
        raise AssertionError(f"there is no way from {old} to {new}")


@dataclass(frozen=True, slots=True)
class Move(Generic[S]):
    """One move that was made; `took_s` seconds were spent in the state before."""

    old: S
    new: S
    cause: str | None
    took_s: float


class Life(Generic[S]):
    """The state of one thing, which moves by its table only. `now` is monotonic; `told` hears of every move."""

    def __init__(self, table: Table[S], first: S, now: float, told: Callable[[Move[S]], None]) -> None:
        self.state = first
        self.since = now
        self._table = table
        self._told = told

    @property
    def over(self) -> bool:
        """Whether there is no way on."""
        return not self._table[self.state]

    def may(self, new: S) -> bool:
        """Whether the table has a way there."""
        return new in self._table[self.state]

    def move(self, new: S, now: float, cause: str | None = None) -> None:
        """Go there. Raises AssertionError where the table has no such way; nothing is changed then."""
        check_move(self._table, self.state, new)
        move = Move(self.state, new, cause, max(0.0, now - self.since))
        self.state, self.since = new, now
        self._told(move)
