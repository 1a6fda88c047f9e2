"""The processes of this host, and what each works on: for whoever watches what they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from steadycast.errors import NotFoundError
from steadycast.lobbies.checkpoints import Checkpoints
from steadycast.lobbies.encoder_watch import Kind
from steadycast.lobbies.entries import Entries
from steadycast.lobbies.memory import Memory
from steadycast.lobbies.pool_views import pool_views
from steadycast.lobbies.removals import Removals
from steadycast.lobbies.viewers import Viewers
from steadycast.model import About, Measures, Receipt, WorkerKind
from steadycast.workers.allocator import allocated
from steadycast.workers.messages import Settle
from steadycast.workers.worker import Worker

if TYPE_CHECKING:
    from steadycast.lobbies.lobbies import LobbiesParts

SETTLED_S = 5.0  # threads of what ended have gone by then
CONTROL_PLANE = "control plane"


@dataclass(frozen=True, slots=True)
class Held:
    """One process. `role` outlives it; `worker` is its id, None for the control plane itself.

    `load` and `finished` are as in Look; `allocated` as in Heartbeat; `quiet` None where nobody counts what comes and
    goes in it.
    """

    role: str
    worker: str | None
    pid: int
    about: About = field(default_factory=About)
    load: Mapping[str, float] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    quiet: bool | None = None
    allocated: Mapping[str, int] = field(default_factory=dict)
    objects: Mapping[str, int] | None = None  # live GStreamer objects by type, counted when all was quiet
    pools: Mapping[str, int] = field(default_factory=dict)  # loans that are out: what is idle is bounded by design
    queues: Mapping[str, int] = field(default_factory=dict)  # what waits to be done


class Holding:
    """The part of `Lobbies` about processes."""

    _entries: Entries
    _viewers: Viewers
    _parts: LobbiesParts
    _lobbies_ended: int
    memory: Memory
    _removals: Removals

    def lobby_ids(self) -> frozenset[str]:
        """Those that are there, also those that end."""
        return frozenset(lobby.id for lobby in self._entries.lobbies())

    def held(self) -> tuple[Held, ...]:
        """The control plane, and every worker that works: the newest of a lobby, and those that take viewers."""
        workers = [worker for worker in self._parts.staging.supervisor.workers if worker.ready]
        by_role = {role: self._of(role, worker) for worker in workers if (role := self._role(worker)) is not None}
        return (self._own(), *by_role.values())

    async def settle(self, worker: str, deadline: float) -> dict[str, Any]:
        """Have a worker let go of all that nobody uses; answers as `Settle` says. Raises NotFoundError
        `worker.unknown`, WorkerError, DeadlineError."""
        for one in self._parts.staging.supervisor.workers:
            if one.id == worker and one.ready:
                return await one.request(Settle(), deadline=deadline)
        raise NotFoundError("worker.unknown", f"There is no worker {worker[:100]!r}.")

    def checkpoints(self, id_or_key: str) -> Checkpoints:
        """What a lobby's workers held at the named points of its life. Raises NotFoundError `lobby.unknown`."""
        return self.memory.of(self._entries.lobby(id_or_key).id)

    def _kind_of(self, lobby: str, track: str) -> Kind | None:
        """What decides the memory of an encoding that is open."""
        found = self._entries.of_id(lobby)
        feed = None if found is None else found.feeds.get(track)
        if feed is None or feed.info is None or feed.encode is None or not (feed.info.width and feed.info.height):
            return None
        return feed.info.codec.value, feed.info.width, feed.info.height, feed.encode.references or 1

    def _worker_of(self, lobby: str, worker: str | None) -> Worker | None:
        """A lobby's worker by its id, or the one that it has now."""
        if worker is not None:
            return next((one for one in self._parts.staging.supervisor.workers if one.id == worker), None)
        found = self._entries.of_id(lobby)
        stage = None if found is None else found.stage
        return stage.worker if stage is not None and stage.works else None

    async def measure(self, pid: int) -> Measures | None:
        """What a process of this host holds; None where it cannot be told."""
        return await self._parts.staging.supervisor.gauge.measure(pid)

    def hear_residue(self, hear: Callable[[str, tuple[str, ...]], None]) -> None:
        """`hear` gets the role of a process and what stayed there, whenever a receipt shows that something did."""

        def stayed(receipt: Receipt) -> None:
            role = self._role_of(receipt)
            if role is not None:
                of = receipt.subject.value if receipt.name is None else f"{receipt.subject.value} {receipt.name}"
                left = (f"{text} ({check.name})" for check in receipt.checks for text in check.residue or ())
                hear(role, tuple(f"{one}, of {of}, by receipt {receipt.id}" for one in left))

        self._parts.receipts.on_stayed = stayed

    def _role_of(self, receipt: Receipt) -> str | None:
        workers = self._parts.staging.supervisor.workers
        worker = next((one for one in workers if one.id == receipt.worker), None)
        if worker is not None:
            return self._role(worker)
        return f"{receipt.kind.value}:{receipt.lobby}" if receipt.lobby else None

    def _own(self) -> Held:
        viewers = len(self._viewers.of())
        load = {"lobbies": float(len(self._entries)), "viewers": float(viewers)}
        finished = {"lobby": self._lobbies_ended, "viewer": self._viewers.total - viewers}
        pools = {one.name: one.lent for one in pool_views(self._parts.staging.supervisor.pools.statistics())}
        queues = {"removals": self._removals.waiting, "receipts to be written": self._parts.receipts.unwritten}
        own = Held(CONTROL_PLANE, None, os.getpid(), load=load, finished=finished, allocated=allocated())
        return replace(own, pools=pools, queues=queues)

    def _role(self, worker: Worker) -> str | None:
        if worker.kind is WorkerKind.EGRESS:
            running = [egress.worker.id for egress in self._parts.egresses.running() if egress.works]
            return f"egress:{running.index(worker.id)}" if worker.id in running else None
        return f"{worker.kind.value}:{worker.lobby}" if worker.lobby else None

    def _of(self, role: str, worker: Worker) -> Held:
        living = self._parts.receipts.living
        activity = living.activity(worker) if living is not None else None
        about = self._about(worker)
        objects = None if worker.measures is None else worker.measures.objects
        if activity is None:
            return Held(role, worker.id, worker.pid, about, allocated=worker.allocated, objects=objects)
        load = {f"{subject}s": float(count) for subject, count in activity.open.items()}
        quiet = activity.changed_s >= SETTLED_S
        finished = {str(subject): count for subject, count in activity.finished.items()}
        return Held(role, worker.id, worker.pid, about, load, finished, quiet, worker.allocated, objects)

    def _about(self, worker: Worker) -> About:
        lobby = next((one for one in self._entries.lobbies() if one.id == worker.lobby), None)
        if lobby is None:
            return About()
        seats = [feed.seat for feed in lobby.feeds.all() if feed.seat is not None]
        codecs = sorted({feed.encode.codec for feed in lobby.feeds.all() if feed.encode is not None})
        devices = sorted({seat.device for seat in seats})
        return About(lobby.id, lobby.request.source.kind, ", ".join(codecs) or None, ", ".join(devices) or None)
