"""The owner of one lobby: starts it, starts it again when its source or workers are lost, ends it, and says so."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import ConflictError, RefusedError
from steadycast.lifecycle import LEAVING
from steadycast.lobbies.announcing import Announcer
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.breaker import Breaker
from steadycast.lobbies.changing import Changing
from steadycast.lobbies.crossing import Crossed
from steadycast.lobbies.diary import Diary
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.failure import Failure
from steadycast.lobbies.feed import Failed
from steadycast.lobbies.feeds import Feeds
from steadycast.lobbies.replacing import Replacing
from steadycast.lobbies.retry import Loss, LossKind
from steadycast.lobbies.stage import Display, Stage
from steadycast.lobbies.staging import Staging, StagingParts
from steadycast.lobbies.standing import Standing
from steadycast.lobbies.views import Recycled
from steadycast.model import LobbyState, Receipt, RecycleCause
from steadycast.patience import patience

log = structlog.get_logger("lobby")

TracksFailed = Callable[["Lobby", tuple[Failed, ...]], None]


class Lobby:
    """One lobby. Its life is one task from `start` to `end`. `stage` is there only while it shows."""

    def __init__(
        self,
        id: str,
        request: LobbySettings,
        diary: Diary,
        parts: StagingParts,
        events: EventLog,
        tracks_failed: TracksFailed,
    ) -> None:
        self.id = id
        self._asked = Asked(request)
        self._says = Announcer(id, self._asked, events)
        self.created = diary.created
        self._standing = Standing(self._says, diary)
        self.failure: Failure | None = None
        self.stage: Stage | None = None
        self.restarts = 0  # tries to bring it back
        self.crashes = 0  # workers that were lost
        self.generation = 0  # workers that showed it
        self._cannot_show = partial(tracks_failed, self)
        self.feeds = Feeds(id, self._asked, parts.settings, parts.encoding, self._cannot_show, self._says.track)
        self._settings: HostSettings = parts.settings
        self._breaker = Breaker(id, parts.settings, diary)
        self._stopping: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._staging = Staging(id, self._asked, parts, self._stopping)
        self.replacing = Replacing(id, self._staging, self.feeds, events, self._turned)
        self._changing = Changing(self._asked, self.feeds, self._cannot_show, self._renew_source)
        self._hurry = asyncio.Event()
        self._latched = diary.breaker.latched  # by a former host: only a person ends that
        self._life: asyncio.Task[None] | None = None

    @property
    def request(self) -> LobbySettings:
        """What it was asked to be, as it stands now."""
        return self._asked.request

    @property
    def state(self) -> LobbyState:
        """Where it is in its life."""
        return self._standing.state

    @property
    def since(self) -> float:
        """When it entered its state, Unix seconds."""
        return self._standing.since

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes."""
        return self._staging.pids

    @property
    def leaving(self) -> bool:
        """Whether it ends or has ended."""
        return self.state in LEAVING

    def start(self) -> None:
        """Begin its life."""
        self._says.state(self.state)
        self._standing.move(LobbyState.STARTING)
        self._begin()

    def adopt(self, display: Display | None, stage: Stage | None) -> None:
        """Begin its life with what is there already: what shows is shown from now on, and what was latched stays so."""
        self._staging.adopt(display, stage)
        if stage is not None and stage.shows.done() and stage.works:
            self.stage, self._latched = stage, None
            self._standing.go_on(LobbyState.STREAMING, "its workers were found")
        elif self._latched is not None:
            self.failure = self._latched
            self._staging.strike("its lobby is latched")
            self._standing.go_on(LobbyState.DEGRADED, self._latched.why())
        else:
            self._standing.move(LobbyState.STARTING)
        self._begin()

    async def recycle(self, cause: RecycleCause) -> Recycled:
        """Replace its worker by another one; viewers stay. Answers when the one before is gone. A lobby that does not
        stream is tried again now. Raises SteadycastError where it did not work; nothing changed then."""
        self.refuse_if_leaving()
        if self.state is LobbyState.DEGRADED:
            began = time.monotonic()
            await self.try_now()
            new, why = (await self.ready()).worker.id, "It did not stream, and was tried again."
            return Recycled(self.id, cause, time.monotonic() - began, False, why, None, new, None)
        return await self.replacing.replace(self.stage, cause)

    async def restart(self) -> None:
        """A person says that it shall be tried again: what was is forgiven. Returns when it shows, or it is clear again
        why not; a lobby that streams, or starts, is left as it is. Raises ConflictError when it ends."""
        self.refuse_if_leaving()
        if self.state is not LobbyState.DEGRADED:
            return
        self._breaker.reset()
        self._says.restarted("a person said so")
        if self._life is None or self._life.done():  # after a fault of the host
            self._begin()
        await self.try_now()

    async def change(self, request: LobbySettings) -> tuple[str, ...]:
        """Go on as this request says, which must be vetted; answers with what was done, for a person. Viewers stay
        wherever what they watch is still there. Raises SteadycastError: all is as before."""
        self.refuse_if_leaving()
        done = await self._changing.change(request)
        self._says.changed(self.state, done)
        return done

    async def try_now(self) -> None:
        """Start it again now, where it waits for that; returns when it shows, or it is clear again why not."""
        failure = self.failure
        self._hurry.set()
        with contextlib.suppress(TimeoutError):
            async with patience(self._settings.workers.source_s + self._settings.workers.start_s):
                while self.state is LobbyState.DEGRADED and self.failure is failure:
                    await self._standing.changes()

    async def ready(self) -> Stage:
        """What it streams from. Waits while it starts, or is started again after a fault of ours.

        Raises SourceError in the words of the source, ConflictError when it ends, RefusedError after `source_s`.
        """
        seconds = self._settings.workers.source_s
        try:
            async with patience(seconds):
                while self.stage is None or not self.stage.works or self.leaving:
                    self._refuse_if_down()
                    await self._standing.changes()
                return self.stage
        except TimeoutError:
            what = f"The lobby does not show anything after {seconds:g} s."
            raise RefusedError("lobby.not_streaming", what, hint="Look at its state.", retry_after=2) from None

    def drain(self, why: str) -> None:
        """Take no new viewers, and do not start again."""
        self._standing.move(LobbyState.DRAINING, why)
        self._stopping.set_result(why)

    async def end(self, cause: str) -> tuple[Receipt, ...]:
        """End everything; the viewers must be gone and `drain` called. Answers with the receipts when all is gone."""
        self._standing.move(LobbyState.ENDING, cause)
        await self.replacing.stop()
        await self.feeds.close()
        if self._life is not None:
            await self._life
        self.stage = None
        self.feeds.stage_lost()
        receipts = await self._staging.end(cause)
        await self.feeds.ended()
        unclean = [receipt.id for receipt in receipts if not receipt.clean]
        if unclean:
            self._standing.move(LobbyState.CLEANUP_INCOMPLETE, f"see receipts {', '.join(unclean)}")
        else:
            self._standing.move(LobbyState.DESTROYED, cause)
        return receipts

    def refuse_if_leaving(self) -> None:
        """Raise ConflictError when it ends."""
        if self.leaving:
            raise ConflictError("lobby.ending", "The lobby ends.", hint="Try again when it is gone.")

    def _begin(self) -> None:
        self._life = asyncio.create_task(self._live_or_say(), name=f"lobby {self.id}")

    async def _live_or_say(self) -> None:
        try:
            await self._live()
        except Exception:  # the edge of the room: a fault in one lobby must be seen there, and hurt no other
            log.exception("lobby failed", lobby=self.id)
            if not self.leaving:
                self.stage = None
                self._degrade(Loss(LossKind.FINAL, "host.fault", "an error of the host itself", hint="See its log."))

    async def _live(self) -> None:
        if self._latched is not None:
            self._latched = None
            await self._pause(None)
            self.restarts += 1
        while not self._stopping.done():
            source = self.request.source
            shown = await self._staging.show()
            if source != self.request.source and not self._stopping.done():
                self._staging.strike("its source changed")
                continue
            if isinstance(shown, Stage):
                shown = await self._stream(shown)
            if shown is None or self._stopping.done():
                return  # `end` parts with the rest
            self.stage = None
            self.feeds.stage_lost()
            self._staging.strike(shown.what)
            await self._pause(self._degrade(shown))
            self.restarts += 1

    async def _stream(self, stage: Stage) -> Loss | None:
        """From the moment it shows until it is lost; None when the lobby ends."""
        self.stage, self.failure = stage, None
        if self.state is not LobbyState.STREAMING:  # an adopted one is shown from the first moment
            self._standing.move(LobbyState.STREAMING)
        self.generation += 1
        renewing = asyncio.create_task(self._renew(stage), name=f"tracks of {self.id}")
        while (lost := await self._staging.until_lost()) is not None and await self.replacing.saved():
            self.crashes += 1
            log.warning("lost, and another one took over", lobby=self.id, code=lost.code, what=lost.what)
        renewing.cancel()
        await asyncio.wait({renewing})
        return lost

    async def _renew_source(self) -> str:
        """Show what is asked for now."""
        await self.replacing.over()
        if self.state is LobbyState.STREAMING:
            await self.replacing.replace(self.stage, RecycleCause.CONFIG)
            return "source, from another worker"
        self._hurry.set()
        return "source, tried at once"

    async def _pause(self, seconds: float | None) -> None:
        """Until it is tried again, or somebody says that it shall be now, or it ends."""
        self._hurry.clear()
        hurried = asyncio.ensure_future(self._hurry.wait())
        waiting: set[asyncio.Future[Any]] = {self._stopping, hurried}
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()

    def _turned(self, stage: Stage, crossed: Crossed) -> None:
        """Another worker took over."""
        self.stage = stage
        self.generation += 1
        if crossed.lost:
            self._cannot_show(crossed.lost)
        self._standing.wake()

    async def _renew(self, stage: Stage) -> None:
        failed = await self.feeds.stage_shows(stage)
        if failed and stage.works:
            self._cannot_show(failed)
        await self._breaker.prove(lambda: self.stage)

    def _degrade(self, lost: Loss) -> float | None:
        """Say why it does not show. Seconds until it is tried again; None: not by itself."""
        self.crashes += lost.kind is LossKind.WORKER
        before = self.failure
        self.failure, wait = self._breaker.lost(lost)
        was_down = self.state is LobbyState.DEGRADED
        self._says.lost(self.failure, was_down and (before is None or before.why() != self.failure.why()))
        if not was_down:
            self._standing.move(LobbyState.DEGRADED, self.failure.why(), lost.code)
        if self.failure.latched:
            self._says.latched(self.failure)
        self._standing.wake()
        return wait

    def _refuse_if_down(self) -> None:
        self.refuse_if_leaving()
        if self.failure is not None and (refusal := self.failure.refusal(time.time())) is not None:
            raise refusal
