"""Receipts of renditions and viewers that end in workers that live on: looks at these workers, off the event loop.

A worker is looked at only after something came or went in it, at most once in `LOOKS_S` and never for more than 1 % of
a core; all that ended before a look share it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from steadycast.errors import SteadycastError
from steadycast.model import Check, Receipt, Subject, WorkerKind
from steadycast.tracking import receipts
from steadycast.tracking.quiet import Judged, Lent, Pace, Quiet
from steadycast.workers.messages import CountObjects
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker

log = structlog.get_logger("receipts")

LOOKS_S = 0.5  # between looks at one worker, at least
SHARE = 0.01  # of a core, for looks at one worker
COUNT_S = 2.0  # for a lobby worker to count its objects
HEARD_S = 30.0  # for the heartbeat after a look, which says whether the same was open all the time
HEARD_POLL_S = 0.05
# What an egress worker says of itself in its heartbeats that descriptors and threads go with.
EGRESS = ("tracks", "buses", "webrtc_viewers", "webrtc_connecting", "rtsp_connections", "rtsp_viewers")


@dataclass(frozen=True, slots=True)
class Activity:
    """What a worker has open and what it had, by subject; `changed_s` ago something came or went."""

    open: Mapping[str, int]
    finished: Mapping[str, int]
    changed_s: float


@dataclass(eq=False)
class _Ward:
    """One worker that is looked at."""

    worker: Worker
    quiet: Quiet
    changed: float
    open: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    rest_until: float = 0.0
    timer: asyncio.TimerHandle | None = None
    looking: asyncio.Task[None] | None = field(default=None)


class Living:
    """`opened` and `closed` are told by who lends; `write` takes the receipts. `close` before the workers are left."""

    def __init__(self, supervisor: Supervisor, write: Callable[[Receipt], None], pace: Pace | None = None) -> None:
        self.looks = 0
        self.looked_s = 0.0  # how long all looks took
        self._supervisor = supervisor
        self._gauge = supervisor.gauge
        self._write = write
        self._pace = pace or Pace()
        self._wards: dict[str, _Ward] = {}
        self._loop = asyncio.get_running_loop()

    def opened(self, worker: Worker, lent: Lent) -> None:
        """Something is open in a worker."""
        ward = self._ward(worker)
        if ward is not None:
            ward.quiet.opened(lent, self._loop.time())
            if lent.subject is Subject.RENDITION and not ward.open[lent.subject] + ward.finished[lent.subject]:
                worker.measure()  # the first look at it is far
            ward.open[lent.subject] += 1
            ward.changed = self._loop.time()
            self._plan(ward)

    def closed(self, worker: Worker, lent: Lent, cause: str) -> None:
        """It is gone; also where nobody told that it was open. Nothing where the worker is gone: it said so then."""
        ward = self._ward(worker)
        if ward is not None:
            ward.open[lent.subject] = max(0, ward.open[lent.subject] - 1)
            ward.finished[lent.subject] += 1
            ward.changed = self._loop.time()
            self._tell(ward, ward.quiet.closed(lent, cause, time.time(), self._loop.time()))
            self._plan(ward)

    def opened_in(self, pid: int, lent: Lent) -> None:
        """As `opened`, in the worker that is this process; nothing where there is none."""
        for worker in self._of(pid):
            self.opened(worker, lent)

    def closed_in(self, pid: int, lent: Lent, cause: str) -> None:
        """As `closed`, in the worker that is this process; nothing where there is none."""
        for worker in self._of(pid):
            self.closed(worker, lent, cause)

    def activity(self, worker: Worker) -> Activity | None:
        """What comes and goes in a worker; None where nothing ever did."""
        ward = self._wards.get(worker.id)
        if ward is None:
            return None
        return Activity(dict(ward.open), dict(ward.finished), self._loop.time() - ward.changed)

    async def close(self) -> None:
        """Look no more. What still waits for a look is written as not compared."""
        wards, self._wards = tuple(self._wards.values()), {}
        looking = {ward.looking for ward in wards if ward.looking is not None}
        for ward in wards:
            if ward.timer is not None:
                ward.timer.cancel()
        for task in looking:
            task.cancel()
        if looking:
            await asyncio.wait(looking)
        for ward in wards:
            if ward.quiet.waiting:
                checks = (Check("comparison", None, "the control plane ended before the next look"),)
                self._tell(ward, ward.quiet.unseen(checks))

    # --- looks

    def _of(self, pid: int) -> tuple[Worker, ...]:
        return tuple(worker for worker in self._supervisor.workers if worker.pid == pid)

    def _ward(self, worker: Worker) -> _Ward | None:
        ward = self._wards.get(worker.id)
        if ward is None and worker.ready:
            ward = self._wards[worker.id] = _Ward(worker, Quiet(self._pace), self._loop.time())
            worker.gone.add_done_callback(lambda gone: self._gone(worker.id, gone))
        return ward

    def _plan(self, ward: _Ward) -> None:
        """Set the timer for the next look, in place of the one that was set."""
        if ward.timer is not None:
            ward.timer.cancel()
            ward.timer = None
        due = ward.quiet.due()
        if due is not None and ward.looking is None and self._wards.get(ward.worker.id) is ward:
            ward.timer = self._loop.call_at(max(due, ward.rest_until), self._begin, ward)

    def _begin(self, ward: _Ward) -> None:
        ward.timer = None
        ward.looking = self._loop.create_task(self._look(ward), name=f"look at {ward.worker.id}")
        ward.looking.add_done_callback(lambda task: self._looked(ward, task))

    def _looked(self, ward: _Ward, task: asyncio.Task[None]) -> None:
        ward.looking = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a look failed", worker=ward.worker.id, exc_info=error)
            ward.rest_until = self._loop.time() + self._pace.settle
        self._plan(ward)

    async def _look(self, ward: _Ward) -> None:
        worker, changes = ward.worker, ward.quiet.changes
        around = around_of(worker.kind, worker.statistics)
        objects = await self._objects(worker)
        began = self._loop.time()
        held = await self._gauge.measure(worker.pid, objects)
        took = self._loop.time() - began
        self.looks += 1
        self.looked_s += took
        ward.rest_until = self._loop.time() + max(LOOKS_S, took / SHARE)
        worker.measured(held)
        said = await self._said_again(worker)
        same = said and around == around_of(worker.kind, worker.statistics)
        now = self._loop.time()
        self._tell(ward, ward.quiet.seen(held, around if same else None, changes, now))

    async def _objects(self, worker: Worker) -> Mapping[str, int] | None:
        if worker.kind is not WorkerKind.LOBBY:
            return None
        try:
            found = (await worker.request(CountObjects(), deadline=COUNT_S)).get("objects")
        except SteadycastError:
            return None
        return found if isinstance(found, dict) else None

    async def _said_again(self, worker: Worker) -> bool:
        """Wait for its next heartbeat; False where none comes."""
        before, until = worker.last_heartbeat, self._loop.time() + HEARD_S
        while worker.last_heartbeat == before:
            if self._loop.time() > until or not worker.ready:
                return False
            await asyncio.sleep(HEARD_POLL_S)
        return True

    # --- ends

    def _gone(self, worker: str, gone: asyncio.Future[Receipt]) -> None:
        ward = self._wards.pop(worker, None)
        if ward is None or gone.cancelled():
            return
        if ward.timer is not None:
            ward.timer.cancel()
        receipt = gone.result()
        checks = tuple(check for check in receipt.checks if check.name == "process")
        cause = f"its worker ended: {receipt.cause}"
        self._tell(ward, ward.quiet.gone(checks, cause, receipt.ended, self._loop.time()))

    def _tell(self, ward: _Ward, judged: tuple[Judged, ...] | list[Judged]) -> None:
        worker = ward.worker
        for one in judged:
            self._write(receipts.write_judged(one, worker.id, worker.kind, worker.pid))


def around_of(kind: WorkerKind, statistics: Mapping[str, Any]) -> dict[str, int]:
    """What a worker has open by its own words, as far as it is not told by who lends."""
    if kind is WorkerKind.EGRESS:
        return {name: statistics[name] for name in EGRESS if isinstance(statistics.get(name), int)}
    tracks = statistics.get("tracks")
    if not isinstance(tracks, dict):
        return {}
    readers = (track.get("readers", 0) for track in tracks.values() if isinstance(track, dict))
    return {"tracks": len(tracks), "readers": sum(one for one in readers if isinstance(one, int))}
