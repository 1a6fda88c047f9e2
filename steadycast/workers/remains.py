"""What tells of one worker from outside: descriptors that we have for it, how it ended, the last lines of its log."""

from __future__ import annotations

import os
from pathlib import Path

from steadycast.model import Check, Receipt
from steadycast.tracking import receipts
from steadycast.tracking.receipts import Descriptor, Held, Outcome
from steadycast.workers import records
from steadycast.workers.child import WORKER
from steadycast.workers.ladder import Ladder
from steadycast.workers.launch import Launched

LOG_TAIL_BYTES = 4096


def descriptors_of(launched: Launched) -> tuple[Descriptor, ...]:
    pidfd = launched.process.pidfd
    named = [("control socket", launched.sock.fileno())]
    return receipts.describe(named + ([("pidfd", pidfd)] if pidfd is not None else []))


def how_it_ended(receipt: Receipt) -> str:
    if receipt.signal is not None:
        return f"signal {receipt.signal}"
    return "not reaped" if receipt.exit_code is None else f"exit code {receipt.exit_code}"


def read_tail(path: Path) -> str:
    """The last lines of a log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
            return file.read(LOG_TAIL_BYTES).decode(errors="replace").strip()
    except OSError:
        return ""


def unknown_end(ladder: Ladder, cause: str, why: str) -> Receipt:
    """The receipt of a worker that could not be looked at."""
    record, process = ladder.record, ladder.process
    held = Held(
        worker=record.id,
        kind=record.kind,
        lobby=record.lobby,
        identity=ladder.identity,
        mark=(WORKER, record.id),
        started=record.started,
        folder=records.folder(ladder.runtime),
    )
    code, killed_by = (process.exit_code, process.killed_by) if process else (None, None)
    return receipts.write(held, Outcome(cause, code, killed_by, tuple(ladder.rungs)), (Check("all", None, why),))
