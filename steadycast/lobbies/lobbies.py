"""All lobbies of the host: what API, page and metrics call. Admits, finds the lobby, asks its owner."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from steadycast.config.settings import LobbySettings
from steadycast.errors import CallerError, ConflictError, NotFoundError, RefusedError, SteadycastError
from steadycast.leases.quota import Lease, Quota
from steadycast.lobbies import showing
from steadycast.lobbies.devices import Devices
from steadycast.lobbies.egresses import Egresses
from steadycast.lobbies.encoders.encoders import Encoders
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.ids import lobby_id
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.moving import Moving
from steadycast.lobbies.receipts import ReceiptBook
from steadycast.lobbies.reception import Reception
from steadycast.lobbies.restoring import restore
from steadycast.lobbies.seats import Mover
from steadycast.lobbies.staging import StagingParts
from steadycast.lobbies.store import Store, StoredLobby
from steadycast.lobbies.viewers import Viewers
from steadycast.lobbies.views import (
    Deleted,
    LobbiesStatistics,
    LobbyView,
    Page,
    ViewerView,
    WhepPatched,
    WhepSession,
)
from steadycast.model import Protocol, Receipt

log = structlog.get_logger("lobbies")


@dataclass(frozen=True, slots=True)
class LobbiesParts:
    """What the room is built from; `serve` makes, starts and closes these."""

    staging: StagingParts
    store: Store
    receipts: ReceiptBook
    events: EventLog
    egresses: Egresses
    encoders: Encoders


@dataclass(eq=False)
class _Entry:
    """A lobby, its place in the quota, and its end once somebody asked for it."""

    lobby: Lobby
    lease: Lease
    ending: asyncio.Task[Deleted] | None = None


class Lobbies(Devices):
    """The lobbies and viewers of this host.

    Every call raises errors of `steadycast.errors`; a lobby is named by its id or its key everywhere.
    `events` is public: subscribe there. `move` brings an encoding to another seat.
    """

    def __init__(self, parts: LobbiesParts) -> None:
        super().__init__(parts.encoders, lambda: (len(self._entries), len(self._viewers.of())))
        self.events = parts.events
        self._parts = parts
        self._settings = parts.staging.settings
        self._entries: dict[str, _Entry] = {}  # by id, in the order of creation
        self._keys: dict[str, _Entry] = {}
        self._quota = Quota("lobbies", self._settings.limits.lobbies)
        self._creating = asyncio.Lock()
        self._closing = False
        self._viewers = Viewers(self._settings, parts.egresses, parts.events)
        self._reception = Reception(self._viewers, self._find, self._every)
        self.move: Mover = Moving(self._find, parts.staging.encoding).move
        parts.encoders.move_with(self.move)
        self._refused: Counter[str] = Counter()
        self._restarts_of_gone = 0

    async def start(self) -> None:
        """Start the lobbies of store and config, see `restoring`. Returns before their sources show."""
        store = self._parts.store
        restored = restore(await store.lobbies(), self._settings.lobbies, time.time(), lobby_id)
        try:
            for id in restored.dropped:
                await store.remove_lobby(id)
            for lobby in restored.changed:
                await store.put_lobby(lobby)
        except SteadycastError as error:  # they are shown all the same
            log.error("the lobbies of the config are not stored", code=error.code, what=error.what, why=error.why)
        for lobby in restored.lobbies:
            self._bring_back(lobby)
        await self._parts.egresses.start(self._reception)

    async def close(self) -> None:
        """End all lobbies, viewers and egress workers (deadlines of the ladder); they stay in the store."""
        self._closing = True
        async with self._creating:
            pass
        await asyncio.gather(*(self._begin_end(entry, "host ends") for entry in tuple(self._entries.values())))
        await self._parts.egresses.close()
        await self._parts.receipts.flush()

    # --- lobbies

    async def create(self, request: LobbySettings) -> tuple[LobbyView, bool]:
        """Make a lobby and start it; `False` where the key exists already and that lobby is given back instead.

        Answers at once, in state STARTING: the source shows later. Raises CallerError (`source.*`, `rendition.*`: what
        is asked can never work), RefusedError (`limit.lobbies`, `store.full`).
        """
        with self._counting():
            await self._parts.staging.vet(request)
            # Not cancelled half-way where the caller goes away: it is made or not made.
            return await asyncio.shield(asyncio.create_task(self._create(request)))

    def get(self, id_or_key: str) -> LobbyView:
        """A lobby; raises NotFoundError `lobby.unknown`."""
        return self._view(self._find(id_or_key))

    def list(self, after: str | None = None, limit: int = 50) -> Page[LobbyView]:
        """Lobbies in the order they were created. Raises CallerError `page.unknown` for an `after` that is none."""
        entries, rest = showing.part(tuple(self._entries.values()), lambda entry: entry.lobby.id, after, limit)
        return Page(tuple(self._view(entry.lobby) for entry in entries), rest)

    async def delete(self, id_or_key: str) -> Deleted:
        """End a lobby; answers after everything of it is gone. A second caller meanwhile gets the same answer."""
        entry = self._entries[self._find(id_or_key).id]
        if entry.ending is None:
            # First, so that a disk that fails leaves all as it was, and a host that dies now does not bring it back.
            await self._parts.store.remove_lobby(entry.lobby.id)
        return await self._begin_end(entry, "deleted")

    # --- viewers

    async def whep_offer(
        self, id_or_key: str, sdp: str, *, remote: str | None = None, rendition: str | None = None
    ) -> WhepSession:
        """Answer a browser's offer with a new viewer.

        Raises CallerError (`sdp.*`; status 406 `codec.none` with what is possible), NotFoundError (`lobby.unknown`,
        `rendition.unknown`), RefusedError (`viewers`, `limit.offers` with status 429, `lobby.not_streaming`),
        SourceError (in the words of the source), DeadlineError.
        """
        with self._counting():
            self._viewers.take_offer()
            return await self._viewers.offer(self._find(id_or_key), sdp, remote, rendition)

    async def whep_patch(self, viewer: str, fragment: str, etag: str | None) -> WhepPatched:
        """Trickled candidates or an ICE restart. `etag` is what If-Match said: None, `*`, or the tag without quotes.

        Raises NotFoundError `viewer.unknown`, CallerError (status 412 `viewer.etag` where the tag is of an older
        session, status 428 where there is none).
        """
        return await self._viewers.patch(self._viewers.get(viewer), fragment, etag)

    async def end_viewer(self, viewer: str, reason: str) -> None:
        """End a viewer; answers when it is gone. Raises NotFoundError `viewer.unknown`."""
        await self._viewers.end(self._viewers.get(viewer), reason)

    def get_viewer(self, viewer: str) -> ViewerView:
        """A viewer; raises NotFoundError `viewer.unknown`."""
        return showing.viewer(self._viewers.get(viewer))

    def list_viewers(
        self,
        lobby: str | None = None,
        after: str | None = None,
        limit: int = 50,
        protocol: Protocol | None = None,
    ) -> Page[ViewerView]:
        """Viewers in the order they came; of one lobby (id or key), over one protocol, or all."""
        viewers = self._viewers.of(None if lobby is None else self._find(lobby))
        wanted = tuple(viewer for viewer in viewers if protocol in (None, viewer.protocol))
        shown, rest = showing.part(wanted, lambda viewer: viewer.id, after, limit)
        return Page(tuple(showing.viewer(viewer) for viewer in shown), rest)

    async def receipts(self, after: str | None = None, limit: int = 50, lobby: str | None = None) -> Page[Receipt]:
        """Receipts of ended workers, newest first; `lobby` is an id (the lobby may be gone)."""
        return await self._parts.receipts.page(after, limit, lobby)

    def statistics(self) -> LobbiesStatistics:
        """What is there now, and totals."""
        lobbies = [entry.lobby for entry in self._entries.values()]
        restarts = sum(lobby.restarts for lobby in lobbies) + self._restarts_of_gone
        return LobbiesStatistics(
            lobbies=dict(Counter(lobby.state.value for lobby in lobbies)),
            viewers=dict(Counter(viewer.protocol.value for viewer in self._viewers.of())),
            renditions_running=sum(lobby.feeds.running for lobby in lobbies),
            workers=tuple(showing.worker(worker) for worker in self._parts.staging.supervisor.workers),
            restarts_total=restarts + self._parts.egresses.restarts_total,
            viewers_total=self._viewers.total,
            refused_total=dict(self._refused),
            receipts_total=dict(self._parts.receipts.totals),
            events_total=self.events.total,
            event_subscribers=self.events.listeners,
            event_subscribers_dropped_total=self.events.dropped_total,
        )

    # --- inside

    def _find(self, id_or_key: str) -> Lobby:
        entry = self._entries.get(id_or_key) or self._keys.get(id_or_key)
        if entry is None:
            raise NotFoundError("lobby.unknown", f"There is no lobby {id_or_key[:100]!r}.", hint="See /api/v1/lobbies.")
        return entry.lobby

    def _every(self) -> Iterator[Lobby]:
        return (entry.lobby for entry in self._entries.values())

    def _view(self, lobby: Lobby) -> LobbyView:
        return showing.lobby(lobby, self._viewers.of(lobby))

    async def _create(self, request: LobbySettings) -> tuple[LobbyView, bool]:
        async with self._creating:
            there = self._keys.get(request.key) if request.key is not None else None
            if there is not None:
                if there.lobby.leaving:
                    hint = "Try again when it is gone."
                    raise ConflictError("lobby.ending", f"The lobby {request.key!r} is about to end.", hint=hint)
                return self._view(there.lobby), False
            stored = StoredLobby(lobby_id(), request.key, time.time(), request.model_dump_json())
            lease = self._admit(stored.id)
            try:
                await self._parts.store.add_lobby(stored)
            except BaseException:
                self._quota.give_back(lease)
                raise
            return self._view(self._begin(stored, request, lease)), True

    def _admit(self, id: str) -> Lease:
        if self._closing:
            raise RefusedError("host.closing", "The host ends.", retry_after=10)
        lease = self._quota.take(id, time.time())
        if lease is None:
            why = f"There are {self._quota.limit} already (`limits.lobbies`)."
            hint = "Delete one, or raise the limit."
            raise RefusedError("limit.lobbies", "Too many lobbies.", why=why, hint=hint, retry_after=30)
        return lease

    def _bring_back(self, stored: StoredLobby) -> None:
        try:
            request = LobbySettings.model_validate_json(stored.request)
            self._begin(stored, request, self._admit(stored.id))
        except ValidationError as error:
            log.error("a stored lobby is left out: it cannot be read", lobby=stored.id, problems=error.error_count())
        except SteadycastError as error:
            log.error("a stored lobby is left out", lobby=stored.id, code=error.code, what=error.what)

    def _begin(self, stored: StoredLobby, request: LobbySettings, lease: Lease) -> Lobby:
        parts = self._parts
        lobby = Lobby(stored.id, request, stored.created, parts.staging, parts.events, self._viewers.tracks_failed)
        entry = _Entry(lobby, lease)
        self._entries[lobby.id] = entry
        if request.key is not None:
            self._keys[request.key] = entry
        lobby.start()
        return lobby

    async def _begin_end(self, entry: _Entry, cause: str) -> Deleted:
        if entry.ending is None:
            entry.ending = asyncio.create_task(self._end(entry, cause), name=f"end of {entry.lobby.id}")
        return await asyncio.shield(entry.ending)

    async def _end(self, entry: _Entry, cause: str) -> Deleted:
        lobby = entry.lobby
        lobby.drain(cause)
        await self._viewers.end_all(lobby, f"the lobby ends: {cause}")
        receipts = await lobby.end(cause)
        del self._entries[lobby.id]
        if lobby.request.key is not None:
            del self._keys[lobby.request.key]
        self._restarts_of_gone += lobby.restarts
        self._quota.give_back(entry.lease)
        return Deleted(lobby.id, lobby.state, receipts)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Count what is refused, by code: these codes are words of the program, so there are few."""
        try:
            yield
        except (RefusedError, CallerError) as error:
            self._refused[error.code] += 1
            raise
