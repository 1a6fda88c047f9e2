"""All lobbies of the host: what API, page and metrics call. Admits, finds the lobby, asks its owner."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace

import structlog

from steadycast.config.settings import LobbySettings
from steadycast.errors import ConflictError
from steadycast.leases.quota import Lease
from steadycast.lobbies import showing
from steadycast.lobbies.adapter import Adapter
from steadycast.lobbies.cases import Cases
from steadycast.lobbies.declaring import Declaring
from steadycast.lobbies.devices import Devices
from steadycast.lobbies.diary import Diaries
from steadycast.lobbies.egresses import Egresses
from steadycast.lobbies.encoder_watch import EncoderWatch
from steadycast.lobbies.encoders.encoders import Encoders
from steadycast.lobbies.entries import Entries, Entry
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.holding import Holding
from steadycast.lobbies.ids import lobby_id
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.memory import Memory
from steadycast.lobbies.moving import Moving
from steadycast.lobbies.pool_views import PoolView, pool_views
from steadycast.lobbies.receipts import ReceiptBook
from steadycast.lobbies.reception import Reception
from steadycast.lobbies.recycler import Recycler
from steadycast.lobbies.removals import NOTE, Removals
from steadycast.lobbies.renewing import Renewing
from steadycast.lobbies.returning import Returning
from steadycast.lobbies.seats import Mover
from steadycast.lobbies.staging import StagingParts
from steadycast.lobbies.store import ReceiptFilter, Store, StoredLobby
from steadycast.lobbies.viewers import Viewers, closing
from steadycast.lobbies.views import Deleted, LobbiesStatistics, LobbyView, Page
from steadycast.lobbies.watching import Watching
from steadycast.model import Receipt

log = structlog.get_logger("lobbies")

STORED_S = 0.5  # for a deletion to be stored before the workers end; it goes on beside that
LATCHED = 64  # that are named; a host with more is no less unwell


@dataclass(frozen=True, slots=True)
class LobbiesParts:
    """What the room is built from; `serve` makes, starts and closes these."""

    staging: StagingParts
    store: Store
    receipts: ReceiptBook
    events: EventLog
    egresses: Egresses
    encoders: Encoders


class Lobbies(Returning, Watching, Declaring, Cases, Renewing, Holding, Devices):
    """The lobbies and viewers of this host.

    Every call raises errors of `steadycast.errors`; a lobby is named by its id or its key everywhere.
    `events` is public: subscribe there. `move` brings an encoding to another seat. `adoption` says what was found when
    the host started.
    """

    def __init__(self, parts: LobbiesParts) -> None:
        Devices.__init__(self, parts.encoders, lambda: (len(self._entries), len(self._viewers.of())))
        self.events = parts.events
        self._parts = parts
        self._settings = parts.staging.settings
        self._entries = Entries(self._settings.limits.lobbies)
        self._diaries = Diaries(parts.store)
        self._removals = Removals(parts.store, parts.events)
        self._creating = asyncio.Lock()
        self._closing = False
        self._closed: asyncio.Task[None] | None = None
        self._viewers = Viewers(self._settings, parts.egresses, parts.events)
        self._viewers.living = parts.receipts.living
        parts.encoders.tell(parts.receipts.living)
        find = self._entries.lobby
        self._reception = Reception(self._viewers, find, self._entries.lobbies)
        self.move: Mover = Moving(find, parts.staging.encoding).move
        parts.encoders.move_with(self.move)
        self._refused: Counter[str] = Counter()
        self._restarts_of_gone = self._lobbies_ended = 0
        self._recycles_of_gone: Counter[tuple[str, str]] = Counter()
        gauge = parts.staging.supervisor.gauge
        self.recycler = Recycler(self._settings, self._entries.lobbies, parts.egresses, gauge, parts.events)
        self.adapter = Adapter(
            self._settings, self._entries.lobbies, self._viewers.of, self._viewers.find, parts.events
        )
        seen = EncoderWatch(parts.staging.supervisor.pressing.seen, self._kind_of)
        self.memory = Memory(parts.events, gauge, self._worker_of, seen)
        parts.receipts.on_residue = self.recycler.residue

    async def close(self) -> None:
        """End all lobbies, viewers and egress workers (deadlines of the ladder); the lobbies stay in the store.

        From the first moment on nothing new is begun; viewers are told first. Whoever calls it: it is done once.
        """
        if self._closed is None:
            self._refuse_new("host.closing")
            self._closed = asyncio.create_task(self._close(), name="close of the lobbies")
        await asyncio.shield(self._closed)

    async def leave(self) -> None:
        """Begin nothing new and let go of all workers: what lives is left to the next host."""
        self._refuse_new("host.leaving")
        await self._parts.staging.supervisor.leave()  # first: what is only just starting is not given up
        await self.recycler.close()
        await self.adapter.close()
        await self.memory.close()
        await self._parts.egresses.leave()
        await self._diaries.flush()

    def _refuse_new(self, event: str) -> None:
        self._closing = self._viewers.closing = True
        self.events.publish("host", event)

    async def _close(self) -> None:
        async with self._creating:
            pass
        await self.recycler.close()
        await self.adapter.close()
        await self.memory.close()
        await asyncio.gather(*(self._begin_end(entry, "host ends") for entry in self._entries))
        await self._parts.egresses.close()
        await self._removals.close()
        await self._diaries.flush()
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
        return self._view(self._entries.lobby(id_or_key))

    def list(self, after: str | None = None, limit: int = 50) -> Page[LobbyView]:
        """Lobbies in the order they were created. Raises CallerError `page.unknown` for an `after` that is none."""
        entries, rest = showing.part(tuple(self._entries), lambda entry: entry.lobby.id, after, limit)
        return Page(tuple(self._view(entry.lobby) for entry in entries), rest)

    async def restart(self, id_or_key: str) -> LobbyView:
        """A person says that a lobby that is down shall be tried again now; its breaker is reset. Answers when it
        shows, or it is clear again why not. One that streams is left as it is. Raises NotFoundError, ConflictError."""
        lobby = self._entries.lobby(id_or_key)
        await lobby.restart()
        return self._view(lobby)

    async def delete(self, id_or_key: str) -> Deleted:
        """End a lobby, whatever the disk does; answers after everything of it is gone. A second caller meanwhile gets
        the same answer."""
        entry = self._entries.find(id_or_key)
        if entry.removal is None:  # first, so that a host that dies now does not bring it back
            removal = self._removals.remove(entry.lobby.id)
            entry.removal = asyncio.create_task(removal, name=f"removal of {entry.lobby.id}")
        deleted = await self._begin_end(entry, "deleted")
        problem = await asyncio.shield(entry.removal)
        return deleted if problem is None else replace(deleted, stored=False, note=f"{problem.what} {NOTE}")

    # --- what is there

    async def receipts(
        self, after: str | None = None, limit: int = 50, wanted: ReceiptFilter | None = None
    ) -> Page[Receipt]:
        """Receipts of workers, renditions and viewers, newest first."""
        return await self._parts.receipts.page(after, limit, wanted)

    async def receipt(self, id: str) -> Receipt:
        """One receipt. Raises NotFoundError `receipt.unknown`."""
        return await self._parts.receipts.get(id)

    def pools(self) -> tuple[PoolView, ...]:
        """What is kept for the next, and how often that helped."""
        return pool_views(self._parts.staging.supervisor.pools.statistics())

    def statistics(self) -> LobbiesStatistics:
        """What is there now, and totals."""
        lobbies = list(self._entries.lobbies())
        latched = [lobby.id for lobby in lobbies if lobby.failure is not None and lobby.failure.latched]
        restarts = sum(lobby.restarts for lobby in lobbies) + self._restarts_of_gone
        return LobbiesStatistics(
            lobbies=dict(Counter(lobby.state.value for lobby in lobbies)),
            viewers=dict(Counter(viewer.protocol.value for viewer in self._viewers.of())),
            renditions_running=sum(lobby.feeds.running for lobby in lobbies),
            renditions_over_budget=sum(showing.over_budget(lobby) for lobby in lobbies),
            workers=tuple(showing.worker(worker) for worker in self._parts.staging.supervisor.workers),
            recycles_total=self._recycles(),
            restarts_total=restarts + self._parts.egresses.restarts_total,
            viewers_total=self._viewers.total,
            refused_total=dict(self._refused),
            receipts_total=dict(self._parts.receipts.totals),
            events_total=self.events.total,
            event_subscribers=self.events.listeners,
            event_subscribers_dropped_total=self.events.dropped_total,
            receipts=self._parts.receipts.counts.statistics(),
            latched=tuple(latched[:LATCHED]),
            egress=self._parts.egresses.counts(),
            workers_died_total=self._parts.staging.supervisor.statistics().died,
            removals_waiting=self._removals.waiting,
            bitrate_changes_total=dict(self.adapter.changes),
            viewers_turned_total=dict(self.adapter.turner.turns),
            renditions_limited=self.adapter.limited,
        )

    # --- inside

    def _view(self, lobby: Lobby) -> LobbyView:
        return showing.lobby(lobby, self._viewers.of(lobby))

    async def _create(self, request: LobbySettings) -> tuple[LobbyView, bool]:
        async with self._creating:
            if self._closing:
                raise closing()
            there = self._entries.of_key(request.key)
            if there is not None:
                if there.lobby.leaving:
                    hint = "Try again when it is gone."
                    raise ConflictError("lobby.ending", f"The lobby {request.key!r} is about to end.", hint=hint)
                return self._view(there.lobby), False
            stored = StoredLobby(lobby_id(), request.key, time.time(), request.model_dump_json())
            lease = self._admit(stored.id)
            try:
                await self._removals.settle()
                await self._parts.store.add_lobby(stored)
            except BaseException:
                self._entries.give_back(lease)
                raise
            return self._view(self._begin(stored, request, lease)), True

    def _admit(self, id: str) -> Lease:
        if self._closing:
            raise closing()
        return self._entries.admit(id)

    def _begin(self, stored: StoredLobby, request: LobbySettings, lease: Lease) -> Lobby:
        lobby = self._made(stored, request, lease)
        lobby.start()
        return lobby

    async def _begin_end(self, entry: Entry, cause: str) -> Deleted:
        if entry.ending is None:
            entry.ending = asyncio.create_task(self._end(entry, cause), name=f"end of {entry.lobby.id}")
        return await asyncio.shield(entry.ending)

    async def _end(self, entry: Entry, cause: str) -> Deleted:
        lobby = entry.lobby
        lobby.drain(cause)
        if entry.removal is not None:
            await asyncio.wait({entry.removal}, timeout=STORED_S)
        await self._viewers.end_all(lobby, f"the lobby ends: {cause}")
        receipts = await lobby.end(cause)
        self._entries.remove(entry)
        if entry.removal is not None:
            self._diaries.forget(lobby.id)
        self._restarts_of_gone += lobby.restarts
        self._lobbies_ended += 1
        self._recycles_of_gone.update(lobby.replacing.done)
        return Deleted(lobby.id, lobby.state, receipts)
