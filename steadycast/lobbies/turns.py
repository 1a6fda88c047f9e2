"""Recycles that a person asks for: on a GPU one waits for the other, and for those of the host itself."""

from __future__ import annotations

import asyncio
import time

from steadycast.errors import RefusedError
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.recycling import SOFTWARE, Recycling
from steadycast.lobbies.viewers import closing
from steadycast.lobbies.views import Recycled
from steadycast.model import LobbyState, RecycleCause

WAIT_S = 30.0  # for its turn
WAITING = 64  # who wait at the same time


class Turns:
    """Of one host. `policy` is that of the recycler: what it begins and what a person asks for know of each other."""

    def __init__(self, policy: Recycling) -> None:
        self._policy = policy
        self._moved = asyncio.Event()
        self._waiting = 0
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def recycle(self, lobby: Lobby, cause: RecycleCause) -> Recycled:
        """As `Lobby.recycle`, when it is its turn. One that is under way is joined; where no worker streams, there is
        nothing to wait for. Raises RefusedError `recycle.busy` after `WAIT_S`, and what `Lobby.recycle` raises."""
        worker = await self._turn(lobby)
        if worker is None:
            return await lobby.recycle(cause)
        try:
            return await lobby.recycle(cause)
        finally:
            task = asyncio.get_running_loop().create_task(self._leave(lobby, worker), name=f"turn of {worker}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def freed(self) -> None:
        """A replacement is over: whoever waits looks again."""
        self._moved.set()
        self._moved = asyncio.Event()

    def close(self) -> None:
        """Nobody waits any more."""
        self._closed = True
        self.freed()

    async def _turn(self, lobby: Lobby) -> str | None:
        """The worker whose turn it is now, or None where none is needed."""
        if self._waiting >= WAITING:
            raise _busy(lobby, f"{self._waiting} others wait already.")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                while (worker := self._worker(lobby)) is not None:
                    if self._closed:
                        raise closing()
                    if self._policy.ask(worker, devices(lobby) or frozenset({SOFTWARE})):
                        return worker
                    await self._moved.wait()
        except TimeoutError:
            raise _busy(lobby, f"One at a time, and its turn did not come within {WAIT_S:g} s.") from None
        finally:
            self._waiting -= 1
        return None

    def _worker(self, lobby: Lobby) -> str | None:
        """What would be replaced, unless it is already."""
        if lobby.state is not LobbyState.STREAMING or lobby.stage is None or lobby.replacing.running:
            return None
        worker = lobby.stage.worker.id
        return None if worker in self._policy.under_way else worker

    async def _leave(self, lobby: Lobby, worker: str) -> None:
        """Whoever asked may be gone before it is over."""
        await lobby.replacing.over()
        self._policy.left(worker, time.monotonic())
        self.freed()


def devices(lobby: Lobby) -> frozenset[str]:
    """The GPUs that it encodes on."""
    seats = [feed.seat for feed in lobby.feeds.all()]
    return frozenset(seat.device for seat in seats if seat is not None and seat.hardware)


def _busy(lobby: Lobby, why: str) -> RefusedError:
    what = f"Another worker is being replaced on {', '.join(sorted(devices(lobby))) or 'this host'}."
    hint = "Ask again, or recycle one lobby after the other. GET /api/v1/events tells of each (lobby.recycling)."
    return RefusedError("recycle.busy", what, why=why, hint=hint, retry_after=10)
