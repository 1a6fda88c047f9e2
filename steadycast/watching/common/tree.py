"""The end of a server's processes: asked, its signal, SIGKILL, then all that it left; each rung with its deadline."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

from steadycast.patience import Patience
from steadycast.tracking import proc
from steadycast.tracking.families import Identity, family, near
from steadycast.watching.common.ladder import Ladder, Outcome, Rung
from steadycast.watching.common.running import run
from steadycast.workers.process import Process, kill, reap

MARK = "STEADYCAST_GUARD"  # environment variable of everything that descends from a command that we started
LOOK_EVERY_S = 0.05
LEFT_S = 3.0  # for what it left, after each of SIGTERM and SIGKILL

Members = Callable[[], set[Identity]]


def marked(head: Identity, mark: str, known: set[Identity], *, by_session: bool) -> set[Identity]:
    """The family of a command that guard started: also those that forked away. Zombies of ours are reaped."""
    found = family(head, (MARK, mark), frozenset(known), by_session=by_session)
    living = {Identity(one.pid, one.start_time) for one in found if one.state != "Z"}
    for one in found:
        if one.state == "Z":
            reap(Identity(one.pid, one.start_time))
    known |= living
    return living


def descended(head: Identity, known: set[Identity]) -> set[Identity]:
    """Descendants of a process that guard was given, and those known from earlier looks that are still there."""
    known |= set(near(head.pid)) if proc.is_same(head.pid, head.start_time) else set()
    known -= {one for one in known if not is_living(one)}
    return set(known)


def is_living(identity: Identity) -> bool:
    """Whether this very process is there and no zombie."""
    one = proc.stat(identity.pid)
    return one is not None and one.start_time == identity.start_time and one.state != "Z"


async def end(process: Process | None, members: Members, ladder: Ladder, environment: dict[str, str]) -> Outcome:
    """End a server and all that belongs to it. `process` is None where its head is gone already."""
    rungs: list[Rung] = []
    if process is not None and not process.exited.done():
        members()  # as long as its children can be found by it
        await _end_head(process, ladder, environment, rungs)
    if process is not None and not process.exited.done():
        pid = process.identity.pid
        text = f"process {pid} does not end, not even by SIGKILL (state {_state(pid)}): a driver or a disk holds it"
        return Outcome(False, text, tuple(rungs), stuck=True)
    left = await _end_left(members, rungs)
    if left:
        pids = ", ".join(str(one.pid) for one in sorted(left)[:8])
        return Outcome(False, f"processes that it left do not end: {pids}", tuple(rungs), stuck=True)
    return Outcome(True, "; ".join(f"{one.name}: {one.outcome}" for one in rungs) or "it was gone", tuple(rungs))


async def _end_head(process: Process, ladder: Ladder, environment: dict[str, str], rungs: list[Rung]) -> None:
    if ladder.command is not None:
        began = time.monotonic()
        ran = await run(ladder.command, ladder.command_s, environment)
        rest = max(0.0, ladder.command_s - (time.monotonic() - began)) if ran.ok else 0.0
        gone = await process.wait(rest)
        rungs.append(Rung("stop command", time.monotonic() - began, "ended" if gone else f"{ran.words()}; still there"))
    first = signal.Signals[ladder.signal]
    for number, deadline in ((first, ladder.graceful_s), (signal.SIGKILL, ladder.kill_s)):
        if process.exited.done():
            return
        began = time.monotonic()
        try:
            process.send(number)
            process.send(signal.SIGCONT)  # a stopped one would not hear it
        except PermissionError:
            rungs.append(Rung(number.name, 0.0, "not allowed to signal it"))
            continue
        gone = await process.wait(deadline)
        took = time.monotonic() - began
        rungs.append(Rung(number.name, took, f"ended in {took:.1f} s" if gone else f"still there after {deadline:g} s"))


async def _end_left(members: Members, rungs: list[Rung]) -> set[Identity]:
    left = members()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not left:
            break
        began, count = time.monotonic(), len(left)
        left = await _until_gone(members, number)
        outcome = "gone" if not left else f"{len(left)} still there"
        rungs.append(Rung(f"{number.name} to {count} that it left", time.monotonic() - began, outcome))
    return left


async def _until_gone(members: Members, number: signal.Signals) -> set[Identity]:
    """Each is signalled once; those that are forked meanwhile too."""
    told: set[Identity] = set()
    waiting = Patience(LEFT_S, time.monotonic())
    while left := members():
        for one in left - told:
            kill(one, number)
            kill(one, signal.SIGCONT)
        told |= left
        if waiting.over(time.monotonic()):
            break
        await asyncio.sleep(LOOK_EVERY_S)
    return left


def _state(pid: int) -> str:
    one = proc.stat(pid)
    return one.state if one is not None else "unknown"
