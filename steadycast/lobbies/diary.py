"""What is remembered of a lobby over the end of its host: in which state it is since when, and its breaker.

Written behind, so nobody waits for the disk; where it fails the next host knows less. Times of the breaker are of this
boot's monotonic clock: after another boot they only say that they were before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import structlog

from steadycast.lobbies.encoders.notes import Notes
from steadycast.lobbies.failure import Failure
from steadycast.lobbies.retry import Loss, Past
from steadycast.lobbies.store import Store, StoredLobby
from steadycast.model import LobbyState
from steadycast.tracking import proc
from steadycast.workers.codec import CodecError, from_plain, to_plain

log = structlog.get_logger("lobby")

LIFE, BREAKER = "lobby.life", "lobby.breaker"  # kinds of facts
WORDS = 1000  # characters of a reason that are kept


@dataclass(frozen=True, slots=True)
class LifeNote:
    """`since` is Unix seconds."""

    state: LobbyState
    since: float


@dataclass(frozen=True, slots=True)
class BreakerNote:
    """`latched`: why it stays down; None where it does not. `boot`: of which boot the times are."""

    past: Past
    latched: Failure | None = None
    boot: str | None = None


FRESH = BreakerNote(Past())


class Diary:
    """Of one lobby. `life` and `breaker` are what was known when the host started; None and fresh of a new one."""

    def __init__(
        self, lobby: str, created: float, notes: Notes, life: LifeNote | None = None, breaker: BreakerNote = FRESH
    ) -> None:
        self.created = created
        self.life = life
        self.breaker = breaker
        self._lobby = lobby
        self._notes = notes
        self._kept = breaker

    def entered(self, state: LobbyState, since: float) -> None:
        """It is in a state in which it may stay."""
        if state in (LobbyState.STREAMING, LobbyState.DEGRADED):
            self._notes.put(LIFE, self._lobby, to_plain(LifeNote(state, since)))
        if state is LobbyState.STREAMING and self._kept.latched is not None:
            self._keep(replace(self._kept, latched=None))

    def counted(self, past: Past, latched: Failure | None = None) -> None:
        """The breaker stands so. A camera that is away for a week makes one note of it."""
        self._keep(BreakerNote(past, None if latched is None else _short(latched), proc.boot_id()))

    def _keep(self, now: BreakerNote) -> None:
        before, self._kept = self._kept, now
        if _matters(before) != _matters(now):
            self._notes.put(BREAKER, self._lobby, None if _matters(now) == _matters(FRESH) else to_plain(now))


class Diaries:
    """Of all lobbies. `read` once, before the first `of`."""

    def __init__(self, store: Store) -> None:
        self._notes = Notes(store)
        self._lives: dict[str, Any] = {}
        self._breakers: dict[str, Any] = {}

    async def read(self, there: Collection[str], changed: Collection[str]) -> None:
        """What is known of the lobbies that are `there`. Of those that were `changed` meanwhile nothing is held against
        them."""
        self._lives, self._breakers = await self._notes.read(LIFE), await self._notes.read(BREAKER)
        for kind, found, known in ((LIFE, self._lives, there), (BREAKER, self._breakers, {*there} - {*changed})):
            for lobby in [lobby for lobby in found if lobby not in known]:
                del found[lobby]
                self._notes.put(kind, lobby, None)

    def of(self, stored: StoredLobby) -> Diary:
        """The diary of a lobby."""
        life = _read(LifeNote, self._lives.pop(stored.id, None))
        breaker = _read(BreakerNote, self._breakers.pop(stored.id, None))
        return Diary(stored.id, stored.created, self._notes, life, FRESH if breaker is None else recalled(breaker))

    def forget(self, lobby: str) -> None:
        """It was deleted."""
        for kind in (LIFE, BREAKER):
            self._notes.put(kind, lobby, None)

    async def flush(self) -> None:
        """Wait until all is written, or could not be; bounded."""
        await self._notes.flush()


def recalled(note: BreakerNote, boot: str | None = None) -> BreakerNote:
    """As it counts now. Times of another boot were before this one began: those since the last proof count on."""
    if note.boot is not None and note.boot == (boot or proc.boot_id()):
        return note
    past = note.past
    since = past.proved_at
    counted = tuple(0.0 for at in past.restarts if since is None or at > since)
    return replace(note, past=Past(past.failures, counted, None if counted else 0.0))


def _matters(note: BreakerNote) -> tuple[bool, tuple[float, ...], float | None, str | None]:
    past = note.past
    return past.on_probation, past.restarts, past.proved_at, None if note.latched is None else note.latched.why()


def _short(failure: Failure) -> Failure:
    loss: Loss = failure.loss
    words = {name: text[:WORDS] for name in ("what", "why", "hint") if (text := getattr(loss, name)) is not None}
    return replace(failure, loss=replace(loss, **words))


def _read(kind: type[Any], value: Any) -> Any:
    if value is None:
        return None
    try:
        return from_plain(kind, value)
    except CodecError as error:
        log.warning("what was remembered of a lobby cannot be read", why=str(error))
        return None
