"""Guard in a test: a policy in a folder of its own, a keeper that runs in the test's loop, waits for what it says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from steadycast.tracking import proc
from steadycast.watching.guard.assemble import build, make_target, state_folder
from steadycast.watching.guard.keeper import Keeper
from steadycast.watching.guard.load import load_policy
from steadycast.watching.guard.lock import Locks

DEADLINE_S = 30.0
PYTHON = sys.executable
PROGRAM = Path(PYTHON).resolve().name
SERVER = Path(__file__).with_name("guarded_child.py")
QUICK = """
look_every_s = 0.1
state = "{folder}/state"
"""
BUDGET = """
[budget]
restarts = 3
window_s = 60
backoff_s = [0.05, 0.2]
settled_s = 0.5
"""


def toml(words: list[str]) -> str:
    """A list of words as TOML."""
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


@dataclass
class Kept:
    """A keeper that runs, and its task."""

    keeper: Keeper
    task: asyncio.Task[int]

    @property
    def said(self) -> list[str]:
        return [one.text for one in self.keeper.journal.entries()]

    @property
    def pid(self) -> int | None:
        return self.keeper.life.pid if self.keeper.life is not None else None

    async def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait for a state; what guard said is shown where it does not come."""
        end = time.monotonic() + DEADLINE_S
        while not is_so():
            if self.task.done():
                self.task.result()
            assert time.monotonic() < end, f"{what} did not come; guard said: {self.said}"
            await asyncio.sleep(0.02)

    async def until_said(self, part: str, times: int = 1) -> None:
        """Wait until guard says something so often."""
        await self.until(lambda: sum(part in text for text in self.said) >= times, repr(part))


def write_policy(folder: Path, text: str, name: str = "server") -> Path:
    """A policy with quick looks and its state beside it."""
    path = folder / f"{name}.toml"
    path.write_text(QUICK.format(folder=folder) + text)
    return path


@contextlib.asynccontextmanager
async def guarding(folder: Path, text: str, name: str = "server", *, dry: bool = False) -> AsyncIterator[Kept]:
    """Guard by a policy until the end of the block; the server ends with it, whatever the policy says."""
    policy = load_policy(write_policy(folder, text, name))
    state = state_folder(policy, os.environ)
    state.mkdir(parents=True, exist_ok=True)
    locks = Locks(folder)
    target = make_target(policy, state)
    locks.take(target.name)
    keeper = build(policy, state, target, None if dry else locks)
    kept = Kept(keeper, asyncio.create_task(keeper.run()))
    try:
        yield kept
    finally:
        keeper.stop()
        await asyncio.wait({kept.task}, timeout=DEADLINE_S)
        locks.close()


def lives(pid: int | None) -> bool:
    """Whether a process is there and no zombie."""
    one = proc.stat(pid) if pid is not None else None
    return one is not None and one.state != "Z"


def end(pid: int | None) -> None:
    """End a process that a test started."""
    with contextlib.suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def end_all(folder: Path) -> None:
    """End what a test that failed left behind: all whose command line names its folder."""
    for pid in proc.processes():
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in (proc.PROC / str(pid) / "cmdline").read_bytes():
                end(pid)
