"""Workers kept started and idle, so that a lobby need not wait for one; started one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from steadycast.errors import SteadycastError
from steadycast.workers.worker import Worker

log = structlog.get_logger("workers")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
FAILURES = 8  # in a row; then nothing is started until somebody takes one


def wait_after(failures: int) -> float | None:
    """Seconds until the next try after so many failures in a row; None: not before there is demand."""
    if failures >= FAILURES:
        return None
    return 0.0 if failures == 0 else min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failures - 1))


class Spares:
    """Keeps `count` workers ready, once it was told to `begin`. A spare that dies counts as a failure, one that is
    taken does not."""

    def __init__(self, count: int, start: Callable[[], Awaitable[Worker]]) -> None:
        self._count = count
        self._start = start
        self._ready: list[Worker] = []
        self._failures = 0
        self._wanted = asyncio.Event()
        self._expected: set[Worker] = set()
        self._task: asyncio.Task[None] | None = None

    def begin(self, expected: Iterable[Worker] = ()) -> None:
        """Start workers from now on. Those that are `expected` were adopted, and are mostly handed to `keep`."""
        self._expected.update(expected)
        if self._count and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._fill(), name="spares")

    def keep(self, worker: Worker) -> bool:
        """Put a worker that nobody uses among the spares; False where there are enough."""
        self._expected.discard(worker)
        if len(self._ready) >= self._count or not worker.ready:
            return False
        self._ready.append(worker)
        return True

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> Worker | None:
        """A spare that lives, or None. Another is started in its place."""
        self._failures = 0
        worker = next((one for one in self._ready if one.ready), None)
        if worker is not None:
            self._ready.remove(worker)
        self._wanted.set()
        return worker

    def lost(self, worker: Worker) -> None:
        """A worker is gone; start another if it was a spare, or expected to be one."""
        if worker in self._expected:
            self._expected.discard(worker)
            self._wanted.set()
        if worker in self._ready:
            self._ready.remove(worker)
            self._failures += 1
            self._wanted.set()

    async def close(self) -> None:
        """Start no more. The spares themselves are ended by the supervisor, like all workers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._ready.clear()
        self._expected.clear()

    async def _fill(self) -> None:
        while True:
            self._wanted.clear()
            pause = wait_after(self._failures)
            if len(self._ready) + len(self._expected) >= self._count or pause is None:
                await self._wanted.wait()
                continue
            await asyncio.sleep(pause)
            try:
                worker = await self._start()
            except SteadycastError as error:
                self._failures += 1
                log.warning("spare failed", what=error.what, why=error.why, failures=self._failures)
                continue
            self._failures = 0
            if worker.ready:
                self._ready.append(worker)
