"""All lobbies of the host: what API, page and metrics call. Admits, finds the lobby, asks its owner."""

from __future__ import annotations

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.events import EventLog
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


class Lobbies:
    """The lobbies and viewers of this host.

    Every call raises errors of `steadycast.errors`; a lobby is named by its id or its key everywhere.
    `events` is public: subscribe there.
    """

    events: EventLog

    async def start(self) -> None:
        """Bring back the lobbies of the store and create those of the config. Returns before their sources show."""
        raise NotImplementedError

    async def close(self) -> None:
        """End all lobbies, viewers and workers (deadlines of the ladder); they stay in the store."""
        raise NotImplementedError

    async def create(self, request: LobbySettings) -> tuple[LobbyView, bool]:
        """Make a lobby and start it; `False` where the key exists already and that lobby is given back instead.

        Answers at once, in state STARTING: the source shows later. Raises CallerError (`source.*`, `rendition.*`: what
        is asked can never work), RefusedError (`limit.lobbies`, `store.full`).
        """
        raise NotImplementedError

    def get(self, id_or_key: str) -> LobbyView:
        """A lobby; raises NotFoundError `lobby.unknown`."""
        raise NotImplementedError

    def list(self, after: str | None = None, limit: int = 50) -> Page[LobbyView]:
        """Lobbies in the order they were created. Raises CallerError `page.unknown` for an `after` that is none."""
        raise NotImplementedError

    async def delete(self, id_or_key: str) -> Deleted:
        """End a lobby; answers after everything of it is gone. A second caller meanwhile gets the same answer."""
        raise NotImplementedError

    async def whep_offer(
        self, id_or_key: str, sdp: str, *, remote: str | None = None, rendition: str | None = None
    ) -> WhepSession:
        """Answer a browser's offer with a new viewer.

        Raises CallerError (`sdp.*`; status 406 `codec.none` with what is possible), NotFoundError (`lobby.unknown`,
        `rendition.unknown`), RefusedError (`limit.viewers`, `limit.offers` with status 429, `lobby.not_streaming`),
        SourceError (in the words of the source), DeadlineError.
        """
        raise NotImplementedError

    async def whep_patch(self, viewer: str, fragment: str, etag: str | None) -> WhepPatched:
        """Trickled candidates or an ICE restart. `etag` is what If-Match said: None, `*`, or the tag without quotes.

        Raises NotFoundError `viewer.unknown`, CallerError (status 412 `viewer.etag` where the tag is of an older
        session, status 428 where there is none).
        """
        raise NotImplementedError

    async def end_viewer(self, viewer: str, reason: str) -> None:
        """End a viewer; answers when it is gone. Raises NotFoundError `viewer.unknown`."""
        raise NotImplementedError

    def get_viewer(self, viewer: str) -> ViewerView:
        """A viewer; raises NotFoundError `viewer.unknown`."""
        raise NotImplementedError

    def list_viewers(
        self,
        lobby: str | None = None,
        after: str | None = None,
        limit: int = 50,
        protocol: Protocol | None = None,
    ) -> Page[ViewerView]:
        """Viewers in the order they came; of one lobby (id or key), over one protocol, or all."""
        raise NotImplementedError

    async def receipts(self, after: str | None = None, limit: int = 50, lobby: str | None = None) -> Page[Receipt]:
        """Receipts of ended workers, newest first; `lobby` is an id (the lobby may be gone)."""
        raise NotImplementedError

    def statistics(self) -> LobbiesStatistics:
        """What is there now, and totals."""
        raise NotImplementedError
