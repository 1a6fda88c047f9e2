"""Brings up what a lobby runs on, waits until it is lost, and parts with it: one for each lobby."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import ConflictError, SourceError, SteadycastError, WorkerError
from steadycast.lobbies import loss
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.push_view import heir_of
from steadycast.lobbies.retry import Loss, LossKind
from steadycast.lobbies.rules import command_of
from steadycast.lobbies.seats import Encoding
from steadycast.lobbies.stage import Display, Holder, Stage
from steadycast.model import DesktopSource, Receipt, Source
from steadycast.patience import wait_patiently
from steadycast.workers.supervisor import Supervisor

log = structlog.get_logger("lobby")

# When a display ends, the lobby worker that captures it fails too; its own words come at most this much later.
DISPLAY_WORDS_S = 0.5
ENDINGS = 2  # workers of one lobby that may still be ending when the next one is started


@dataclass(frozen=True, slots=True)
class StagingParts:
    """What is needed to start workers. `vet` looks at what a request names (files, addresses); raises CallerError.
    `encoding` says who may encode where."""

    settings: HostSettings
    supervisor: Supervisor
    vet: Callable[[LobbySettings], Awaitable[None]]
    encoding: Encoding


class Staging:
    """The display and the stage of a lobby. `stopping` resolves when the lobby ends: every wait gives up then."""

    def __init__(self, lobby: str, asked: Asked, parts: StagingParts, stopping: asyncio.Future[str]) -> None:
        self._lobby = lobby
        self._asked = asked
        self._parts = parts
        self._stopping = stopping
        self._display: Display | None = None
        self._stage: Stage | None = None
        self._next: Stage | None = None  # what shall take over, with its display where that is another one
        self._next_display: Display | None = None
        self._left: tuple[Source, float | None] | None = None  # the source that was lost, and where it was
        self._turned: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._endings: dict[asyncio.Task[Receipt | None], Holder] = {}
        self._receipts: list[Receipt] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes that are there now, those that are ending included."""
        holders = (*self._held(), *self._endings.values())
        return tuple(holder.pid for holder in holders if holder.pid is not None)

    def adopt(self, display: Display | None, stage: Stage | None) -> None:
        """Go on with what is there already; `show` brings up the rest."""
        self._display, self._stage = display, stage

    async def show(self) -> Stage | Loss | None:
        """Bring up a stage that shows; else why not; None when the lobby ends."""
        if self._stage is not None:  # of a former control plane
            return await self._shown(self._stage)
        await self._ended(ENDINGS)
        source = self._asked.request.source
        stage = self._new_stage(source)
        try:
            await self._parts.vet(self._asked.request)
            display = None
            if isinstance(source, DesktopSource):
                display = await self._keep_display(source)
            if self._stopping.done():
                return None
            self._stage = stage
            await stage.start(*(() if display is None else (display.name, display.xauthority)))
        except SteadycastError as error:
            if error.code == "worker.gone":  # how it ended says more, and is told when its receipt is there
                await self._wait(set(), self._parts.settings.workers.kill_s)
            if (lost := self._lost()) is None:
                lost = loss.of_error(error, source)
                stage.lose(lost)
            return await self._display_words(lost)
        return await self._shown(stage)

    async def _shown(self, stage: Stage) -> Stage | Loss | None:
        seconds = self._parts.settings.workers.source_s
        await self._wait({stage.shows}, seconds)
        if self._stopping.done():
            return None
        if lost := self._lost():
            return await self._display_words(lost)
        return stage if stage.shows.done() else _silent(stage, seconds)

    async def until_lost(self) -> Loss | None:
        """Wait until what `show` brought up is lost; None when the lobby ends."""
        began = time.monotonic()
        while not self._stopping.done():
            if (lost := self._lost()) is None:
                await self._wait({self._turned}, None)
                continue
            words = await self._display_words(lost)
            if self._lost() is not None:  # else another one took over meanwhile
                return None if self._stopping.done() else words.after(time.monotonic() - began)
        return None

    def strike(self, cause: str) -> None:
        """Part with what is lost. A display lives on when only the lobby worker in front of it died."""
        stage, display = self._stage, self._display
        if display is not None and (display.lost.done() or (stage is not None and stage.source_failed)):
            self._part_with(display, cause, hung=stage is not None and stage.hung)  # the X server, say
            self._display = None
        if stage is not None:
            self._left = stage.source, stage.goes_on
            self._part_with(stage, cause)
            self._stage = None

    async def prepare(self) -> Stage:
        """Bring up a second stage that shows, for `turn`; on the same display, where the request leaves that as it is.
        Raises SteadycastError; nothing of it is left then."""
        source = self._asked.request.source
        stage = self._new_stage(source)
        try:
            await self._ended(ENDINGS)
            await self._parts.vet(self._asked.request)
            display = await self._display_for(source) if isinstance(source, DesktopSource) else None
            self._refuse_if_stopping()
            self._next = stage
            await stage.start(*(() if display is None else (display.name, display.xauthority)))
            await self._until_shown(stage, display)
        except BaseException as error:
            if isinstance(error, SteadycastError):
                stage.lose(loss.of_error(error, source))
            self.drop("it does not take over")
            raise
        return stage

    def drop(self, cause: str) -> None:
        """Part with what was prepared; harmless where there is nothing."""
        for holder in (self._next, self._next_display):
            if holder is not None:
                self._part_with(holder, cause)
        self._next = self._next_display = None

    def turn(self, cause: str) -> asyncio.Task[Receipt | None]:
        """Go on with what was prepared, and part with what was there; the end of the worker before."""
        old, self._stage, self._next = self._stage, self._next, None
        assert old is not None and self._stage is not None
        source = self._stage.source
        if self._display is not None and (self._next_display is not None or not isinstance(source, DesktopSource)):
            self._part_with(self._display, cause)
            self._display = None
        if self._next_display is not None:
            self._display, self._next_display = self._next_display, None
        self._turned.set_result(None)
        self._turned = asyncio.get_running_loop().create_future()
        return self._part_with(old, cause)

    async def end(self, cause: str) -> tuple[Receipt, ...]:
        """Part with everything and wait until it is gone; all receipts of this lobby since the host started."""
        for holder in self._held():
            self._part_with(holder, cause)
        self._stage = self._display = self._next = self._next_display = None
        await self._ended(0)
        return tuple(self._receipts)

    def _held(self) -> tuple[Holder, ...]:
        holders = (self._display, self._stage, self._next_display, self._next)
        return tuple(holder for holder in holders if holder is not None)

    async def _keep_display(self, source: DesktopSource) -> Display:
        if self._display is not None and not same_display(self._display.source, source):
            self._part_with(self._display, "its lobby was changed")
            self._display = None
        if self._display is None:
            self._display = self._new_display(source)
            await self._raise(self._display)
        return self._display

    async def _display_for(self, source: DesktopSource) -> Display:
        """The one that is there, or another one where what it shows is another."""
        there = self._display
        if there is not None and not there.lost.done() and same_display(there.source, source):
            return there
        self._next_display = self._new_display(source)
        await self._raise(self._next_display)
        return self._next_display

    def _new_stage(self, source: Source) -> Stage:
        """One that goes on with the source where it is, or was when it was lost."""
        stage = Stage(self._lobby, source, self._parts.supervisor, self._parts.settings)
        left = self._left if self._stage is None else (self._stage.source, self._stage.goes_on)
        if left is not None and left[0] == source:
            stage.began = left[1]
        if self._stage is not None:
            stage.heir_of = heir_of(self._stage.source, self._stage.pushed, source)
        return stage

    def _new_display(self, source: DesktopSource) -> Display:
        return Display(self._lobby, source, self._parts.supervisor, self._parts.settings)

    async def _raise(self, display: Display) -> None:
        source = display.source
        assert isinstance(source, DesktopSource)
        command = command_of(source, self._parts.settings)
        try:
            await display.start(command, source.width, source.height)
        except SteadycastError as error:
            display.lose(loss.of_error(error, source))
            raise

    async def _until_shown(self, stage: Stage, display: Display | None) -> None:
        seconds = self._parts.settings.workers.source_s
        waiting: set[asyncio.Future[Any]] = {stage.shows, stage.lost, self._stopping}
        if display is not None:
            waiting.add(display.lost)
        await wait_patiently(waiting, seconds, asyncio.FIRST_COMPLETED)
        self._refuse_if_stopping()
        for holder in (display, stage):
            if holder is not None and holder.lost.done():
                raise _error_of(holder.lost.result())
        if not stage.shows.done():
            raise _error_of(_silent(stage, seconds))

    def _refuse_if_stopping(self) -> None:
        if self._stopping.done():
            raise ConflictError("lobby.ending", "The lobby ends.", hint="Try again when it is gone.")

    async def _display_words(self, lost: Loss) -> Loss:
        display = self._display
        if display is None or display.lost.done() or self._stage is None or not self._stage.source_failed:
            return lost
        waiting: set[asyncio.Future[Any]] = {display.lost, self._stopping}
        await asyncio.wait(waiting, timeout=DISPLAY_WORDS_S, return_when=asyncio.FIRST_COMPLETED)
        return display.lost.result() if display.lost.done() else lost

    def _lost(self) -> Loss | None:
        for holder in (self._display, self._stage):
            if holder is not None and holder.lost.done():
                return holder.lost.result()
        return None

    async def _wait(self, also: set[asyncio.Future[Any]], seconds: float | None) -> None:
        waiting = (
            {holder.lost for holder in (self._display, self._stage) if holder is not None} | {self._stopping} | also
        )
        await wait_patiently(waiting, seconds, asyncio.FIRST_COMPLETED)

    def _part_with(self, holder: Holder, cause: str, *, hung: bool = False) -> asyncio.Task[Receipt | None]:
        task = asyncio.create_task(
            holder.end(cause, hung=hung), name=f"end of {holder.kind.value} worker of {self._lobby}"
        )
        self._endings[task] = holder
        return task

    async def _ended(self, left: int) -> None:
        """Wait until at most so many are still ending. Each is bounded by the ladder's deadlines."""
        while len(self._endings) > left:
            done, _ = await asyncio.wait(self._endings, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                is_mine = self._endings.pop(task, None) is not None  # not of another who waits
                if is_mine and (receipt := task.result()) is not None:
                    self._receipts = [*self._receipts[-15:], receipt]


def same_display(before: Source, after: DesktopSource) -> bool:
    """Whether a display that was made for one source does for another: size and program are the same."""
    return isinstance(before, DesktopSource) and (
        (before.width, before.height, before.application, before.command)
        == (after.width, after.height, after.application, after.command)
    )


def _silent(stage: Stage, seconds: float) -> Loss:
    """It neither shows nor says why: lost for that."""
    lost = loss.of_silence(stage.source, seconds)
    stage.lose(lost)
    return lost


def _error_of(lost: Loss) -> SteadycastError:
    kind = WorkerError if lost.kind is LossKind.WORKER else SourceError
    return kind(lost.code, lost.what, why=lost.why, hint=lost.hint)
