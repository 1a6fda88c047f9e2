"""Workers that a former control plane left: found by their records, ended by the same ladder, with receipts."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from steadycast.config.settings import WorkerSettings
from steadycast.model import Receipt, WorkerKind
from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.workers import records
from steadycast.workers.child import WORKER
from steadycast.workers.ladder import Ladder
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord

log = structlog.get_logger("workers")

CAUSE = "left by a former control plane"
AT_ONCE = 32


async def clear_leftovers(runtime: Path, settings: WorkerSettings) -> tuple[Receipt, ...]:
    """End all workers of a former control plane and remove their files; one receipt for each.

    A process is ended only if pid, start time and boot are those of the record, or its environment names the worker.
    """
    with ThreadPoolExecutor(1, "leftovers") as looks:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(looks, _find, runtime)
        turn = asyncio.Semaphore(AT_ONCE)

        async def end(record: WorkerRecord) -> Receipt:
            async with turn:
                return await _end(runtime, record, settings, looks)

        receipts = tuple(await asyncio.gather(*(end(record) for record in found)))
    for receipt in receipts:
        log.warning("leftover ended", worker=receipt.worker, pid=receipt.pid, clean=receipt.clean)
    return receipts


async def _end(runtime: Path, record: WorkerRecord, settings: WorkerSettings, looks: ThreadPoolExecutor) -> Receipt:
    process = Process.find(Identity(record.pid, record.start_time)) if record.boot == proc.boot_id() else None
    ladder = Ladder(runtime, record, process, settings, looks)
    try:
        await ladder.climb_down(lambda: False)
    finally:
        if process is not None:
            process.close()
    return await ladder.look(CAUSE, ())


def _find(runtime: Path) -> tuple[WorkerRecord, ...]:
    """Records, and what can be known of workers whose control plane ended before it wrote one."""
    found = list(records.read_all(runtime))
    strays = set(records.stray_workers(runtime))
    if not strays:
        return tuple(found)
    for one in proc.processes().values():
        worker = (proc.environment(one.pid) or {}).get(WORKER)
        if worker in strays and one.session == one.pid:
            strays.discard(worker)
            found.append(_record(worker, Identity(one.pid, one.start_time)))
    for worker in strays:
        records.remove_files(runtime, worker)
    return tuple(found)


def _record(worker: str, identity: Identity) -> WorkerRecord:
    kind = WorkerKind(worker.partition("-")[0])
    return WorkerRecord(worker, kind, identity.pid, identity.start_time, proc.boot_id(), "", None, time.time())
