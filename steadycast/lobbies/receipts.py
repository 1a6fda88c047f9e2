"""Receipts: counted, told, and written down without anybody waiting for the disk."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable

import structlog

from steadycast.errors import CallerError, NotFoundError, SteadycastError
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.living import Living
from steadycast.lobbies.receipt_counts import ReceiptCounts
from steadycast.lobbies.store import ReceiptFilter, Store
from steadycast.lobbies.views import Page
from steadycast.model import Receipt, Subject
from steadycast.workers.supervisor import Supervisor

log = structlog.get_logger("receipts")

SAY_EVERY_S = 10.0
UNWRITTEN = 4000  # receipts that wait for the disk; the oldest are dropped


class Lost:
    """Receipts that are not written down: one line in the log at once, and the others by their number, at most one line
    every `SAY_EVERY_S`, whatever the disk does."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.unsaid = 0
        self._clock = clock
        self._said: float | None = None  # when
        self._last: tuple[str, str] | None = None  # id, and why

    def add(self, receipt: Receipt, why: str) -> None:
        """One more."""
        self.unsaid += 1
        self._last = receipt.id, why
        if self._said is None or self._clock() - self._said >= SAY_EVERY_S:
            self.say()

    def say(self) -> None:
        """What was not said yet; nothing where there is nothing."""
        if self._last is not None and self.unsaid:
            log.error("receipts are lost", count=self.unsaid, last=self._last[0], why=self._last[1])
            self.unsaid, self._said = 0, self._clock()


class ReceiptBook:
    """Takes every receipt with `add`; `close` writes what is left.

    `living` is there after `watch`: it makes the receipts of renditions and viewers. `on_residue` hears the id of a
    worker that lives on and holds what one of them left.
    """

    def __init__(self, store: Store, events: EventLog) -> None:
        self.totals: Counter[str] = Counter(clean=0, unclean=0)  # of workers
        self.counts = ReceiptCounts()
        self.living: Living | None = None
        self.on_residue: Callable[[str], None] | None = None
        self._store = store
        self._events = events
        self._unwritten: deque[Receipt] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._lost = Lost(time.monotonic)

    def watch(self, supervisor: Supervisor) -> None:
        """Look at workers that live on when something in them ends."""
        self.living = Living(supervisor, self.add)

    def add(self, receipt: Receipt) -> None:
        """Something that was lent ended."""
        self.counts.add(receipt)
        stayed = any(check.residue for check in receipt.checks)
        if receipt.subject is Subject.WORKER:
            self.totals["clean" if receipt.clean else "unclean"] += 1
        elif stayed:
            self._say_residue(receipt)
        # There may be a thousand viewers: those that left nothing are in the list, and not among what happened.
        if receipt.subject is Subject.WORKER or stayed:
            self._publish(receipt)
        if len(self._unwritten) >= UNWRITTEN:
            self._lost.add(self._unwritten.popleft(), "the disk does not keep up")
        self._unwritten.append(receipt)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="write receipts")

    async def page(self, after: str | None, limit: int, wanted: ReceiptFilter | None = None) -> Page[Receipt]:
        """Newest first. Raises CallerError for an `after` that is none, RefusedError where the disk fails."""
        await self.flush()
        receipts = await self._store.receipts(after, limit + 1, wanted or ReceiptFilter())
        if receipts is None:
            raise CallerError("page.unknown", "There is no such page.", hint="Begin again without `after`.")
        shown = receipts[:limit]
        return Page(shown, shown[-1].id if len(receipts) > limit else None)

    async def get(self, id: str) -> Receipt:
        """One receipt. Raises NotFoundError, RefusedError where the disk fails."""
        await self.flush()
        found = await self._store.receipt(id)
        if found is None:
            hint = "The oldest are forgotten."
            raise NotFoundError("receipt.unknown", "There is no such receipt.", hint=hint)
        return found

    async def flush(self) -> None:
        """Wait until what was added is written, or could not be."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Look at no worker any more, and write what is left."""
        if self.living is not None:
            await self.living.close()
        await self.flush()
        self._lost.say()

    def _publish(self, receipt: Receipt) -> None:
        data = {
            "id": receipt.id,
            "kind": receipt.kind.value,
            "pid": receipt.pid,
            "clean": receipt.clean,
            "subject": receipt.subject.value,
            "name": receipt.name,
        }
        self._events.publish("receipt", "receipt", lobby=receipt.lobby, why=receipt.cause, data=data)

    def _say_residue(self, receipt: Receipt) -> None:
        left = [text for check in receipt.checks for text in check.residue or ()]
        log.error("something stayed", worker=receipt.worker, pid=receipt.pid, of=receipt.name, residue=left)
        if self.on_residue is not None:
            self.on_residue(receipt.worker)

    async def _write(self) -> None:
        while self._unwritten:
            receipt = self._unwritten.popleft()
            try:
                await self._store.add_receipt(receipt)
            except SteadycastError as error:
                self._lost.add(receipt, error.what)
