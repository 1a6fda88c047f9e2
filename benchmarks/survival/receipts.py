"""CPU of the control plane for a receipt, in this process: real workers, the rooms that make and write receipts."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
import uvloop

from benchmarks.measuring import show_table
from steadycast.config.settings import WorkerSettings
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.living import Living
from steadycast.lobbies.receipts import ReceiptBook
from steadycast.lobbies.store import Store
from steadycast.model import Subject, WorkerKind
from steadycast.tracking.quiet import Lent, Pace
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker

WORKERS = 8
IDLE_S = 3.0
DEADLINE_S = 60.0
POLL_S = 0.1
PACE = Pace(settle=2.5)  # nothing here leaves threads that go later
numbers = itertools.count()


class Office:
    """Idle lobby workers, and a book that takes their receipts."""

    def __init__(self, supervisor: Supervisor, book: ReceiptBook) -> None:
        self.supervisor = supervisor
        self._book = book

    async def workers(self) -> list[Worker]:
        """New ones, which do nothing."""
        made = range(WORKERS)
        return [await self.supervisor.start(WorkerKind.LOBBY, on_message=lambda *_: None) for _ in made]

    async def ended(self, workers: list[Worker]) -> float:
        """Milliseconds of CPU to end each of them, to look and to write the receipt."""
        began = time.process_time()
        for worker in workers:
            await worker.end("benchmark")
        await self._book.flush()
        return (time.process_time() - began) / len(workers) * 1000

    async def looked(self, workers: list[Worker]) -> tuple[float, float]:
        """Milliseconds of CPU for what opened and ended in each of them; and how many looks a receipt took.

        Nothing is really opened: a look costs the same. What the control plane does meanwhile is taken off.
        """
        living = self._book.living
        assert living is not None
        began, cpu, looks = time.monotonic(), time.process_time(), living.looks
        lent = {worker.id: _rendition() for worker in workers}
        for worker in workers:
            living.opened(worker, lent[worker.id])
        await self._until(lambda: living.looks >= looks + len(workers))
        wanted = self._count() + len(workers)
        for worker in workers:
            living.closed(worker, lent[worker.id], "benchmark")
        await self._until(lambda: self._count() >= wanted)
        await self._book.flush()
        used, took = time.process_time() - cpu, time.monotonic() - began
        used -= await _idle_cpu() * took
        return used / len(workers) * 1000, (living.looks - looks) / len(workers)

    def _count(self) -> int:
        return sum(self._book.counts.statistics().outcomes[Subject.RENDITION.value].values())

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(POLL_S)


async def _idle_cpu() -> float:
    """Seconds of CPU in a second, of heartbeats and of polling."""
    began, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < began + IDLE_S:
        await asyncio.sleep(POLL_S)
    return (time.process_time() - cpu) / (time.monotonic() - began)


def _rendition() -> Lent:
    return Lent(Subject.RENDITION, f"seat {next(numbers)}", "main", "h264 x264 160x90", "benchmark", time.time())


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    """In a folder of its own."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sc-")))
        store = Store(folder / "receipts.sqlite")
        await store.open()
        stack.push_async_callback(store.close)
        book = ReceiptBook(store, EventLog())
        stack.push_async_callback(book.close)
        supervisor = Supervisor(folder / "run", WorkerSettings(spares=0, start_s=DEADLINE_S), book.add)
        stack.push_async_callback(supervisor.close)
        await supervisor.open()
        book.living = Living(supervisor, book.add, PACE)
        yield Office(supervisor, book)


async def _measure(rounds: int) -> None:
    ends, looks, looks_each = [], [], []
    async with office() as one:
        for _ in range(rounds):
            workers = await one.workers()
            await one.looked(workers)  # the first in a worker has nothing to be compared with
            cost, number = await one.looked(workers)
            looks.append(cost)
            looks_each.append(number)
            ends.append(await one.ended(workers))
    count = rounds * WORKERS
    mean = sum(looks_each) / len(looks_each)
    rows = [
        ["a worker: ended, its family looked for, looked at, written", count, min(ends), max(ends)],
        [f"a rendition: {mean:.1f} looks at its worker, compared, written", count, min(looks), max(looks)],
    ]
    show_table("Cost of receipts", ["ms of CPU of the control plane", "receipts", "least", "most"], rows)


def receipts(rounds: int) -> None:
    """Each round is a mean over all workers."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_measure(max(1, min(rounds, 3))))
