"""Measures lobby workers at the named points of their lives, as events tell them. One at a time, beside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from steadycast.lobbies.checkpoints import Checkpoints, Point, point_of
from steadycast.lobbies.encoder_watch import EncoderWatch
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.views import Event
from steadycast.tracking.gauge import Gauge
from steadycast.workers.lasting import lasting
from steadycast.workers.worker import Worker

log = structlog.get_logger("memory")

LOBBIES = 1024  # that are followed; of one more, the one that was measured longest ago is forgotten

WorkerOf = Callable[[str, str | None], Worker | None]


class Memory:
    """The checkpoints of all lobbies. `worker_of(lobby, id)` is the lobby's worker of this id; None: its worker now."""

    def __init__(self, events: EventLog, gauge: Gauge, worker_of: WorkerOf, encoders: EncoderWatch) -> None:
        self._events = events
        self._gauge = gauge
        self._worker_of = worker_of
        self._encoders = encoders
        self._kept: dict[str, Checkpoints] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Measure from now on."""
        if self._task is None:
            self._task = lasting(self._run(), "memory checkpoints")

    async def close(self) -> None:
        """Measure no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def of(self, lobby: str) -> Checkpoints:
        """What is kept of a lobby; empty where nothing is."""
        return self._kept.get(lobby) or Checkpoints()

    async def _run(self) -> None:
        while True:  # again where so much happened that the listener was dropped: then checkpoints are missing
            async with self._events.subscribe(inside=True) as events:
                async for event in events:
                    await self._hear(event)
                if not events.dropped:
                    return

    async def _hear(self, event: Event) -> None:
        lobby, point = event.lobby, point_of(event.name)
        if lobby is None:
            return
        if event.name == "lobby.DESTROYED":
            self._kept.pop(lobby, None)
            self._encoders.forget(lobby)
        if event.kind == "rendition" and (worker := self._worker_of(lobby, None)) is not None:
            self._encoders.hear(lobby, event, worker)
        if point is None or event.data.get("kind", "lobby") != "lobby":
            return
        worker = self._worker_of(lobby, event.data.get("worker"))
        if worker is None:
            return
        kept = self._kept.pop(lobby, None) or Checkpoints()
        self._kept[lobby] = kept
        while len(self._kept) > LOBBIES:
            del self._kept[next(iter(self._kept))]
        about = _about(point, event)
        if not kept.wants(point, worker.id, event.at, about):
            return
        objects = None if worker.measures is None else worker.measures.objects
        found = await self._gauge.measure(worker.pid, objects)
        kept.add(point, (worker.id, worker.pid), event.at, found, about)


def _about(point: Point, event: Event) -> str | None:
    """Which rendition or viewer it was."""
    if point in (Point.ENCODER_OPEN, Point.RENDITION_PARKED, Point.RENDITION_CLOSED):
        track = event.data.get("track")
        return str(track) if track is not None else None
    return event.viewer
