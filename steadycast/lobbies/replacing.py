"""Replaces the worker of a lobby that streams: a second one is brought up, all tracks cross to it, the first one ends.

Viewers stay. Whatever fails on the way, the first one goes on and the second one ends. Where the first one is lost
meanwhile, the second takes over if it shows already. The end of the lobby wins over it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import structlog

from steadycast.errors import ConflictError, SteadycastError, WorkerError
from steadycast.lobbies.crossing import Crossed
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.feeds import Feeds
from steadycast.lobbies.stage import Stage
from steadycast.lobbies.staging import Staging
from steadycast.lobbies.views import Recycled
from steadycast.model import Receipt, RecycleCause

log = structlog.get_logger("lobby")

SEAMLESS = "seamless"
PAUSED = "paused"
FAILED = "failed"
OUTCOMES = (SEAMLESS, PAUSED, FAILED)


class Replacing:
    """Of one lobby, one at a time. `turned` hears of the stage that took over, with how the tracks crossed."""

    def __init__(
        self, lobby: str, staging: Staging, feeds: Feeds, events: EventLog, turned: Callable[[Stage, Crossed], None]
    ) -> None:
        self.done: Counter[tuple[str, str]] = Counter()  # by cause and outcome
        self._lobby = lobby
        self._staging = staging
        self._feeds = feeds
        self._events = events
        self._turned = turned
        self._running: asyncio.Task[Recycled] | None = None
        self._warm = False  # what shall take over shows
        self._over = False  # it took over: only the end of the one before is waited for

    @property
    def succeeded(self) -> int:
        """How many workers were replaced."""
        return sum(count for (_, how), count in self.done.items() if how != FAILED)

    @property
    def running(self) -> bool:
        """Whether a worker is being replaced now."""
        return self._running is not None

    async def replace(self, old: Stage | None, cause: RecycleCause) -> Recycled:
        """Replace the worker behind `old`; answers when that is gone. One that is under way is joined.

        Raises SteadycastError: nothing changed then.
        """
        if old is None or not old.works:
            what = "The lobby starts just now."
            raise ConflictError("lobby.not_streaming", what, hint="Its worker is new: there is nothing to replace.")
        if self._running is None:
            name = f"replacement of the worker of {self._lobby}"
            self._running = asyncio.get_running_loop().create_task(self._replace_or_say(old, cause), name=name)
            self._running.add_done_callback(self._ended)
        running = self._running
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if not running.cancelled():
                raise
            raise WorkerError("lobby.ending", "It was not replaced: the lobby ends, or lost its worker.") from None

    async def saved(self) -> bool:
        """The worker is lost: whether another one that showed already takes over. One that does not show is given up;
        one that took over before is the one that is lost."""
        if self._running is None or not self._warm or self._over:
            await self.stop()
            return False
        running = self._running
        await asyncio.wait({running})
        return not running.cancelled() and running.exception() is None

    async def over(self) -> None:
        """Wait until nothing is under way."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def stop(self) -> None:
        """Give up what is under way. What took over already goes its way: the end of the one before comes by itself."""
        if self._running is not None and not self._over:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _replace_or_say(self, old: Stage, cause: RecycleCause) -> Recycled:
        began = time.monotonic()
        self._say("lobby.recycling", cause, None, {})
        try:
            new, crossed, ending = await self._take_over(old, cause)
        except BaseException as error:
            self._staging.drop("it does not take over")
            self._tell(cause, began, FAILED, _words(error))
            raise
        self._over = True
        why = f"no encoder was free beside that of {', '.join(crossed.paused)}" if crossed.paused else None
        self._tell(cause, began, PAUSED if crossed.paused else SEAMLESS, why)
        receipt = await asyncio.shield(ending)
        took = time.monotonic() - began
        names = old.worker.id, new.worker.id
        return Recycled(self._lobby, cause, round(took, 3), not crossed.paused, why, *names, receipt)

    async def _take_over(self, old: Stage, cause: RecycleCause) -> tuple[Stage, Crossed, asyncio.Task[Receipt | None]]:
        """What took over, how the tracks crossed to it, and the end of the one before."""
        new = await self._staging.prepare()
        self._warm = True
        crossed = await self._feeds.cross(old, new)
        if not crossed.done:
            what = "The worker was not replaced; the one before goes on."
            raise WorkerError("recycle.failed", what, why=crossed.why, retry_after=5)
        ending = self._staging.turn(f"recycled: {cause.value}")
        self._turned(new, crossed)
        return new, crossed, ending

    def _tell(self, cause: RecycleCause, began: float, how: str, why: str | None) -> None:
        self.done[cause.value, how] += 1
        took = round(time.monotonic() - began, 3)
        self._say("lobby.recycled", cause, why, {"took_s": took, "how": how})

    def _say(self, name: str, cause: RecycleCause, why: str | None, data: dict[str, object]) -> None:
        log.info(name, lobby=self._lobby, cause=cause.value, why=why, **data)
        self._events.publish("lobby", name, lobby=self._lobby, why=why, data={"cause": cause.value, **data})

    def _ended(self, task: asyncio.Task[Recycled]) -> None:
        self._running, self._warm, self._over = None, False, False
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, SteadycastError):
            log.error("a replacement failed", lobby=self._lobby, exc_info=error)


def _words(error: BaseException) -> str:
    if not isinstance(error, SteadycastError):
        return "it was given up"
    return error.what if error.why is None else f"{error.what} {error.why}"
