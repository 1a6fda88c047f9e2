"""Looks at lobby and egress workers now and then, and has those replaced that are due. Thin: `recycling` decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import SteadycastError
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.recycling import Due, Recycling, Suggestion, WorkerFacts
from steadycast.lobbies.turns import Turns, devices
from steadycast.model import LobbyState, RecycleCause, WorkerKind
from steadycast.tracking.gauge import Gauge
from steadycast.workers.lasting import lasting
from steadycast.workers.worker import Worker

log = structlog.get_logger("recycler")

SUGGESTIONS = 256  # the oldest goes


class Recyclable(Protocol):
    """The egress workers."""

    def running(self) -> tuple[Egress, ...]:
        """Those that take viewers."""

    async def recycle(self, egress: Egress, cause: RecycleCause) -> None:
        """Replace one by draining; returns when another one takes viewers. Raises SteadycastError."""


class Recycler:
    """`start` it when the lobbies are there, `close` it before they end. `lobbies` gives all of them; a person's
    recycles take `turns`."""

    def __init__(
        self,
        settings: HostSettings,
        lobbies: Callable[[], Iterable[Lobby]],
        egresses: Recyclable,
        gauge: Gauge,
        events: EventLog,
    ) -> None:
        self._settings = settings
        self._events = events
        self._gauge = gauge
        self._lobbies = lobbies
        self._egresses = egresses
        self._policy = Recycling()
        self.turns = Turns(self._policy)
        self._suggestions: dict[str, Suggestion] = {}  # by worker
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._looking = lasting(self._look_on(), "recycler: looks at workers")

    async def close(self) -> None:
        """Begin nothing any more; what is under way goes on, or ends with its lobby."""
        self.turns.close()
        tasks = {task for task in (self._looking, *self._tasks) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def found(self, worker: str, why: str, finding: str) -> None:
        """There is a finding of a worker. It is replaced when it is its turn; its first finding counts."""
        before = self._suggestions.get(worker)
        if before is None or before.finding is None:
            self._suggest(worker, Suggestion(RecycleCause.FINDING, why, finding))

    def residue(self, worker: str) -> None:
        """Something stayed in a worker of what ended there."""
        if worker not in self._suggestions:
            self._suggest(worker, Suggestion(RecycleCause.RESIDUE, "something stayed of what ended in it"))

    def _suggest(self, worker: str, suggestion: Suggestion) -> None:
        self._suggestions[worker] = suggestion
        if len(self._suggestions) > SUGGESTIONS:
            del self._suggestions[next(iter(self._suggestions))]

    async def look(self) -> None:
        """Look now, and begin what is due."""
        lobbies = {lobby.stage.worker.id: lobby for lobby in self._lobbies() if lobby.stage is not None}
        egresses = {egress.worker.id: egress for egress in self._egresses.running()}
        facts = [await self._of_lobby(worker, lobby) for worker, lobby in lobbies.items()]
        facts += [await self._of_egress(worker, egress) for worker, egress in egresses.items()]
        known = {one.worker for one in facts}
        self._suggestions = {worker: why for worker, why in self._suggestions.items() if worker in known}
        for due in self._policy.due(facts, self._settings.recycle, time.monotonic()):
            if due.kind is WorkerKind.LOBBY:
                self._begin(due, lobbies[due.worker].recycle(due.cause))
            else:
                self._begin(due, self._egresses.recycle(egresses[due.worker], due.cause))

    async def _of_lobby(self, worker: str, lobby: Lobby) -> WorkerFacts:
        stage = lobby.stage
        memory, descriptors = await self._measured(None if stage is None or stage.pid is None else stage.worker)
        return WorkerFacts(
            worker,
            WorkerKind.LOBBY,
            lobby.id,
            0.0 if stage is None else time.monotonic() - stage.since,
            None if stage is None else stage.uses,
            memory,
            descriptors,
            devices(lobby),
            self._suggestions.get(worker),
            _busy(worker, lobby),
        )

    async def _of_egress(self, worker: str, egress: Egress) -> WorkerFacts:
        memory, descriptors = await self._measured(egress.worker)
        age = time.monotonic() - egress.since
        busy = "it drains" if egress.draining or not egress.works else None
        found = self._suggestions.get(worker)
        return WorkerFacts(
            worker, WorkerKind.EGRESS, worker, age, None, memory, descriptors, suggestion=found, busy=busy
        )

    async def _measured(self, worker: Worker | None) -> tuple[int | None, int | None]:
        """Private bytes and open descriptors of a process; what cannot be measured is no reason to recycle."""
        found = None if worker is None else await self._gauge.measure(worker.pid)
        if worker is None or found is None:
            return None, None
        worker.measured(found)
        return found.private_dirty, None if found.descriptors is None else sum(found.descriptors.values())

    def _begin(self, due: Due, work: Awaitable[object]) -> None:
        told = {"worker": due.worker, "kind": due.kind.value, "cause": due.cause.value, "finding": due.finding}
        log.info("worker is due", subject=due.subject, why=due.why, **told)
        lobby = due.subject if due.kind is WorkerKind.LOBBY else None
        self._events.publish("worker", "worker.due", lobby=lobby, why=due.why, data=told)
        self._policy.begun(due)
        task = asyncio.get_running_loop().create_task(self._recycle(due, work), name=f"recycling of {due.worker}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recycle(self, due: Due, work: Awaitable[object]) -> None:
        worked = False
        try:
            await work
            worked = True
        except SteadycastError as error:
            log.warning("worker not replaced", worker=due.worker, code=error.code, what=error.what, why=error.why)
        finally:
            self._policy.ended(due, worked, time.monotonic())
            self.turns.freed()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(self._settings.recycle.look_s)
            try:
                await self.look()
            except Exception:
                log.critical("a look at the workers failed; the next one follows", exc_info=True)


def _busy(worker: str, lobby: Lobby) -> str | None:
    """Why it is not its time, at the moment when that is decided."""
    if lobby.state is not LobbyState.STREAMING or lobby.stage is None or not lobby.stage.works:
        return "the lobby does not stream"
    if lobby.stage.worker.id != worker or lobby.replacing.running:
        return "it is being replaced"
    if any(egress.draining for feed in lobby.feeds.all() for egress in feed.holds.values()):
        return "its viewers are about to choose another egress worker"
    return None
