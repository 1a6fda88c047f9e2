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
from steadycast.errors import SteadycastError
from steadycast.lobbies import loss
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.retry import Loss
from steadycast.lobbies.rules import command_of
from steadycast.lobbies.seats import Encoding
from steadycast.lobbies.stage import Display, Holder, Stage
from steadycast.model import DesktopSource, Receipt
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
        self._endings: dict[asyncio.Task[Receipt | None], Holder] = {}
        self._receipts: list[Receipt] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes that are there now, those that are ending included."""
        holders = (self._display, self._stage, *self._endings.values())
        return tuple(holder.pid for holder in holders if holder is not None and holder.pid is not None)

    async def show(self) -> Stage | Loss | None:
        """Bring up a stage that shows; else why not; None when the lobby ends."""
        await self._ended(ENDINGS)
        source = self._asked.request.source
        stage = Stage(self._lobby, source, self._parts.supervisor, self._parts.settings)
        try:
            await self._parts.vet(self._asked.request)
            display = await self._raise_display(source) if isinstance(source, DesktopSource) else None
            if self._stopping.done():
                return None
            self._stage = stage
            await stage.start(*(() if display is None else (display.name, display.xauthority)))
        except SteadycastError as error:
            return await self._display_words(self._lost() or loss.of_error(error, source))
        seconds = self._parts.settings.workers.source_s
        await self._wait({stage.shows}, seconds)
        if self._stopping.done():
            return None
        if lost := self._lost():
            return await self._display_words(lost)
        return stage if stage.shows.done() else loss.of_silence(source, seconds)

    async def until_lost(self) -> Loss | None:
        """Wait until what `show` brought up is lost; None when the lobby ends."""
        began = time.monotonic()
        await self._wait(set(), None)
        lost = self._lost()
        if self._stopping.done() or lost is None:
            return None
        return (await self._display_words(lost)).after(time.monotonic() - began)

    def strike(self, cause: str) -> None:
        """Part with what is lost. A display lives on when only the lobby worker in front of it died."""
        stage, display = self._stage, self._display
        if display is not None and (display.lost.done() or (stage is not None and stage.source_failed)):
            self._part_with(display, cause)
            self._display = None
        if stage is not None:
            self._part_with(stage, cause)
            self._stage = None

    async def end(self, cause: str) -> tuple[Receipt, ...]:
        """Part with everything and wait until it is gone; all receipts of this lobby since the host started."""
        for holder in (self._stage, self._display):
            if holder is not None:
                self._part_with(holder, cause)
        self._stage = self._display = None
        await self._ended(0)
        return tuple(self._receipts)

    async def _raise_display(self, source: DesktopSource) -> Display:
        if self._display is None:
            self._display = Display(self._lobby, source, self._parts.supervisor, self._parts.settings)
            command = command_of(source, self._parts.settings)
            try:
                await self._display.start(command, source.width, source.height)
            except SteadycastError as error:
                self._display.lose(loss.of_error(error, source))
                raise
        return self._display

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
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def _part_with(self, holder: Holder, cause: str) -> None:
        task = asyncio.create_task(holder.end(cause), name=f"end of {holder.kind.value} worker of {self._lobby}")
        self._endings[task] = holder

    async def _ended(self, left: int) -> None:
        """Wait until at most so many are still ending. Each is bounded by the ladder's deadlines."""
        while len(self._endings) > left:
            done, _ = await asyncio.wait(self._endings, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._endings.pop(task)
                if (receipt := task.result()) is not None:
                    self._receipts = [*self._receipts[-15:], receipt]
