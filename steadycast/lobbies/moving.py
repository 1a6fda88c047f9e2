"""Finds the track that a seat is for, by the name under which it asks for seats."""

from __future__ import annotations

from collections.abc import Callable

from steadycast.errors import NotFoundError
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.seats import Encoding, Seat


class Moving:
    """Moves tracks of all lobbies to other seats (`seats.Mover`). `find` as in `Reception`."""

    def __init__(self, find: Callable[[str], Lobby], encoding: Encoding) -> None:
        self._find = find
        self._encoding = encoding

    async def move(self, holder: str, seat: Seat) -> bool:
        """Whether the holder, `<lobby>/<track>`, encodes there now; else the seat was ended."""
        lobby, _, track = holder.partition("/")
        try:
            found = self._find(lobby)
        except NotFoundError:
            found = None
        if found is None or found.leaving:
            self._encoding.give_back(seat)
            return False
        return await found.feeds.move(track, seat)
