"""What the room does when a host starts: the lobbies of store and config come back, with what a former host left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import SteadycastError
from steadycast.leases.quota import Lease
from steadycast.lobbies.adapter import Adapter
from steadycast.lobbies.diary import Diaries
from steadycast.lobbies.entries import Entries
from steadycast.lobbies.ids import lobby_id
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.memory import Memory
from steadycast.lobbies.reception import Reception
from steadycast.lobbies.recycler import Recycler
from steadycast.lobbies.removals import Removals
from steadycast.lobbies.restoring import restore
from steadycast.lobbies.store import StoredLobby
from steadycast.lobbies.succession import Succession
from steadycast.lobbies.survival_views import AdoptionView
from steadycast.lobbies.viewers import Viewers
from steadycast.workers.adoption import Adoption
from steadycast.workers.codec import to_plain

if TYPE_CHECKING:
    from steadycast.lobbies.lobbies import LobbiesParts

log = structlog.get_logger("lobbies")

NOTHING = Adoption()


class Returning:
    """The part of `Lobbies` about its start."""

    adoption: AdoptionView | None = None

    recycler: Recycler
    adapter: Adapter
    memory: Memory
    _entries: Entries
    _viewers: Viewers
    _parts: LobbiesParts
    _settings: HostSettings
    _removals: Removals
    _diaries: Diaries
    _reception: Reception

    async def start(self, adoption: Adoption = NOTHING) -> None:
        """Start the lobbies of store and config, see `restoring`, with what there is of them. Returns before the
        sources of the others show."""
        store = self._parts.store
        restored = restore(await store.lobbies(), self._settings.lobbies, time.time(), lobby_id)
        for id in restored.dropped:
            await self._removals.remove(id)
        try:
            for lobby in restored.changed:
                await store.put_lobby(lobby)
        except SteadycastError as error:  # they are shown all the same
            log.error("the lobbies of the config are not stored", code=error.code, what=error.what, why=error.why)
        await self._diaries.read([one.id for one in restored.lobbies], [one.id for one in restored.changed])
        self.memory.begin()
        lobbies = [made for stored in restored.lobbies if (made := self._brought_back(stored)) is not None]
        succession = Succession(self._parts.staging, self._parts.egresses, self._reception, adoption)
        succession.take(lobbies)
        await self._parts.egresses.start(self._reception)
        succession.finish()
        self._say_adopted(succession.view)
        self.recycler.start()
        self.adapter.start()

    def _brought_back(self, stored: StoredLobby) -> Lobby | None:
        try:
            request = LobbySettings.model_validate_json(stored.request)
            return self._made(stored, request, self._entries.bear(stored.id))
        except ValidationError as error:
            log.error("a stored lobby is left out: it cannot be read", lobby=stored.id, problems=error.error_count())
        return None

    def _made(self, stored: StoredLobby, request: LobbySettings, lease: Lease) -> Lobby:
        parts, diary = self._parts, self._diaries.of(stored)
        lobby = Lobby(stored.id, request, diary, parts.staging, parts.events, self._viewers.tracks_failed)
        self._entries.add(lobby, lease)
        return lobby

    def _say_adopted(self, view: AdoptionView | None) -> None:
        self.adoption = view
        if view is not None:
            told = to_plain(view)
            log.info("adopted", **told)
            self._parts.events.publish("host", "host.adopted", data=told)
