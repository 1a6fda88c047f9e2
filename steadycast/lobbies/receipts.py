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
AGAIN_S = (1.0, 30.0)  # first and longest pause after the disk took none


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
    """Takes every receipt with `add`; `close` writes what is left. What the disk does not take waits in memory and is
    tried again, so that a disk that was full loses none. `on_settled` hears each that is written, or dropped for good.

    `living` is there after `watch`: it makes the receipts of renditions and viewers. `on_residue` hears the id of a
    worker that lives on and holds what one of them left; `on_stayed` hears each receipt of what left anything.
    """

    def __init__(
        self, store: Store, events: EventLog, on_settled: Callable[[Receipt], None] = lambda receipt: None
    ) -> None:
        self.totals: Counter[str] = Counter(clean=0, unclean=0)  # of workers
        self.counts = ReceiptCounts()
        self.living: Living | None = None
        self.on_residue: Callable[[str], None] | None = None
        self.on_stayed: Callable[[Receipt], None] | None = None
        self._store = store
        self._events = events
        self._unwritten: deque[Receipt] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._lost = Lost(time.monotonic)
        self._on_settled = on_settled
        self._pause = AGAIN_S[0]
        self._again: asyncio.TimerHandle | None = None  # there while the disk takes none

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
        if stayed and self.on_stayed is not None:
            self.on_stayed(receipt)
        if len(self._unwritten) >= UNWRITTEN:
            self._drop("the disk does not keep up")
        self._unwritten.append(receipt)
        if self._again is None:
            self._begin()

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

    @property
    def unwritten(self) -> int:
        """How many are not on the disk yet."""
        return len(self._unwritten)

    async def flush(self) -> None:
        """Wait until what was added is written, or cannot be now."""
        if self._unwritten:
            self._begin()
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Look at no worker any more, and write what is left."""
        if self.living is not None:
            await self.living.close()
        await self.flush()
        if self._again is not None:
            self._again.cancel()
        for receipt in self._unwritten:  # of workers the next host writes them
            self._lost.add(receipt, "the disk took none until the end")
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

    def _begin(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="write receipts")

    async def _write(self) -> None:
        """All that waits, the oldest first, until the disk takes no more."""
        while self._unwritten:
            receipt = self._unwritten.popleft()
            try:
                await self._store.add_receipt(receipt)
            except SteadycastError as error:
                self._unwritten.appendleft(receipt)
                if len(self._unwritten) > UNWRITTEN:
                    self._drop(error.what)
                self._wait(error)
                return
            if self._pause != AGAIN_S[0]:
                log.info("receipts are written again")
                self._pause = AGAIN_S[0]
            self._on_settled(receipt)

    def _wait(self, error: SteadycastError) -> None:
        if self._pause == AGAIN_S[0]:
            log.error("receipts wait for the disk", code=error.code, what=error.what)
        self._again = asyncio.get_running_loop().call_later(self._pause, self._begin)
        self._pause = min(AGAIN_S[1], self._pause * 2)

    def _drop(self, why: str) -> None:
        receipt = self._unwritten.popleft()
        self._lost.add(receipt, why)
        self._on_settled(receipt)
