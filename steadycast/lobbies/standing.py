"""Where a lobby is in its life: moves it by its table, says it, remembers it, and wakes who waits for a change."""

from __future__ import annotations

import asyncio
import time

from steadycast.lifecycle import LOBBY, Life, Move
from steadycast.lobbies.announcing import Announcer
from steadycast.lobbies.diary import Diary
from steadycast.model import LobbyState


class Standing:
    """Of one lobby. `since` (Unix seconds) is when it entered its state, also where that was under a former host."""

    def __init__(self, says: Announcer, diary: Diary) -> None:
        self.since = diary.created
        self._says = says
        self._diary = diary
        self._life = Life(LOBBY, LobbyState.CREATED, time.monotonic(), self._entered)
        self._code: str | None = None  # of the latest move
        self._moved = asyncio.Event()

    @property
    def state(self) -> LobbyState:
        """Where it is."""
        return self._life.state

    def move(self, state: LobbyState, why: str | None = None, code: str | None = None) -> None:
        """Go there."""
        self._code = code
        self._life.move(state, time.monotonic(), why)
        self.wake()

    def go_on(self, state: LobbyState, why: str) -> None:
        """It was found in this state by a new host: no move where it was in it before."""
        life = self._diary.life
        if life is None or life.state is not state:
            self.move(state, why)
        else:
            self.since = life.since
            self._life.state = state
            self._life.since = time.monotonic() - max(0.0, time.time() - life.since)
        self._says.adopted(state, self.since, why)

    async def changes(self) -> None:
        """Wait for the next change."""
        await self._moved.wait()

    def wake(self) -> None:
        """Wake all who wait for a change."""
        self._moved.set()
        self._moved = asyncio.Event()

    def _entered(self, move: Move[LobbyState]) -> None:
        self.since = time.time()
        self._says.state(move.new, move.cause, self._code, move.took_s)
        self._diary.entered(move.new, self.since)
