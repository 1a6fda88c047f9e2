"""Asks whether media works here at all: a throw-away child builds and plays a tiny pipeline and says how it went.

One child at a time, and its answer is kept for some seconds, so that asking often costs little.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from steadycast.workers.throwaway import ask

CHILD = (sys.executable, "-m", "steadycast.workers.canary_child")
DEADLINE_S = 20.0  # a first start on a slow machine also writes the GStreamer registry
FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """How it went: `why` where it did not, and what the child told. `at` is Unix seconds, `took_s` seconds."""

    ok: bool
    why: str | None
    at: float
    took_s: float
    told: dict[str, Any] = field(default_factory=dict)


class Canary:
    """Runs the child when asked and its last answer is old."""

    def __init__(
        self,
        command: Sequence[str] = CHILD,
        deadline_s: float = DEADLINE_S,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._command = tuple(command)
        self._deadline_s = deadline_s
        self._fresh_s = fresh_s
        self._clock = clock
        self._running: asyncio.Task[CanaryResult] | None = None
        self._last: CanaryResult | None = None

    async def look(self) -> CanaryResult:
        """The last answer if it is fresh, else a new one; everybody who asks meanwhile waits for the same child."""
        if self._last is not None and self._clock() - self._last.at < self._fresh_s:
            return self._last
        if self._running is None:
            self._running = asyncio.create_task(self._look())
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """End the child that may be running."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _look(self) -> CanaryResult:
        began = self._clock()
        try:
            ending = await ask(self._command, self._deadline_s)
            ended = self._clock()
            self._last = CanaryResult(ending.why is None, ending.why, ended, ended - began, ending.told)
            return self._last
        finally:
            self._running = None
