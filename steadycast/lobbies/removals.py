"""Lobbies that are deleted, whatever the disk does: what the store still has of them is removed when it can be.

A delete ends the lobby at once. Where the store cannot be changed the removal is remembered here and tried again; a
host that dies before that brings the lobby back at its next start, which the answer of the delete says.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog

from steadycast.errors import SteadycastError
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.store import Store

log = structlog.get_logger("lobbies")

FIRST_S = 1.0  # until it is tried again; doubles
LONGEST_S = 30.0
REMEMBERED = 4096  # the oldest is forgotten
NAMED = 64  # in an event
NOTE = (
    "It is gone, but the store could not be changed yet: if the host dies before that, the lobby comes back at its next"
    " start. It is tried again until it works."
)


class Removals:
    """`close` it before the store, after the last delete."""

    def __init__(self, store: Store, events: EventLog) -> None:
        self._store = store
        self._events = events
        self._waiting: dict[str, None] = {}
        self._since = 0.0
        self._trying: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Lobbies that are gone, and may still be in the store because it fails."""
        return len(self._waiting) if self._trying is not None else 0

    async def remove(self, id: str) -> SteadycastError | None:
        """Remove a lobby from the store; why it is not removed yet, None: it is."""
        self._waiting[id] = None
        if len(self._waiting) > REMEMBERED:
            forgotten = next(iter(self._waiting))
            del self._waiting[forgotten]
            log.error("a deleted lobby stays in the store", lobby=forgotten)
        try:
            await self._remove((id,))
        except SteadycastError as error:
            self._try_again(error)
            return error
        return None

    async def settle(self) -> None:
        """Remove what waits, before something new takes a key of it. Raises SteadycastError."""
        if self._trying is not None:
            await self._remove(tuple(self._waiting))

    def is_back(self, id: str) -> None:
        """It is there again under the same id: not to be removed any more."""
        self._waiting.pop(id, None)

    async def close(self) -> None:
        """Try once more what waits, and then no more."""
        if self._trying is None:
            return
        self._trying.cancel()
        await asyncio.wait({self._trying})
        try:
            await self.settle()
        except SteadycastError as error:
            log.error("deleted lobbies come back", lobbies=list(self._waiting), code=error.code, what=error.what)

    async def _remove(self, ids: tuple[str, ...]) -> None:
        await self._store.remove_lobbies(ids)
        for id in ids:
            self._waiting.pop(id, None)

    def _try_again(self, error: SteadycastError) -> None:
        if self._trying is not None or not self._waiting:
            return
        self._since = time.monotonic()
        self._trying = asyncio.get_running_loop().create_task(self._try_on(), name="removals from the store")
        log.error("a deleted lobby is still in the store", code=error.code, what=error.what, why=error.why)
        data = {"code": error.code, "lobbies": list(self._waiting)[:NAMED]}
        self._events.publish("host", "store.removals_waiting", why=f"{error.what} {NOTE}", data=data)

    async def _try_on(self) -> None:
        wait = FIRST_S
        while self._waiting:
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_S)
            with contextlib.suppress(SteadycastError):
                await self.settle()
        self._trying = None
        took = round(time.monotonic() - self._since, 3)
        log.info("deleted lobbies are out of the store", took_s=took)
        self._events.publish("host", "store.removals_done", data={"took_s": took})
