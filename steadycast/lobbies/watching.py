"""What the room does for viewers: answers offers, ends them, lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from steadycast.errors import CallerError, RefusedError
from steadycast.lobbies import showing
from steadycast.lobbies.entries import Entries
from steadycast.lobbies.viewers import Viewers
from steadycast.lobbies.views import Page, ViewerView, WhepPatched, WhepSession
from steadycast.model import Protocol


class Watching:
    """The part of `Lobbies` about viewers."""

    _entries: Entries
    _viewers: Viewers
    _refused: Counter[str]

    async def whep_offer(
        self, id_or_key: str, sdp: str, *, remote: str | None = None, rendition: str | None = None
    ) -> WhepSession:
        """Answer a browser's offer with a new viewer.

        Raises CallerError (`sdp.*`; status 406 `codec.none` with what is possible), NotFoundError (`lobby.unknown`,
        `rendition.unknown`), RefusedError (`viewers`, `limit.offers` with status 429, `lobby.not_streaming`,
        `host.closing`), SourceError (in the words of the source), DeadlineError.
        """
        with self._counting():
            self._viewers.take_offer()
            return await self._viewers.offer(self._entries.lobby(id_or_key), sdp, remote, rendition)

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
        viewers = self._viewers.of(None if lobby is None else self._entries.lobby(lobby))
        wanted = tuple(viewer for viewer in viewers if protocol in (None, viewer.protocol))
        shown, rest = showing.part(wanted, lambda viewer: viewer.id, after, limit)
        return Page(tuple(showing.viewer(viewer) for viewer in shown), rest)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Count what is refused, by code: these codes are words of the program, so there are few."""
        try:
            yield
        except (RefusedError, CallerError) as error:
            self._refused[error.code] += 1
            raise
