"""Deadlines that count only the time in which this process ran.

A process that was stopped (SIGSTOP, a frozen container, a debugger) finds all its deadlines passed when it goes on,
although those it waits for had no chance to be heard, and may have been stopped with it. `OwnTime` is pure; `patience`
and `wait_patiently` are what `asyncio.timeout` and `asyncio.wait` are, in own time. A suspended machine needs none of
this: the monotonic clock of Linux stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

STEP_S = 1.0  # between looks at the clock; a wait is at most this much longer than it says
STEPS = 4  # at least, for short waits
NEAR_S = 0.000_001  # clocks are not finer
LATE = 2.0  # steps; a look that comes later than this was late because this process did not run


class OwnTime:
    """Counts the seconds in which this process ran, from looks at a clock every `step` seconds."""

    def __init__(self, now: float, step: float = STEP_S) -> None:
        self.spent = 0.0
        self._last = now
        self._step = step

    def look(self, now: float) -> float:
        """Seconds that were lost since the look before. A late look counts as one step, so a wait always ends."""
        took, self._last = max(0.0, now - self._last), now
        own = self._step if took > LATE * self._step else took
        self.spent += own
        return took - own


class Patience:
    """How long somebody is waited for: `seconds` of own time, and once all of it again after this process was stopped
    (they may have been stopped, too, and begin to run later). Pure."""

    def __init__(self, seconds: float, now: float) -> None:
        self.step = min(STEP_S, seconds / STEPS)
        self._seconds = seconds
        self._time = OwnTime(now, self.step)
        self._renewed = False

    def over(self, now: float) -> bool:
        """Whether the time is over; ask every `step` seconds. Never at the first look after a stop."""
        lost = self._time.look(now)
        if lost and not self._renewed:
            self._renewed, self._time.spent = True, 0.0
        return self._time.spent >= self._seconds - NEAR_S

    def pause(self) -> float:
        """Seconds until the next look."""
        return min(self.step, max(NEAR_S, self._seconds - self._time.spent))


@contextlib.asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`: TimeoutError after so many seconds of own time."""
    loop = asyncio.get_running_loop()
    left = Patience(seconds, loop.time())
    timer: asyncio.TimerHandle | None = None
    async with asyncio.timeout(None) as timeout:

        def look() -> None:
            nonlocal timer
            if left.over(loop.time()):
                timeout.reschedule(loop.time())
            else:
                timer = loop.call_later(left.pause(), look)

        timer = loop.call_later(left.pause(), look)
        try:
            yield
        finally:
            timer.cancel()


async def wait_patiently(
    futures: Iterable[asyncio.Future[Any]], seconds: float | None, return_when: str = asyncio.ALL_COMPLETED
) -> None:
    """As `asyncio.wait` with a timeout of own time; look at the futures for what came."""
    if seconds is None:
        await asyncio.wait(set(futures), return_when=return_when)
        return
    with contextlib.suppress(TimeoutError):
        async with patience(seconds):
            await asyncio.wait(set(futures), return_when=return_when)
