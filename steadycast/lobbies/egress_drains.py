"""Egress workers that are replaced: they keep the viewers they have until those leave, or their time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import SteadycastError
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.egress_crew import GONE, EgressCrew
from steadycast.workers.worker import DIED

log = structlog.get_logger("egress")

REPLACED = "egress worker is replaced: connect again"


class Drains:
    """Each ends with a receipt, `egress.drain_s` after it began and what telling its last viewers takes."""

    def __init__(self, crew: EgressCrew, settings: HostSettings) -> None:
        self._crew = crew
        self._settings = settings
        self._tasks: dict[Egress, asyncio.Task[None]] = {}
        self._hurried: dict[Egress, asyncio.Event] = {}

    def now(self) -> tuple[Egress, ...]:
        """Those that drain."""
        return tuple(self._tasks)

    def begin(self, egress: Egress, cause: str) -> None:
        """It takes no new viewers from now on; `cause` is for its receipt."""
        egress.draining = True
        self._hurried[egress] = asyncio.Event()
        self._tasks[egress] = asyncio.create_task(self._drain(egress, cause), name=f"drain of {egress.worker.id}")

    async def hurry(self, egress: Egress) -> None:
        """Its viewers are told now. Returns when it is gone."""
        if (task := self._tasks.get(egress)) is not None:
            self._hurried[egress].set()
            await asyncio.wait({task})

    async def close(self) -> None:
        """End all, once the crew has stopped: nobody need connect again."""
        for event in self._hurried.values():
            event.set()
        await asyncio.gather(*self._tasks.values())

    def leave(self) -> tuple[asyncio.Task[None], ...]:
        """Cancel what is done about them; answers with what to wait for."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        return tasks

    async def _drain(self, egress: Egress, cause: str) -> None:
        hurried, stopping = self._hurried[egress], self._crew.stopping
        try:
            try:
                await egress.drain()
            except SteadycastError as error:
                log.warning("egress worker does not drain", pid=egress.worker.pid, what=error.what, why=error.why)
            await _first(egress, (egress.empty(), hurried.wait()), self._settings.egress.drain_s)
            if egress.works and egress.viewers and not stopping.is_set():
                telling = self._crew.listener.end_viewers(egress, REPLACED)
                await _first(egress, (telling, stopping.wait()), self._settings.workers.request_s)
            receipt = await egress.worker.end("host ends" if stopping.is_set() else cause)
            self._crew.listener.egress_gone(egress, GONE if receipt.cause == DIED else REPLACED)
        finally:
            del self._tasks[egress], self._hurried[egress]


async def _first(egress: Egress, ends: tuple[Coroutine[Any, Any, Any], ...], seconds: float) -> None:
    """Wait until one of these has happened, the worker is gone, or so many seconds have passed."""
    tasks = [asyncio.create_task(end) for end in ends]
    waiting: set[asyncio.Future[Any]] = {*tasks, egress.worker.gone}
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
