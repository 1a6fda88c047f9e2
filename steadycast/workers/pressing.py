"""Knows the host's memory: what is free, what encoders took. Tells the pools how short it is: at once when it gets
worse, after a while when it gets better."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from steadycast.leases.memory_seen import MemorySeen
from steadycast.leases.pools import Pools, Pressure, host_pressure
from steadycast.tracking.strain import Strain, look
from steadycast.workers.lasting import lasting

log = structlog.get_logger("pools")

LOOK_S = 5.0
DEADLINE_S = 2.0  # of a look; one that hangs tells nothing
RELAX_S = 60.0  # so long it must be better: else what is ended now is started again a moment later


class Relaxing:
    """The pressure that counts, of the pressure that is seen. Pure."""

    def __init__(self) -> None:
        self.level = Pressure.LOW
        self._worst = Pressure.LOW  # seen since it began to be better
        self._better: float | None = None  # since when

    def see(self, seen: Pressure, now: float) -> Pressure:
        """What counts now."""
        if seen >= self.level:
            self.level, self._better = seen, None
        elif self._better is None:
            self._better, self._worst = now, seen
        else:
            self._worst = max(self._worst, seen)
            if now - self._better >= RELAX_S:
                self.level, self._better = self._worst, None
        return self.level


class Pressing:
    """Looks as long as it runs."""

    def __init__(self, pools: Pools, threads: Executor, see: Callable[[], Strain] = look) -> None:
        self._pools = pools
        self._threads = threads
        self._see = see
        self._relaxing = Relaxing()
        self.seen = MemorySeen()  # what encoders in software took
        self.free: int | None = None  # bytes of memory by the last look; None: not known
        self._task: asyncio.Task[None] | None = None

    @property
    def left(self) -> int | None:
        """Bytes that may be used, a twentieth kept back; None where that is not known."""
        return None if self.free is None else self.free - self.free // 20

    def begin(self) -> None:
        """Look from now on."""
        self._task = lasting(self._run(), "pressure on pools")

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        looking: asyncio.Future[Strain] | None = None
        while True:
            if looking is None:  # one that hangs holds a thread until it comes back: no other is begun beside it
                looking = asyncio.get_running_loop().run_in_executor(self._threads, self._see)
            await asyncio.wait({looking}, timeout=DEADLINE_S)
            if looking.done():
                strain, looking = looking.result(), None
                self.free = strain.free
                self._tell(host_pressure(strain.stalled, *strain.full), strain)
            else:
                self.free = None
                log.warning("the host's memory cannot be looked at in time", seconds=DEADLINE_S)
            await asyncio.sleep(LOOK_S)

    def _tell(self, seen: Pressure, strain: Strain) -> None:
        before, now = self._relaxing.level, time.monotonic()
        level = self._relaxing.see(seen, now)
        if level is not before:
            log.info("pressure", level=level.name.lower(), stalled=strain.stalled, full=strain.full)
        self._pools.press(level, now)
