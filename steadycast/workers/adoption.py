"""A new control plane goes on with the workers of a former one: each is found, asked who it is and what it holds."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
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
from steadycast.workers.ladder import LOOK_S
from steadycast.workers.launch import Launched, at_socket
from steadycast.workers.leftovers import Leftover, Leftovers, end_leftover, find_leftovers, written_down
from steadycast.workers.messages import TakeStock
from steadycast.workers.messages.stock import DisplayStock, EgressStock, LobbyStock, Stock
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord
from steadycast.workers.worker import NOT_ADOPTED, Surroundings, Worker

log = structlog.get_logger("workers")

STOCKS: Mapping[WorkerKind, type[Stock]] = {
    WorkerKind.LOBBY: LobbyStock,
    WorkerKind.EGRESS: EgressStock,
    WorkerKind.DISPLAY: DisplayStock,
}
AT_ONCE = 32  # leftovers that are ended
PAGES = 1000  # of one stock
SWEPT = 200  # names that are told
AGAIN_S = (0.05, 1.0)  # first and longest pause before a worker that is only just starting is tried again
STOPPED_S = 0.5  # what a stopped process has to go on; a host that waits for it does not answer its callers
ENDED = "ended while there was no control plane"


@dataclass(frozen=True, slots=True)
class Adopted:
    """A worker that goes on, and what it holds: a `LobbyStock`, `EgressStock` or `DisplayStock` by its kind.

    What it says is kept until somebody calls `worker.take`.
    """

    worker: Worker
    stock: Stock


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a new control plane found. `ended` are receipts of those that were not adopted (told to `on_receipt`, too);
    `swept` names what else was left of a former life and is gone now, the first `SWEPT` of it; `took_s` is seconds."""

    adopted: tuple[Adopted, ...] = ()
    ended: tuple[Receipt, ...] = ()
    swept: tuple[str, ...] = ()
    took_s: float = 0.0


class Muster:
    """Calls all workers of a former control plane, once. `hold` gets each that answers at its socket, before it is
    known whether it is adopted; `on_receipt` the receipts of those that do not."""

    def __init__(
        self, around: Surroundings, hold: Callable[[Worker], None], on_receipt: Callable[[Receipt], None]
    ) -> None:
        self._around = around
        self._hold = hold
        self._on_receipt = on_receipt
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._swept: list[str] = []

    async def call(self) -> Adoption:
        """All at once, because nobody should wait behind one that hangs; each within `adopt_s`. Those that are not
        adopted are gone when this returns."""
        began = time.monotonic()
        found = await self._find()
        self._swept += found.swept
        answers = await asyncio.gather(*(self._one(leftover) for leftover in found.leftovers))
        adopted = tuple(one for one in answers if isinstance(one, Adopted))
        ended = tuple(one for one in answers if isinstance(one, Receipt))
        for receipt in ended:
            log.warning(NOT_ADOPTED, worker=receipt.worker, pid=receipt.pid, cause=receipt.cause, clean=receipt.clean)
        return Adoption(adopted, ended, tuple(self._swept[:SWEPT]), time.monotonic() - began)

    async def _find(self) -> Leftovers:
        """Where the kernel does not answer in time, those that are written down: the others end by themselves."""
        looking = asyncio.get_running_loop().run_in_executor(self._around.looks, find_leftovers, self._around.runtime)
        try:
            async with asyncio.timeout(LOOK_S):
                return await looking
        except TimeoutError:
            log.error("not all that was left can be looked for", within_s=LOOK_S)
            return Leftovers(tuple(written_down(self._around.runtime)), ())

    async def _one(self, leftover: Leftover) -> Adopted | Receipt:
        record = leftover.record
        process = Process.find(Identity(record.pid, record.start_time)) if record.boot == proc.boot_id() else None
        if process is None or leftover.fault is not None or _has_ended(record):
            return await self._end(leftover, process, leftover.fault or ENDED)
        until = asyncio.get_running_loop().time() + self._around.settings.adopt_s
        try:
            async with asyncio.timeout_at(until):
                sock = await _connected(self._around.runtime, record)
        except (OSError, TimeoutError, WorkerError) as error:
            return await self._end(leftover, process, f"{NOT_ADOPTED}: {_why(error)}")
        except asyncio.CancelledError:
            process.close()
            raise
        worker = Worker(Launched(record, process, sock), self._around, WorkerState.ADOPTED)
        self._hold(worker)
        return await self._ask(worker, until)

    async def _end(self, leftover: Leftover, process: Process | None, cause: str) -> Receipt:
        async with self._turn:
            receipt, swept = await end_leftover(leftover, process, self._around, cause)
        self._swept += swept
        self._on_receipt(receipt)
        return receipt

    async def _ask(self, worker: Worker, until: float) -> Adopted | Receipt:
        loop = asyncio.get_running_loop()
        try:
            if not await worker.says_hello(STOPPED_S) and not _is_stopped(worker):
                await worker.says_hello(max(0.0, until - loop.time()))
            if not worker.greeted:
                raise DeadlineError("worker.hello", self._no_hello(worker))
            stock = await take_stock(worker, until)
        except (SteadycastError, CodecError) as error:
            why = error.what if isinstance(error, SteadycastError) else f"what it holds makes no sense: {error}"
            return await worker.end(f"{NOT_ADOPTED}: {why}")
        worker.adopted()
        return Adopted(worker, stock) if worker.ready else await worker.gone

    def _no_hello(self, worker: Worker) -> str:
        within = f"it said no hello within {self._around.settings.adopt_s:g} s"
        return "it is stopped" if _is_stopped(worker) else within


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
    if isinstance(error, TimeoutError):
        return "it did not come to listen at its control socket in time"
    return f"its control socket cannot be reached ({getattr(error, 'strerror', None) or error})"
