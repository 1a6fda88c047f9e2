"""The owner of one lobby: starts it, starts it again when its source or workers are lost, ends it, and says so."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import ConflictError, RefusedError, SourceError
from steadycast.lifecycle import LEAVING, LOBBY, check_move
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.feed import Failed
from steadycast.lobbies.feeds import Feeds
from steadycast.lobbies.retry import Loss, LossKind, Past, Retry, RetryPolicy, after_loss
from steadycast.lobbies.stage import Stage
from steadycast.lobbies.staging import Staging, StagingParts
from steadycast.model import LobbyState, Receipt

log = structlog.get_logger("lobby")

TracksFailed = Callable[["Lobby", tuple[Failed, ...]], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a lobby is DEGRADED. `retry_at`: when it is tried again (Unix seconds); None: not by itself."""

    loss: Loss
    retry_at: float | None
    latched: str | None

    def why(self) -> str:
        """For a person."""
        words = self.loss.what if self.loss.why is None else f"{self.loss.what}: {self.loss.why}"
        return words if self.latched is None else f"{words} ({self.latched})"


class Lobby:
    """One lobby. Its life is one task from `start` to `end`. `stage` is there only while it shows."""

    def __init__(
        self,
        id: str,
        request: LobbySettings,
        created: float,
        parts: StagingParts,
        events: EventLog,
        tracks_failed: TracksFailed,
    ) -> None:
        self.id = id
        self._asked = Asked(request)
        self.created = self.since = created
        self.state = LobbyState.CREATED
        self.failure: Failure | None = None
        self.stage: Stage | None = None
        self.restarts = 0
        self.feeds = Feeds(id, self._asked, parts.settings, parts.encoding, self._cannot_show)
        self._settings: HostSettings = parts.settings
        self._events = events
        self._tracks_failed = tracks_failed
        self._past = Past()
        self._stopping: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._staging = Staging(id, self._asked, parts, self._stopping)
        self._moved = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._say()

    @property
    def request(self) -> LobbySettings:
        """What it was asked to be, as it stands now."""
        return self._asked.request

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
        self._move(LobbyState.STARTING)
        self._life = asyncio.create_task(self._live_or_say(), name=f"lobby {self.id}")

    async def ready(self) -> Stage:
        """What it streams from. Waits while it starts, or is started again after a fault of ours.

        Raises SourceError in the words of the source, ConflictError when it ends, RefusedError after `source_s`.
        """
        seconds = self._settings.workers.source_s
        try:
            async with asyncio.timeout(seconds):
                while self.stage is None or not self.stage.works or self.leaving:
                    self._refuse_if_down()
                    await self._moved.wait()
                return self.stage
        except TimeoutError:
            what = f"The lobby does not show anything after {seconds:g} s."
            raise RefusedError("lobby.not_streaming", what, hint="Look at its state.", retry_after=2) from None

    def drain(self, why: str) -> None:
        """Take no new viewers, and do not start again."""
        self._move(LobbyState.DRAINING, why)
        self._stopping.set_result(why)

    async def end(self, cause: str) -> tuple[Receipt, ...]:
        """End everything; the viewers must be gone and `drain` called. Answers with the receipts when all is gone."""
        self._move(LobbyState.ENDING, cause)
        await self.feeds.close()
        if self._life is not None:
            await self._life
        self.stage = None
        self.feeds.stage_lost()
        receipts = await self._staging.end(cause)
        await self.feeds.ended()
        unclean = [receipt.id for receipt in receipts if not receipt.clean]
        if unclean:
            self._move(LobbyState.CLEANUP_INCOMPLETE, f"see receipts {', '.join(unclean)}")
        else:
            self._move(LobbyState.DESTROYED, cause)
        return receipts

    def refuse_if_leaving(self) -> None:
        """Raise ConflictError when it ends."""
        if self.leaving:
            raise ConflictError("lobby.ending", "The lobby ends.", hint="Try again when it is gone.")

    async def _live_or_say(self) -> None:
        try:
            await self._live()
        except Exception:  # the edge of the room: a fault in one lobby must be seen there, and hurt no other
            log.exception("lobby failed", lobby=self.id)
            if not self.leaving:
                self.stage = None
                hint = "Delete the lobby and create it again; the host's log has the details."
                self._degrade(Loss(LossKind.FINAL, "host.fault", "an error of the host itself", hint=hint))

    async def _live(self) -> None:
        while not self._stopping.done():
            shown = await self._staging.show()
            if isinstance(shown, Stage):
                shown = await self._stream(shown)
            if shown is None or self._stopping.done():
                return  # `end` parts with the rest
            self.stage = None
            self.feeds.stage_lost()
            self._staging.strike(shown.what)
            retry = self._degrade(shown)
            wait = None if retry.at is None else max(0.0, retry.at - time.monotonic())
            await asyncio.wait({self._stopping}, timeout=wait)
            self.restarts += 1

    async def _stream(self, stage: Stage) -> Loss | None:
        """From the moment it shows until it is lost; None when the lobby ends."""
        self.stage, self.failure = stage, None
        self._move(LobbyState.STREAMING)
        renewing = asyncio.create_task(self._renew(stage), name=f"tracks of {self.id}")
        lost = await self._staging.until_lost()
        renewing.cancel()
        await asyncio.wait({renewing})
        return lost

    async def _renew(self, stage: Stage) -> None:
        failed = await self.feeds.stage_shows(stage)
        if failed and stage.works:
            self._cannot_show(failed)

    def _cannot_show(self, failed: tuple[Failed, ...]) -> None:
        self._tracks_failed(self, failed)

    def _degrade(self, lost: Loss) -> Retry:
        now = time.monotonic()
        workers = self._settings.workers
        policy = RetryPolicy(self._settings.sources.rtsp_backoff_s, workers.restarts, workers.restart_window_s)
        retry = after_loss(lost, self._past, policy, now, random.random())
        self._past = retry.past
        at = None if retry.at is None else time.time() + max(0.0, retry.at - now)
        before, self.failure = self.failure, Failure(lost, at, retry.why)
        log.warning("lost", lobby=self.id, code=lost.code, what=lost.what, why=lost.why, retry_at=at)
        if self.state is not LobbyState.DEGRADED:
            self._move(LobbyState.DEGRADED, self.failure.why(), lost.code)
        elif before is None or before.why() != self.failure.why():
            self._events.publish("lobby", "lobby.changed", lobby=self.id, why=self.failure.why())
        self._wake()
        return retry

    def _refuse_if_down(self) -> None:
        self.refuse_if_leaving()
        failure = self.failure
        if failure is None or (failure.loss.kind is LossKind.WORKER and failure.retry_at is not None):
            return
        lost = failure.loss
        wait = None if failure.retry_at is None else max(1.0, failure.retry_at - time.time())
        hint = lost.hint or (None if wait else "Delete the lobby and create it again when this is put right.")
        raise SourceError(lost.code, lost.what, why=lost.why or failure.latched, hint=hint, retry_after=wait)

    def _move(self, state: LobbyState, why: str | None = None, code: str | None = None) -> None:
        check_move(LOBBY, self.state, state)
        self.state, self.since = state, time.time()
        self._say(why, code)
        self._wake()

    def _say(self, why: str | None = None, code: str | None = None) -> None:
        log.info("lobby", lobby=self.id, key=self.request.key, state=self.state.value, why=why)
        data = {"key": self.request.key, "name": self.request.name, "state": self.state.value, "code": code}
        self._events.publish("lobby", f"lobby.{self.state.value}", lobby=self.id, why=why, data=data)

    def _wake(self) -> None:
        """Wake all who wait for a change."""
        self._moved.set()
        self._moved = asyncio.Event()
