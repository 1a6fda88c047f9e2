"""What the room does to lobbies that live: their workers are replaced, their requests are changed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import structlog

from steadycast.config.lobby_change import LobbyChange
from steadycast.config.settings import LobbySettings
from steadycast.errors import NotFoundError, SteadycastError
from steadycast.lobbies import showing
from steadycast.lobbies.entries import Entries
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.recycler import Recycler
from steadycast.lobbies.viewers import Viewers
from steadycast.lobbies.views import Changed, Recycled
from steadycast.model import RecycleCause

if TYPE_CHECKING:
    from steadycast.lobbies.lobbies import LobbiesParts

log = structlog.get_logger("lobbies")

DRAINED = "drained"


class Renewing:
    """The part of `Lobbies` about lobbies that go on in another way."""

    _entries: Entries
    _viewers: Viewers
    _parts: LobbiesParts
    _recycles_of_gone: Counter[tuple[str, str]]
    recycler: Recycler

    async def recycle(self, id_or_key: str, cause: RecycleCause = RecycleCause.PERSON) -> Recycled:
        """Replace a lobby's worker by another one; viewers stay. Answers when the one before is gone, with its receipt.
        On a GPU it waits for its turn, at most `turns.WAIT_S`.

        Raises NotFoundError `lobby.unknown`, ConflictError (it ends, or starts just now), RefusedError `recycle.busy`,
        WorkerError, SourceError or CallerError where the other worker does not show: the one before goes on then.
        """
        return await self.recycler.turns.recycle(self._entries.lobby(id_or_key), cause)

    def recycle_for(self, worker: str, finding: str, why: str) -> None:
        """There is a finding of a lobby or egress worker (by its name): it is replaced when it is its turn, as one that
        reached a limit of `recycle`. Event `worker.due` says so, with `why` and the id of the finding.

        Raises NotFoundError `worker.unknown` where no lobby streams from it and it takes no viewers.
        """
        names = {lobby.stage.worker.id for lobby in self._entries.lobbies() if lobby.stage is not None}
        names |= {egress.worker.id for egress in self._parts.egresses.running()}
        if worker not in names:
            what = f"There is no worker {worker[:100]!r} that could be replaced."
            raise NotFoundError("worker.unknown", what, hint="It may have ended, or drain.")
        self.recycler.found(worker, why, finding)

    async def change(self, id_or_key: str, change: LobbyChange) -> Changed:
        """Change a lobby that is there; viewers stay wherever what they watch is still there. Answers when it is so.

        Raises NotFoundError `lobby.unknown`, CallerError as `create`, ConflictError where it ends, RefusedError
        (`store.*`, no encoder), WorkerError and SourceError where the new one does not show: all is as it was then.
        """
        entry = self._entries.find(id_or_key)
        async with entry.changing:  # the next one changes what this one makes of it
            return await self._change(entry.lobby, change)

    async def _change(self, lobby: Lobby, change: LobbyChange) -> Changed:
        lobby.refuse_if_leaving()
        before, request = lobby.request, change.of(lobby.request)
        await self._parts.staging.vet(request)
        await self._parts.store.change_lobby(lobby.id, request.model_dump_json())
        try:
            done = await lobby.change(request)
        except BaseException:
            await self._store_again(lobby.id, before)
            raise
        return Changed(showing.lobby(lobby, self._viewers.of(lobby)), done)

    def _recycles(self) -> dict[tuple[str, str], int]:
        """Workers that were replaced, by cause and outcome; those of egress are `drained`."""
        total = Counter(self._recycles_of_gone)
        for lobby in self._entries.lobbies():
            total.update(lobby.replacing.done)
        total.update({(cause.value, DRAINED): count for cause, count in self._parts.egresses.recycled.items()})
        return dict(total)

    async def _store_again(self, lobby: str, before: LobbySettings) -> None:
        try:
            await self._parts.store.change_lobby(lobby, before.model_dump_json())
        except SteadycastError as error:
            log.error("a lobby is not stored as it is", lobby=lobby, code=error.code, what=error.what)
