"""Measures processes beside the event loop, and asks what drivers show of them.

Some files of /proc wait for a lock that a process stuck in a driver holds. So measuring has threads of its own, and who
asks waits only so long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from steadycast.model import Measures
from steadycast.tracking.measure import Usage, measure
from steadycast.tracking.pools import filled_pool

THREADS = 2
WAITING = 64  # that measure or wait for a thread; where they are more, threads hang
MEASURE_S = 0.5  # mostly some milliseconds
DRIVER_S = 3.0  # drivers show what a process had for a moment after it ended
DRIVER_LATE_S = 12.0  # for a look to come through at all, on a busy machine
DRIVER_POLL_S = 0.1


class Gauge:
    """Of one control plane. What drivers show is not known until it is told whom to `ask`."""

    def __init__(self) -> None:
        self._usage: Usage | None = None
        self._look: Callable[[], Awaitable[None]] | None = None
        self._mute: Callable[[], bool] | None = None
        self._threads = filled_pool(THREADS, "measures")
        self._busy = 0
        self._closed = False

    def ask(
        self,
        usage: Usage | None,
        look: Callable[[], Awaitable[None]] | None,
        mute: Callable[[], bool] | None = None,
    ) -> None:
        """`usage` says what the last look at the drivers showed of a process, `look` looks anew; None: nobody knows.
        `mute`: whether one that is there did not answer that look."""
        self._usage, self._look, self._mute = usage, look, mute

    def shown(self, pid: int) -> tuple[int | None, int | None]:
        """VRAM and encoder sessions of a process by the last look; None where no driver of this host tells."""
        return (None, None) if self._usage is None else self._usage(pid)

    @property
    def mute(self) -> bool:
        """Whether a driver that is there did not answer, so that nobody knows what it would have told."""
        return self._mute is not None and self._mute()

    async def measure(self, pid: int, objects: Mapping[str, int] | None = None) -> Measures | None:
        """A process now; None where the kernel does not answer in time."""
        if self._closed or self._busy >= WAITING:
            return None
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, partial(measure, pid, self._usage, objects))
        self._busy += 1
        running.add_done_callback(self._done)
        try:
            async with asyncio.timeout(MEASURE_S):
                return await asyncio.shield(running)
        except (TimeoutError, OSError):
            return None

    async def until_released(self, pid: int) -> tuple[int | None, int | None]:
        """VRAM and encoder sessions that the drivers still show of a process that is gone, after at most `DRIVER_S`.

        Only a look that was begun since then tells that: an older one is of the time when the process lived, and the
        first may be one that others had begun. Where there is none within `DRIVER_LATE_S`, it is not known (None).
        """
        began, looks = time.monotonic(), 0
        while True:
            until = began + (DRIVER_S if looks >= 2 else DRIVER_LATE_S)
            looks += await self._look_anew(until - time.monotonic())
            vram, sessions = self.shown(pid) if looks else (None, None)
            if looks and not vram and not sessions:
                return vram, sessions
            if time.monotonic() >= began + (DRIVER_S if looks >= 2 else DRIVER_LATE_S):
                return (vram, sessions) if looks >= 2 else (None, None)
            await asyncio.sleep(DRIVER_POLL_S)

    def close(self) -> None:
        """Measure no more; what hangs is left behind."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_anew(self, seconds: float) -> bool:
        """Whether it came through in time; also where there is nothing to look at."""
        if self._look is None:
            return True
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._look()
        except TimeoutError:
            return False
        return True

    def _done(self, running: asyncio.Future[Measures]) -> None:
        self._busy -= 1
        if not running.cancelled():
            running.exception()  # heard, also where nobody waits any more
