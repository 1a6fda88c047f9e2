"""Workers kept started and idle, so that a lobby need not wait for one; started one at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog

from steadycast.errors import SteadycastError
from steadycast.leases.pools import Bounds, Pool, PoolStatistics, Pressure
from steadycast.workers.lasting import lasting
from steadycast.workers.worker import Worker

log = structlog.get_logger("workers")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
FAILURES = 8  # in a row; then nothing is started until somebody takes one
KEY = "spare"  # all are alike
AGED = "a spare that was not wanted for long"
PRESSED = "the host is short of memory: no spare is kept"


def wait_after(failures: int) -> float | None:
    """Seconds until the next try after so many failures in a row; None: not before there is demand."""
    if failures >= FAILURES:
        return None
    return 0.0 if failures == 0 else min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failures - 1))


class Spares:
    """Keeps `count` workers ready, once it was told to `begin`; none where the host is short of memory, and none that
    is older than `age_s`. A spare that dies counts as a failure, one that is taken or sent away does not."""

    def __init__(
        self,
        count: int,
        start: Callable[[], Awaitable[Worker]],
        age_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds = Bounds(total=count, idle=count, keys=1, waiting=0, age_s=age_s)
        self._pool: Pool[str, Worker] = Pool(self._bounds)
        self._start = start
        self._clock = clock
        self._pressure = Pressure.LOW
        self._failures = 0
        self._wanted = asyncio.Event()
        self._expected: set[Worker] = set()
        self._task: asyncio.Task[None] | None = None

    def begin(self, expected: Iterable[Worker] = ()) -> None:
        """Start workers from now on. Those that are `expected` were adopted, and are mostly handed to `keep`."""
        self._expected.update(expected)
        if self._bounds.total and self._task is None:
            self._task = lasting(self._fill(), "spares")

    def keep(self, worker: Worker) -> bool:
        """Put a worker that nobody uses among the spares; False where there are enough."""
        self._expected.discard(worker)
        return worker.ready and self._pool.stock(KEY, worker, self._clock())

    def __len__(self) -> int:
        return self._pool.statistics().idle

    def statistics(self) -> PoolStatistics:
        """Of the pool: a worker that is taken has left it."""
        return self._pool.statistics()

    def take(self) -> Worker | None:
        """A spare that lives, or None. Another is started in its place."""
        self._failures = 0
        now = self._clock()
        loan = self._pool.take(KEY, "a lobby", now, make=False)
        while loan is not None and loan.resource is not None and not loan.resource.ready:
            loan = self._pool.unfit(loan, now, make=False)
        worker = None if loan is None else loan.resource
        if loan is not None:
            self._pool.part(loan, now)
        self._send_away(AGED)
        self._wanted.set()
        return worker

    def press(self, pressure: Pressure, now: float) -> None:
        """How short the host is: those that are too many then are ended."""
        self._pressure = pressure
        self._pool.press(pressure, now)
        self._send_away(PRESSED if pressure else AGED)
        self._wanted.set()

    def lost(self, worker: Worker) -> None:
        """A worker is gone; start another if it was a spare, or expected to be one."""
        if worker in self._expected:
            self._expected.discard(worker)
            self._wanted.set()
        if self._pool.lost(worker, self._clock()):
            self._failures += 1
            self._wanted.set()
        self._send_away(AGED)

    async def close(self) -> None:
        """Start no more. The spares themselves are ended by the supervisor, like all workers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._pool.close(self._clock())
        self._pool.ended()
        self._expected.clear()

    def _send_away(self, why: str) -> None:
        for worker in self._pool.ended():
            if worker.ready:
                worker.begin_end(why)

    def _enough(self) -> bool:
        return len(self) + len(self._expected) >= self._bounds.idle_at(self._pressure)

    async def _fill(self) -> None:
        while True:
            self._wanted.clear()
            self._pool.prune(self._clock())
            self._send_away(AGED)
            pause = wait_after(self._failures)
            if self._enough() or pause is None:
                await self._until_wanted()
                continue
            await asyncio.sleep(pause)
            try:
                worker = await self._start()
            except SteadycastError as error:
                self._failures += 1
                log.warning("spare failed", what=error.what, why=error.why, failures=self._failures)
                continue
            self._failures = 0
            if worker.ready and not self._pool.stock(KEY, worker, self._clock()):
                worker.begin_end(PRESSED)

    async def _until_wanted(self) -> None:
        """Until somebody takes one, or one grows too old."""
        due = self._pool.next_change()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._wanted.wait()
        except TimeoutError:
            return
