"""What tells of one worker from outside: descriptors that we have for it, how it ended, the last lines of its log."""

from __future__ import annotations

import os
from pathlib import Path

from steadycast.model import Receipt
from steadycast.tracking import receipts
from steadycast.tracking.receipts import Descriptor
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
