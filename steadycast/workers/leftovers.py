"""What a former control plane left that cannot be adopted: found in the runtime folder and by its mark, and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from steadycast.model import Receipt, WorkerKind
from steadycast.tracking import displays, proc
from steadycast.tracking.proc import ProcessStat
from steadycast.workers import records
from steadycast.workers.child import HOME, WORKER
from steadycast.workers.evidence import Hang, before_kill
from steadycast.workers.ladder import Ladder
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord
from steadycast.workers.remains import unknown_end
from steadycast.workers.surroundings import Surroundings

log = structlog.get_logger("workers")

NO_RECORD = "not adopted: it was not written down"
AT_ONCE = 32  # that are ended
SWEPT = 200  # names that are told
WORKER_GONE = "left by a worker that ended"
NO_RECEIPT = "it ended just before its control plane did"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A worker of a former control plane. `fault` says why it is not even asked: its record is then made up of its
    `processes`, which are named."""

    record: WorkerRecord
    fault: str | None = None
    processes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftovers:
    """All that was found; `swept` names files that were removed at once, because nothing else is left of a worker."""

    leftovers: tuple[Leftover, ...]
    swept: tuple[str, ...]


def find_leftovers(runtime: Path) -> Leftovers:
    """Workers with a record, and what can be known of those without one: by their files, by their mark of this host.

    Reads all processes; not for the event loop.
    """
    strays = set(records.stray_workers(runtime))
    found = written_down(runtime)
    known = {leftover.record.id for leftover in found}
    marked = _marked(runtime, strays, known)
    found += [_without_record(worker, members) for worker, members in marked.items()]
    swept: list[str] = []
    for worker in sorted(strays - set(marked)):
        swept += _remove(runtime, worker)
    return Leftovers(tuple(found), tuple(swept))


def written_down(runtime: Path) -> list[Leftover]:
    """Workers with a record, also those that ended without a receipt."""
    found = [Leftover(record) for record in records.read_all(runtime)]
    return found + [Leftover(record, NO_RECEIPT) for record in records.read_ended(runtime)]


async def end_leftover(
    leftover: Leftover, process: Process | None, around: Surroundings, cause: str, hang: Hang | None = None
) -> tuple[Receipt, tuple[str, ...]]:
    """End what is left of a worker that has no channel; its receipt, and the names of what went with it.

    A process is ended only if pid, start time and boot are those of the record, or its environment names the worker.
    """
    record = leftover.record
    ladder = Ladder(around.runtime, record, process, around.settings, around.looks, around.gauge)
    before = _things(around.runtime, record.id)
    try:
        kept = await before_kill(around.evidence, ladder, cause, hang, {})
        await ladder.climb_down(lambda: False)
        receipt = replace(await ladder.look(cause, ()), evidence=kept)
    except (OSError, TimeoutError) as error:  # the kernel does not answer: the others go on
        log.error("end failed", worker=record.id, why=repr(error))
        receipt = unknown_end(ladder, cause, repr(error))
    finally:
        if process is not None:
            process.close()
    return receipt, _gone(before) + (leftover.processes if receipt.clean else ())


class LeftoverEnds:
    """Ends what is left of workers that have no channel, beside all else. `on_receipt` hears of each; `swept` names
    what went with them, the first `SWEPT`."""

    def __init__(self, around: Surroundings, on_receipt: Callable[[Receipt], None]) -> None:
        self.swept: list[str] = []
        self._around = around
        self._on_receipt = on_receipt
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._running: dict[asyncio.Task[Receipt], Process | None] = {}

    def begin(
        self, leftover: Leftover, process: Process | None, cause: str, hang: Hang | None = None
    ) -> asyncio.Task[Receipt]:
        """End one; its receipt. `hang` as in `Worker.end`."""
        task = asyncio.create_task(self._end(leftover, process, cause, hang), name=f"end of {leftover.record.id}")
        self._running[task] = process
        task.add_done_callback(self._running.pop)
        return task

    def note_swept(self, names: Iterable[str]) -> None:
        """These are gone."""
        self.swept += list(names)[: SWEPT - len(self.swept)]

    async def of_the_dead(self, seconds: float) -> None:
        """Wait at most so long for those whose process was gone already."""
        dead = {task for task, process in self._running.items() if process is None or process.exited.done()}
        if dead:
            await asyncio.wait(dead, timeout=seconds)

    async def over(self) -> None:
        """Wait until all are gone; bounded by the ladder."""
        while self._running:
            await asyncio.wait(set(self._running))

    def kill(self) -> None:
        """SIGKILL to all now; their receipts follow as ever."""
        for process in self._running.values():
            if process is not None:
                process.send(signal.SIGKILL)

    async def _end(self, leftover: Leftover, process: Process | None, cause: str, hang: Hang | None) -> Receipt:
        async with self._turn:
            receipt, swept = await end_leftover(leftover, process, self._around, cause, hang)
        self.note_swept(swept)
        self._on_receipt(receipt)
        write = log.info if receipt.clean else log.error
        write("leftover ended", worker=receipt.worker, pid=receipt.pid, cause=receipt.cause, clean=receipt.clean)
        return receipt


def _gone(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not os.path.lexists(name))


def _things(runtime: Path, worker: str) -> tuple[str, ...]:
    """Files of a worker, and of its displays where nobody serves them any more."""
    numbers, servers = records.claims(runtime, worker, ())
    found = [str(path) for path in sorted(records.folder(runtime).glob(f"{worker}.*"))]
    for number in numbers:
        found += displays.left_over(number, servers)
    return tuple(found)


def _remove(runtime: Path, worker: str) -> tuple[str, ...]:
    names = _things(runtime, worker)
    numbers, servers = records.claims(runtime, worker, ())
    for number in numbers:
        displays.remove(number, servers)
    records.remove_files(runtime, worker)
    return _gone(names)


def _marked(runtime: Path, strays: set[str], known: set[str]) -> dict[str, list[ProcessStat]]:
    """Processes of workers that have no record, oldest first: those of strays, and those that name this host."""
    found: dict[str, list[ProcessStat]] = {}
    for one in proc.processes().values():
        environment = proc.environment(one.pid) or {}
        worker = environment.get(WORKER)
        if one.pid == os.getpid() or worker is None or worker in known or not records.is_worker(worker):
            continue
        if worker in strays or _is_home(one.pid, environment.get(HOME), runtime):
            found.setdefault(worker, []).append(one)
    for members in found.values():
        members.sort(key=lambda one: (one.start_time, one.pid))
    return found


def _is_home(pid: int, home: str | None, runtime: Path) -> bool:
    """Whether a process belongs to this host: its path is ours, and leads it to our folder, not to one of another
    container that has the same name."""
    if home != str(runtime):
        return False
    try:
        return (proc.PROC / str(pid) / "root" / home.lstrip("/")).samefile(runtime)
    except OSError:
        return False


def _without_record(worker: str, members: list[ProcessStat]) -> Leftover:
    """The oldest process is the worker itself, or the first of what it left."""
    kind, head = WorkerKind(worker.partition("-")[0]), members[0]
    record = WorkerRecord(worker, kind, head.pid, head.start_time, proc.boot_id(), "", None, time.time())
    names = tuple(f"process {one.pid} ({one.name})" for one in members)
    return Leftover(record, NO_RECORD if head.session == head.pid else WORKER_GONE, names)
