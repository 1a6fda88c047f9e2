"""Asking a worker that hangs, and looking at it from outside, within one deadline.

It is asked by signals, and only where it is prepared for them: without a handler they would kill it. A thread that is
left behind where the deadline passes does the looking, because some files of /proc wait for locks of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from steadycast.tracking import facts
from steadycast.tracking.facts import ProcessFacts
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord
from steadycast.workers.start import GRAPH, STACKS

LOOK_EVERY_S = 0.02
SETTLED_LOOKS = 4  # the log grew no more: the stacks are whole
READ_BYTES = 262_144
LOG_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Part:
    """A text, or why there is none."""

    text: str | None = None
    why: str | None = None


@dataclass(eq=False)
class Inquiry:
    """One asking and looking; `run` it once. What is not filled in when time is up says so. `folder` has the log."""

    folder: Path
    record: WorkerRecord
    process: Process
    stacks: Part = Part(why="not asked in time")
    graph: Part = Part(why="not asked in time")
    log: Part = Part(why="it has no log")
    facts: ProcessFacts = field(init=False)
    _state: str | None = None

    def __post_init__(self) -> None:
        self.facts = ProcessFacts(self.record.pid)

    async def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        log_file = self.folder / f"{self.record.id}.log"
        size = _size(log_file)
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        looked = self._look(asked)
        await asyncio.wait({asked}, timeout=seconds / 2)
        self.log = _read(log_file, max(0, size - LOG_BYTES), size) or self.log
        if asked.done():
            await asyncio.gather(self._await_stacks(log_file, size, until), self._await_graph(until))
        await asyncio.wait({looked}, timeout=max(0.0, until - time.monotonic()))
        self.facts = replace(self.facts)  # the thread may go on: what it fills in later is not for us

    def _look(self, asked: asyncio.Future[None]) -> asyncio.Future[None]:
        """In a thread: first what says whether it can be asked (and then ask), then the rest."""
        loop, pid, found = asyncio.get_running_loop(), self.record.pid, self.facts

        def work() -> None:
            first, *rest = facts.steps(found)
            first()
            self._state = found.state
            self.stacks = self._can(facts.catches(pid, STACKS), "it is not so far that it could be asked")
            self.graph = self._can(facts.waits_for(pid, GRAPH), "nothing in it answers that")
            loop.call_soon_threadsafe(self._ask, asked)
            for step in rest:
                step()

        return beside(work)

    def _can(self, prepared: bool, why: str) -> Part:
        if self._state in ("T", "t"):
            return Part(why="the process is stopped (SIGSTOP, or a debugger)")
        if self._state in (None, "Z", "X"):
            return Part(why="the process has ended")
        return Part() if prepared else Part(why=why)

    def _ask(self, asked: asyncio.Future[None]) -> None:
        for part, number in ((self.stacks, STACKS), (self.graph, GRAPH)):
            if part.why is None:
                self.process.send(number)
        if not asked.done():
            asked.set_result(None)

    async def _await_stacks(self, path: Path, start: int, until: float) -> None:
        if self.stacks.why is not None:
            return
        size, settled = start, 0
        while settled < SETTLED_LOOKS and time.monotonic() < until and not self.process.exited.done():
            await asyncio.sleep(LOOK_EVERY_S)
            now = _size(path)
            settled = settled + 1 if now == size and now > start else 0
            size = now
        state = " (it waits in the kernel for a device: D)" if self._state == "D" else ""
        self.stacks = _read(path, start, size) or Part(why=f"it did not answer{state}")

    async def _await_graph(self, until: float) -> None:
        if self.graph.why is not None:
            return
        path = self.folder / f"{self.record.id}.dot"
        while not path.exists() and time.monotonic() < until and not self.process.exited.done():
            await asyncio.sleep(LOOK_EVERY_S)
        self.graph = _read(path, 0, READ_BYTES) or Part(why="it did not answer: something holds the interpreter's lock")


def beside(work: Callable[[], None]) -> asyncio.Future[None]:
    """Do what may block for good in a thread of its own, which is left behind where nobody waits any more."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: OSError | ValueError | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        told: OSError | ValueError | None = None
        try:
            work()
        except (OSError, ValueError) as error:
            told = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, told)

    threading.Thread(target=run, name="evidence", daemon=True).start()
    return done


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, start: int, end: int) -> Part | None:
    """Bytes of a file as text; None where there are none."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            text = file.read(max(0, min(end - start, READ_BYTES))).decode(errors="replace").strip("\0\n ")
    except OSError:
        return None
    return Part(text) if text else None
