"""What the room does to lobbies that live: their workers are replaced, their requests are changed."""

from __future__ import annotations

from steadycast.lobbies.entries import Entries
from steadycast.lobbies.views import Recycled
from steadycast.model import RecycleCause


class Renewing:
    """The part of `Lobbies` about lobbies that go on in another way."""

    _entries: Entries

    async def recycle(self, id_or_key: str, cause: RecycleCause = RecycleCause.PERSON) -> Recycled:
        """Replace a lobby's worker by another one; viewers stay. Answers when the one before is gone, with its receipt.

        Raises NotFoundError `lobby.unknown`, ConflictError (it ends, or starts just now), WorkerError, SourceError or
        CallerError where the other worker does not show: the one before goes on then.
        """
        return await self._entries.lobby(id_or_key).recycle(cause)
