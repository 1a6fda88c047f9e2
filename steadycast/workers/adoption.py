"""A new control plane goes on with the workers of a former one: each is found, asked who it is and what it holds."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from steadycast.errors import DeadlineError, SteadycastError, WorkerError
from steadycast.lifecycle import WorkerState
from steadycast.model import Receipt, WorkerKind
from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.workers import records
from steadycast.workers.codec import CodecError, from_plain
from steadycast.workers.evidence import Hang
from steadycast.workers.ladder import LOOK_S
from steadycast.workers.launch import Launched, at_socket
from steadycast.workers.leftovers import Leftover, LeftoverEnds, Leftovers, find_leftovers, written_down
from steadycast.workers.messages import TakeStock
from steadycast.workers.messages.stock import DisplayStock, EgressStock, LobbyStock, Stock
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord
from steadycast.workers.roll import Roll
from steadycast.workers.surroundings import Surroundings
from steadycast.workers.worker import DIED, NOT_ADOPTED, Worker

log = structlog.get_logger("workers")

STOCKS: Mapping[WorkerKind, type[Stock]] = {
    WorkerKind.LOBBY: LobbyStock,
    WorkerKind.EGRESS: EgressStock,
    WorkerKind.DISPLAY: DisplayStock,
}
PAGES = 1000  # of one stock
SWEEP_S = 1.0  # what is only swept away is mostly gone by then
AGAIN_S = (0.05, 1.0)  # first and longest pause before a worker that is only just starting is tried again
STOPPED_S = 0.5  # what a stopped process has to go on; a host that waits for it does not answer its callers
ENDED = "ended while there was no control plane"
HUNG = "hung at adoption"


@dataclass(frozen=True, slots=True)
class Adopted:
    """A worker that goes on, and what it holds: a `LobbyStock`, `EgressStock` or `DisplayStock` by its kind.

    What it says is kept until somebody calls `worker.take`.
    """

    worker: Worker
    stock: Stock


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker that is not gone on with, and why; `gone` resolves with its receipt."""

    worker: str
    cause: str
    gone: asyncio.Future[Receipt]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a new control plane found. `refused` are ended beside what comes next; `swept` names what else was left of a
    former life and is gone, the first `SWEPT` of it, and grows while they end; `took_s` is seconds."""

    adopted: tuple[Adopted, ...] = ()
    refused: tuple[Refused, ...] = ()
    swept: Sequence[str] = ()
    took_s: float = 0.0


class Muster:
    """Calls all workers of a former control plane, once. `hold` gets each that answers at its socket, before it is
    known whether it is adopted; `ends` those that do not."""

    def __init__(self, around: Surroundings, hold: Callable[[Worker], None], ends: LeftoverEnds) -> None:
        self._around = around
        self._hold = hold
        self._ends = ends
        self._uncalled: dict[str, Leftover] | None = None  # of which nothing is known yet; None: they were not found
        self._refused: list[Refused] = []

    async def call(self) -> Adoption:
        """All at once, each within `adopt_s`, and nobody waits for one that hangs: it is ended beside what comes next,
        like all that are not adopted. Only what is dead already is waited for, at most `SWEEP_S`."""
        began = time.monotonic()
        found = await self._find()
        roll = Roll(self._around.settings.adopt_s)
        calls = [asyncio.create_task(self._one(one, roll), name=f"call of {one.record.id}") for one in found]
        try:
            await roll.until_over(calls)
        except asyncio.CancelledError:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            raise
        adopted = tuple(answer for call in calls if (answer := call.result()) is not None)
        await self._ends.of_the_dead(SWEEP_S)
        return Adoption(adopted, tuple(self._refused), self._ends.swept, time.monotonic() - began)

    async def end_rest(self, cause: str) -> None:
        """End those that were not called, or not heard, before the calling was cut off; returns when all that `ends`
        has is gone."""
        if self._uncalled is None:
            await self._find()
        for leftover in tuple((self._uncalled or {}).values()):
            try:
                self._refuse(leftover, _process_of(leftover), cause)
            except OSError as error:
                log.error("a worker is not ended: it cannot be told whether it lives", why=str(error))
        await self._ends.over()

    async def _find(self) -> tuple[Leftover, ...]:
        """Where the kernel does not answer in time, those that are written down: the others end by themselves."""
        runtime = self._around.runtime
        looking = asyncio.get_running_loop().run_in_executor(self._around.looks, find_leftovers, runtime)
        try:
            async with asyncio.timeout(LOOK_S):
                found = await looking
        except TimeoutError:
            log.error("not all that was left can be looked for", within_s=LOOK_S)
            found = Leftovers(tuple(written_down(runtime)), ())
        self._ends.note_swept(found.swept)
        self._uncalled = {leftover.record.id: leftover for leftover in found.leftovers}
        return found.leftovers

    async def _one(self, leftover: Leftover, roll: Roll) -> Adopted | None:
        process = _process_of(leftover)
        worker = None
        if process is None or leftover.fault is not None or _has_ended(leftover.record):
            self._refuse(leftover, process, leftover.fault or ENDED)
        else:
            worker = await self._reached(leftover, process, roll)
        return None if worker is None else await self._ask(worker, roll)

    async def _reached(self, leftover: Leftover, process: Process, roll: Roll) -> Worker | None:
        record = leftover.record
        try:
            async with roll.calling():
                sock = await _connected(self._around.runtime, record)
        except TimeoutError:
            cause = f"{HUNG}: it did not come to listen at its control socket in time"
            self._refuse(leftover, process, cause, Hang.DEAF)
        except (OSError, WorkerError) as error:
            self._refuse(leftover, process, f"{NOT_ADOPTED}: {_why(error)}")
        except asyncio.CancelledError:
            process.close()
            raise
        else:
            worker = Worker(Launched(record, process, sock), self._around, WorkerState.ADOPTED)
            self._called(leftover)
            self._hold(worker)
            return worker
        return None

    def _refuse(self, leftover: Leftover, process: Process | None, cause: str, hang: Hang | None = None) -> None:
        self._called(leftover)
        self._told(leftover.record.id, cause, self._ends.begin(leftover, process, cause, hang))

    def _called(self, leftover: Leftover) -> None:
        if self._uncalled is not None:
            self._uncalled.pop(leftover.record.id, None)

    def _told(self, worker: str, cause: str, gone: asyncio.Future[Receipt]) -> None:
        log.warning(NOT_ADOPTED, worker=worker, cause=cause)
        self._refused.append(Refused(worker, cause, gone))

    async def _ask(self, worker: Worker, roll: Roll) -> Adopted | None:
        hang = None
        try:
            async with roll.calling():
                stock = await self._answer(worker)
        except (DeadlineError, TimeoutError) as error:
            cause = f"{HUNG}: {error.what if isinstance(error, DeadlineError) else self._silence(worker)}"
            hang = Hang.DEAF
        except (SteadycastError, CodecError) as error:
            why = error.what if isinstance(error, SteadycastError) else f"what it holds makes no sense: {error}"
            cause = f"{NOT_ADOPTED}: {why}"
        else:
            worker.adopted()
            if worker.ready:
                roll.answered()
                return Adopted(worker, stock)
            cause = DIED
        worker.begin_end(cause, hang=hang)  # no change where it ends already, for what it said or because it died
        self._told(worker.id, worker.ending_for or cause, worker.gone)
        return None

    async def _answer(self, worker: Worker) -> Stock:
        seconds = self._around.settings.adopt_s
        if not await worker.says_hello(STOPPED_S) and _is_stopped(worker):
            raise DeadlineError("worker.stopped", "it is stopped")
        if not await worker.says_hello(seconds):
            raise DeadlineError("worker.hello", self._silence(worker))
        return await take_stock(worker, asyncio.get_running_loop().time() + seconds)

    def _silence(self, worker: Worker) -> str:
        return "it did not say in time what it holds" if worker.greeted else "it said no hello in time"


def _process_of(leftover: Leftover) -> Process | None:
    """None where it is gone. Raises OSError where that cannot be told."""
    record = leftover.record
    return Process.find(Identity(record.pid, record.start_time)) if record.boot == proc.boot_id() else None


def _is_stopped(worker: Worker) -> bool:
    """By a signal or a debugger."""
    one = proc.stat(worker.pid)
    return one is not None and one.state in "Tt"


async def take_stock(worker: Worker, until: float) -> Stock:
    """All pages of what a worker holds, until this time of the loop's clock. Raises SteadycastError or CodecError."""
    loop = asyncio.get_running_loop()
    wanted = STOCKS[worker.kind]
    stock: Stock | None = None
    after = 0
    for _ in range(PAGES):
        body = await worker.request(TakeStock(after), deadline=max(0.0, until - loop.time()))
        page = from_plain(wanted, body.get("stock"))
        stock = page if stock is None else merged(stock, page)
        more = body.get("more")
        if more is None:
            return stock
        if not isinstance(more, int) or more <= after:
            raise CodecError(f"after {after} cannot come {more!r}")
        after = more
    raise CodecError(f"more than {PAGES} pages")


def merged(stock: Stock, page: Stock) -> Stock:
    """A stock and its next page: lists go on, all else is as it was first said. Pure."""
    joined: dict[str, Any] = {}
    for field in dataclasses.fields(stock):
        first, more = getattr(stock, field.name), getattr(page, field.name)
        if isinstance(first, tuple):
            joined[field.name] = first + more
        elif isinstance(first, dict | None) and isinstance(more, dict):
            joined[field.name] = (first or {}) | more
    return dataclasses.replace(stock, **joined)


async def _connected(runtime: Path, record: WorkerRecord) -> socket.socket:
    """A connection to a worker's control socket on which it is this process that listens. Raises OSError, WorkerError.

    A worker that is only just starting has its socket from the control plane that started it and is not yet who
    listens (SO_PEERCRED names who called listen(2) last), or its line of callers is full: it is tried again.
    """
    pause, longest = AGAIN_S
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.setblocking(False)
            at_socket(records.folder(runtime), f"{record.id}.sock", sock.connect)
            pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except BlockingIOError:
            sock.close()
        except OSError:
            sock.close()
            raise
        else:
            if (pid, uid) == (record.pid, os.getuid()):
                return sock
            sock.close()
            if uid != os.getuid():
                raise WorkerError("worker.peer", f"user {uid} listens at its control socket")
        await asyncio.sleep(pause)
        pause = min(longest, pause * 2)


def _has_ended(record: WorkerRecord) -> bool:
    """A zombie, whose parent has not reaped it yet."""
    one = proc.stat(record.pid)
    return one is not None and one.state == "Z"


def _why(error: Exception) -> str:
    if isinstance(error, WorkerError):
        return error.what
    return f"its control socket cannot be reached ({getattr(error, 'strerror', None) or error})"
