"""What others ask of a guard that runs, by its state file and by signals: how it is, and to reset."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from steadycast.errors import ConflictError, NotFoundError
from steadycast.watching.guard import record as records
from steadycast.watching.guard.assemble import make_target, state_folder
from steadycast.watching.guard.load import load_policy
from steadycast.watching.guard.lock import is_held, lock_folder


def read_status(path: Path) -> dict[str, Any]:
    """What the guard of a policy wrote last; `guard_runs` says whether it still does. Raises SteadycastError."""
    record, runs = _read(path)
    return {**record.status, "guard_runs": runs, "guard_pid": record.guard}


def signal_reset(path: Path) -> None:
    """Ask the guard of a policy to take its latch off. Raises SteadycastError where none runs."""
    record, runs = _read(path)
    if not runs:
        raise ConflictError("guard.not_running", "No guard runs for this policy.", hint=f"steadycast guard {path}")
    os.kill(record.guard, signal.SIGUSR1)


def _read(path: Path) -> tuple[records.Record, bool]:
    policy = load_policy(path)
    folder = state_folder(policy, os.environ)
    target = make_target(policy, folder)
    record = records.read(folder, target.name)
    if record is None:
        hint = f"steadycast guard {path} starts one."
        raise NotFoundError("guard.unknown", f"No guard ever ran for {policy.name}.", hint=hint)
    return record, is_held(lock_folder(), target.name) is True
