"""What the room does for a config that is read again: its lobbies come, change and go, other limits count."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import structlog

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import ConflictError, NotFoundError, SteadycastError
from steadycast.leases.quota import Lease
from steadycast.lobbies.entries import Entries, Entry
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.reloading import RunningLobby
from steadycast.lobbies.removals import Removals
from steadycast.lobbies.store import StoredLobby
from steadycast.lobbies.viewers import Viewers
from steadycast.lobbies.views import Deleted
from steadycast.model import LobbyState

if TYPE_CHECKING:
    from steadycast.lobbies.lobbies import LobbiesParts

log = structlog.get_logger("lobbies")

LOOK_S = 0.05  # between looks at a lobby that starts


class Declaring(ABC):
    """The part of `Lobbies` about lobbies of the config. Its calls answer with what could not be stored, if anything:
    the lobby is shown all the same, and the config is read at the next start.

    A caller who deletes a lobby wins over all of them: it is neither made nor stored again, and NotFoundError says so.
    """

    _entries: Entries
    _viewers: Viewers
    _settings: HostSettings
    _parts: LobbiesParts
    _creating: asyncio.Lock
    _removals: Removals

    async def running(self) -> tuple[RunningLobby, ...]:
        """The lobbies that are there and not about to end, with what they are asked to show. Raises RefusedError
        `store.*`."""
        callers = {stored.id for stored in await self._parts.store.lobbies() if not stored.declared}
        there = (lobby for lobby in self._entries.lobbies() if not lobby.leaving)
        # A lobby of the config is started even where it could not be stored; one of a caller never.
        return tuple(
            RunningLobby(one.id, one.request.key, one.request, one.id not in callers, one.created) for one in there
        )

    def limits_changed(self) -> None:
        """Count with the limits of now."""
        self._entries.resize(self._settings.limits.lobbies)
        self._viewers.limits_changed()

    async def declare(self, stored: StoredLobby, request: LobbySettings) -> str | None:
        """Start a lobby of the config. Raises RefusedError `limit.lobbies`, ConflictError where a caller was quicker to
        make one with its key."""
        async with self._creating:
            self._begin_anew(stored, request)
        return await self.keep(stored)

    async def undeclare(self, id: str, cause: str) -> str | None:
        """End a lobby; answers when it is gone. Raises NotFoundError where a caller deleted it, before or meanwhile."""
        entry = self._entries.find(id)
        error = await self._removals.remove(id)
        await self._begin_end(entry, cause)
        _refuse_if_deleted(entry)
        return None if error is None else _unstored(id, error)

    async def keep(self, stored: StoredLobby) -> str | None:
        """Store a lobby as it is now; nothing where it is gone, or a caller just deletes it."""
        try:
            entry = self._entries.find(stored.id)
            _refuse_if_deleted(entry)
        except NotFoundError:
            return None
        self._removals.is_back(stored.id)  # and nothing comes between this and the store, which keeps the order
        try:
            await self._parts.store.put_lobby(stored)
        except SteadycastError as error:
            return _unstored(stored.id, error)
        return None

    def streams(self, id: str) -> bool:
        """Whether a lobby shows; False also where it is gone."""
        return any(lobby.id == id and lobby.state is LobbyState.STREAMING for lobby in self._entries.lobbies())

    async def redeclare(self, stored: StoredLobby, request: LobbySettings, *, anew: bool = False) -> None:
        """Make a lobby another one under the same id and key; answers when it is that. Viewers stay where what they
        watch is still there. Raises SteadycastError: it is as before; NotFoundError where a caller deleted it.

        A lobby that does not stream anyway, and any lobby with `anew`, is ended and made again where it must be.
        """
        entry = self._entries.find(stored.id)
        streams = entry.lobby.state is LobbyState.STREAMING
        try:
            await entry.lobby.change(request)
        except SteadycastError:
            _refuse_if_deleted(entry)
            if entry.lobby.leaving or (streams and not anew):
                raise
            async with self._creating:
                await self._begin_end(entry, "its config changed")
                _refuse_if_deleted(entry)
                self._begin_anew(stored, request)

    async def shows(self, id: str) -> None:
        """Wait until a lobby shows. Raises SteadycastError, in the words of its source where that failed; NotFoundError
        where a caller deleted it."""
        entry = self._entries.find(id)
        try:
            await entry.lobby.ready()
        except SteadycastError:
            _refuse_if_deleted(entry)
            raise

    async def left_starting(self, id: str, seconds: float) -> bool:
        """Whether a lobby shows, or is known not to, within this time."""
        try:
            async with asyncio.timeout(seconds):
                while self._entries.lobby(id).state in (LobbyState.CREATED, LobbyState.STARTING):
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False
        except NotFoundError:  # a caller was quicker
            return True
        return True

    def _begin_anew(self, stored: StoredLobby, request: LobbySettings) -> None:
        if self._entries.of_key(stored.key) is not None:
            raise ConflictError("lobby.key", f"There is a lobby of a caller with the key {stored.key!r}.")
        self._begin(stored, request, self._admit(stored.id))

    @abstractmethod
    def _admit(self, id: str) -> Lease:
        """A place for a lobby. Raises RefusedError."""

    @abstractmethod
    def _begin(self, stored: StoredLobby, request: LobbySettings, lease: Lease) -> Lobby:
        """Make a lobby on its place and start it."""

    @abstractmethod
    async def _begin_end(self, entry: Entry, cause: str) -> Deleted:
        """End a lobby; answers when it is gone."""


def _refuse_if_deleted(entry: Entry) -> None:
    if entry.removal is not None:
        raise NotFoundError("lobby.unknown", f"The lobby {entry.lobby.id} was deleted.", hint="See /api/v1/lobbies.")


def _unstored(id: str, error: SteadycastError) -> str:
    log.error("a lobby of the config is not stored", lobby=id, code=error.code, what=error.what, why=error.why)
    return f"lobby {id} is not stored as it is now: {error.what}"
