"""Starts workers, sees them die, and ends them; keeps spares and the receipts of late."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from steadycast.config.settings import WorkerSettings
from steadycast.errors import ConflictError, SteadycastError
from steadycast.lifecycle import WorkerState
from steadycast.model import Receipt, WorkerKind
from steadycast.patience import OwnTime
from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.tracking.gauge import Gauge
from steadycast.tracking.pools import filled_pool
from steadycast.workers import records, staged
from steadycast.workers.adoption import Adoption, Muster
from steadycast.workers.channel import OnMessage, OnRequest
from steadycast.workers.evidence import EvidenceFolder, Hang
from steadycast.workers.lasting import lasting
from steadycast.workers.launch import launch
from steadycast.workers.leftovers import LeftoverEnds
from steadycast.workers.messages.stock import LobbyStock
from steadycast.workers.prctl import become_subreaper, resign_as_subreaper
from steadycast.workers.pressing import Pressing
from steadycast.workers.process import reap
from steadycast.workers.registry import build_registry, registry_environment
from steadycast.workers.spares import Spares
from steadycast.workers.surroundings import OnState, Surroundings
from steadycast.workers.worker import DIED, SILENT, Worker

log = structlog.get_logger("workers")

MODULES: Mapping[WorkerKind, str] = {
    WorkerKind.LOBBY: "steadycast.workers.lobby_child",
    WorkerKind.EGRESS: "steadycast.workers.egress_child",
    WorkerKind.DISPLAY: "steadycast.workers.display_child",
}
RECEIPTS = 256
STRAY_S = 10


@dataclass(frozen=True, slots=True)
class SupervisorStatistics:
    """`workers` by kind, spares included; the rest counts since the start. `unclean` receipts left something."""

    workers: dict[str, int]
    spares: int
    started: int
    ended: int
    died: int
    unclean: int
    spares_taken: int
    spares_missed: int


class Supervisor:
    """All workers of a control plane. `open()` first, then `adopt()`; `close()` ends all, `leave()` leaves all.

    `on_worker` hears each move of a worker: its new state, the cause, and the seconds spent in the state before.
    `evidence`: where it is kept of workers that hung. `modules` says what is started for a kind. `gstreamer` False
    leaves out GStreamer's registry and lobby spares.
    """

    def __init__(
        self,
        runtime: Path,
        settings: WorkerSettings,
        on_receipt: Callable[[Receipt], None],
        *,
        on_worker: OnState | None = None,
        evidence: EvidenceFolder | None = None,
        modules: Mapping[WorkerKind, str] = MODULES,
        gstreamer: bool = True,
    ) -> None:
        self._runtime = runtime
        self._settings = settings
        self._on_receipt = on_receipt
        self._on_worker = on_worker
        self._modules = modules
        self._gstreamer = gstreamer
        self._looks = filled_pool(2, "looks")
        self._workers: dict[str, Worker] = {}
        self._counts: Counter[str] = Counter()
        self.gauge = Gauge()  # who measures workers; the drivers are asked once it is told how
        self.evidence = evidence
        self._around = Surroundings(runtime, settings, self._looks, self._gone, self._moved, self.gauge, evidence)
        self._leftovers = LeftoverEnds(self._around, self._note)
        self._muster = Muster(self._around, self._hold, self._leftovers)
        self.pools = staged.pools(self._workers.values)  # of all the host, by name
        self._spares = Spares(settings.spares, self._start_spare, settings.spare_age_s)
        self.pools.add("spare lobby workers", self._spares.statistics, self._spares.press)
        self.pressing = Pressing(self.pools, self._looks)
        self._sweep: asyncio.Task[None] | None = None
        self.closing = False  # nothing is started any more
        self.gstreamer_version: str | None = None  # known once it is open
        self._strays: dict[Identity, float] = {}
        self.receipts: deque[Receipt] = deque(maxlen=RECEIPTS)

    async def open(self) -> None:
        """Make ready to start workers. Raises ConfigError where GStreamer is missing; OSError for the folder."""
        records.folder(self._runtime).mkdir(mode=0o700, parents=True, exist_ok=True)
        become_subreaper()
        if self._gstreamer:
            self.gstreamer_version = await build_registry(self._runtime)
        self.pressing.begin()
        self._sweep = lasting(self._sweep_on(), "sweep of workers")

    async def adopt(self) -> Adoption:
        """Go on with the workers of a former control plane, and begin to end those that cannot be gone on with.

        Called once, before anything is started; spares are kept from then on. A lobby worker without an order is one:
        give it to `keep_spare`. Whatever else nobody wants is ended by who finds that out.
        """
        adoption = await self._muster.call()
        self._spares.begin(
            one.worker for one in adoption.adopted if isinstance(one.stock, LobbyStock) and one.stock.order is None
        )
        return adoption

    def keep_spare(self, worker: Worker) -> None:
        """Put an adopted lobby worker that shows nothing among the spares; one more than configured is ended."""
        worker.assign(None)
        if not self._spares.keep(worker):
            worker.begin_end("more spares than wanted")

    async def start(
        self,
        kind: WorkerKind,
        *,
        lobby: str | None = None,
        on_message: OnMessage,
        on_request: OnRequest | None = None,
    ) -> Worker:
        """A worker that said hello: a spare, or a new one. Messages go to the handlers from now on.

        Raises WorkerError or DeadlineError; then nothing of it is left.
        """
        spare = self._spares.take() if kind is WorkerKind.LOBBY else None
        if spare is not None:
            spare.take(lobby, on_message, on_request)
            self._moved(spare, spare.state, "taken from the spares", 0.0)
            return spare
        worker = self._launch(kind, lobby)
        worker.take(lobby, on_message, on_request)
        await worker.said_hello()
        return worker

    def statistics(self) -> SupervisorStatistics:
        counts, spares = self._counts, self._spares.statistics()
        return SupervisorStatistics(
            workers=dict(Counter(worker.kind.value for worker in self._workers.values())),
            spares=spares.idle,
            started=counts["started"],
            ended=counts["ended"],
            died=counts["died"],
            unclean=counts["unclean"],
            spares_taken=spares.reused,
            spares_missed=spares.missed,
        )

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All that are not gone, spares too."""
        return tuple(self._workers.values())

    async def close(self, cause: str = "host ends", *, found: bool = False) -> None:
        """End all workers at once; bounded by the ladder. Nothing can be started after it.

        `found`: those of a former control plane as well that `adopt` did not come to.
        """
        self.closing = True
        await self._spares.close()
        rest = self._muster.end_rest(cause) if found else self._leftovers.over()
        await asyncio.gather(*(worker.end(cause) for worker in self.workers), rest)
        await self._finish()

    async def leave(self) -> None:
        """Let go of all workers, alive, for the next control plane: no receipts. Nothing can be done after it.

        Those that are only just starting are left as well. Ends that have begun are waited for; bounded by the ladder.
        """
        self.closing = True
        for worker in self.workers:
            worker.leave()
        await self._spares.close()
        await asyncio.gather(*(worker.gone for worker in self.workers if not worker.left), self._leftovers.over())
        self._workers.clear()
        await self._finish()

    async def _finish(self) -> None:
        await self.pressing.close()
        if self._sweep is not None:
            self._sweep.cancel()
            await asyncio.wait({self._sweep})
            resign_as_subreaper()  # nobody would reap any more
        self._looks.shutdown(wait=False, cancel_futures=True)  # a look that hangs must not hold up the end
        self.gauge.close()

    def hasten(self) -> None:
        """Kill all workers and start none any more, so that `close` is quick; their ends are seen as always."""
        self.closing = True
        for worker in self.workers:
            worker.kill()
        self._leftovers.kill()

    def _launch(self, kind: WorkerKind, lobby: str | None) -> Worker:
        if self.closing:
            raise ConflictError("host.closing", "the host is ending and starts no worker")
        extra = registry_environment(self._runtime) if self._gstreamer else {}
        launched = launch(self._runtime, kind, self._modules[kind], self._settings, lobby=lobby, extra=extra)
        worker = Worker(launched, self._around)
        self._hold(worker)
        self._counts["started"] += 1
        log.info("worker started", worker=worker.id, pid=worker.pid, lobby=lobby)
        return worker

    async def _start_spare(self) -> Worker:
        worker = self._launch(WorkerKind.LOBBY, None)
        await worker.said_hello()
        return worker

    def _hold(self, worker: Worker) -> None:
        self._workers[worker.id] = worker

    def _moved(self, worker: Worker, state: WorkerState, cause: str | None, seconds: float) -> None:
        if self._on_worker is not None:
            self._on_worker(worker, state, cause, seconds)

    # --- their ends

    def _gone(self, worker: Worker, receipt: Receipt) -> None:
        self._workers.pop(worker.id, None)
        self._counts["died"] += receipt.cause == DIED
        if not self.closing:
            self._spares.lost(worker)
        self._note(receipt)

    def _note(self, receipt: Receipt) -> None:
        self._counts["ended"] += 1
        self._counts["unclean"] += not receipt.clean
        self.receipts.append(receipt)
        try:
            self._on_receipt(receipt)
        except SteadycastError as error:
            log.error("receipt not taken", worker=receipt.worker, what=error.what, why=error.why)

    async def _sweep_on(self) -> None:
        loop = asyncio.get_running_loop()
        pause = min(self._settings.heartbeat_s, self._settings.silence_s / 4)
        own = OwnTime(loop.time(), pause)
        while True:
            await asyncio.sleep(pause)
            # Where we did not run (stopped, or the machine with us), the workers' silence does not count.
            now = loop.time()
            lost = own.look(now)
            for worker in self.workers:
                worker.last_sign = min(now, worker.last_sign + lost)
            self._look_around(now)

    def _look_around(self, now: float) -> None:
        for worker in self.workers:
            if worker.ready and now - worker.last_sign > self._settings.silence_s:
                worker.begin_end(SILENT, hang=Hang.DEAF)
            elif worker.kind is WorkerKind.DISPLAY:  # the only kind that starts programs of others
                worker.note_family()
        self._reap_strays(now)

    def _reap_strays(self, now: float) -> None:
        """Reap what was left to us, the subreaper: zombies of a worker's session at once, others after `STRAY_S`.

        Those forked away from a worker's program and have lost all by which they could be known. What this process
        starts itself is in its own session or is a worker, and is reaped by who started it.
        """
        heads = {worker.pid for worker in self.workers}
        seen = {}
        for pid in proc.children():
            one = proc.stat(pid)
            if one is None or one.state != "Z" or pid in heads or one.session == os.getsid(0):
                continue
            identity = Identity(pid, one.start_time)
            since = self._strays.get(identity, now)
            if one.session not in heads and now - since < STRAY_S:
                seen[identity] = since
            else:
                reap(identity)
        self._strays = seen
