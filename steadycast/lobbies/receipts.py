"""Receipts of ended workers: counted, told, and written down without anybody waiting for the disk."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

import structlog

from steadycast.errors import CallerError, SteadycastError
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.store import Store
from steadycast.lobbies.views import Page
from steadycast.model import Receipt

log = structlog.get_logger("receipts")

UNWRITTEN = 1000  # receipts that wait for the disk; the oldest are dropped with a line in the log


class ReceiptBook:
    """Takes every receipt of the supervisor with `add`; `close` writes what is left."""

    def __init__(self, store: Store, events: EventLog) -> None:
        self.totals: Counter[str] = Counter(clean=0, unclean=0)
        self._store = store
        self._events = events
        self._unwritten: deque[Receipt] = deque()
        self._writing: asyncio.Task[None] | None = None

    def add(self, receipt: Receipt) -> None:
        """A worker ended."""
        self.totals["clean" if receipt.clean else "unclean"] += 1
        data = {"id": receipt.id, "kind": receipt.kind.value, "pid": receipt.pid, "clean": receipt.clean}
        self._events.publish("receipt", "receipt", lobby=receipt.lobby, why=receipt.cause, data=data)
        if len(self._unwritten) >= UNWRITTEN:
            log.error("a receipt is lost: the disk does not keep up", id=self._unwritten.popleft().id)
        self._unwritten.append(receipt)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="write receipts")

    async def page(self, after: str | None, limit: int, lobby: str | None) -> Page[Receipt]:
        """Newest first. Raises CallerError for an `after` that is none, RefusedError where the disk fails."""
        await self.flush()
        receipts = await self._store.receipts(after, limit + 1, lobby)
        if receipts is None:
            raise CallerError("page.unknown", "There is no such page.", hint="Begin again without `after`.")
        shown = receipts[:limit]
        return Page(shown, shown[-1].id if len(receipts) > limit else None)

    async def flush(self) -> None:
        """Wait until what was added is written, or could not be."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        while self._unwritten:
            receipt = self._unwritten.popleft()
            try:
                await self._store.add_receipt(receipt)
            except SteadycastError as error:
                log.error("a receipt could not be written", id=receipt.id, code=error.code, what=error.what)
