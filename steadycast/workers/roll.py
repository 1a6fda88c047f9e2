"""How long workers that were found are waited for: not much longer than those need that answer.

One that hangs must not hold up the start of a host; on a machine that is slow all are slow.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import Any

from steadycast.patience import OwnTime

LEAST_S = 4.0  # a worker that runs its first pictures on a busy machine may be silent for two
SLOWER = 4.0  # times as long as the slowest that answered
STEP_S = 0.1


def patience_s(slowest: float | None, longest: float) -> float:
    """Seconds that the silent ones have, all in all. `slowest` is what the slowest took of those that answered; None:
    nobody did yet. Pure."""
    return longest if slowest is None else min(longest, max(LEAST_S, SLOWER * slowest))


class Roll:
    """One calling of all; `longest` is in seconds."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._slowest: float | None = None
        self._over = False
        self._waiting: set[asyncio.Timeout] = set()

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Around a wait for an answer: TimeoutError once nobody is waited for any more."""
        async with asyncio.timeout_at(self._began if self._over else None) as timeout:
            self._waiting.add(timeout)
            try:
                yield
            finally:
                self._waiting.discard(timeout)

    def answered(self) -> None:
        """One said all that it was asked."""
        self._slowest = self._loop.time() - self._began

    async def until_over(self, calls: Collection[asyncio.Task[Any]]) -> None:
        """Wait until all calls came to an end. Time in which this process did not run does not count."""
        own = OwnTime(self._loop.time(), STEP_S)
        pending = set(calls)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=STEP_S, return_when=asyncio.FIRST_COMPLETED)
            own.look(self._loop.time())
            if own.spent >= patience_s(self._slowest, self._longest):
                self._over = True
                while self._waiting:
                    self._waiting.pop().reschedule(self._loop.time())
