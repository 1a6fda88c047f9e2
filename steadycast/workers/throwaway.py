"""A child for one question: it is started, answers with one line of JSON, and is gone, whatever it does.

It has a session of its own, so that it ends with all that it started. What it says is bounded, whatever a debug setting
makes it say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.workers.process import kill

KILL_S = 5.0  # from SIGKILL until reaped
LOOK_S = 0.02  # between looks whether what was killed is gone
OUTPUT_BYTES = 65_536  # of each of its streams; a list of element descriptions is the longest answer


@dataclass(frozen=True, slots=True)
class Ending:
    """How it went: `told` is its last line, `why` says why that is no good answer (None: it is one).

    `code` is its exit code, or the negative number of the signal that ended it; None where it did not end by itself.
    `hung`: it did not within its deadline.
    """

    told: dict[str, Any] = field(default_factory=dict)
    why: str | None = None
    code: int | None = None
    hung: bool = False


async def ask(
    command: Sequence[str],
    deadline_s: float,
    question: bytes = b"",
    environment: Mapping[str, str] | None = None,
    output_bytes: int = OUTPUT_BYTES,
) -> Ending:
    """Run the child; `question` is its standard input. It is ended and reaped when this returns or is cancelled."""
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
        )
    except OSError as error:
        return Ending(why=f"the child cannot be started: {error.strerror}")
    started = proc.start_time(child.pid) or 0
    assert child.stdout is not None and child.stderr is not None
    talking = asyncio.gather(
        _last_bytes(child.stdout, output_bytes),
        _last_bytes(child.stderr, output_bytes),
        child.wait(),
        _tell(child, question),
    )
    silent = False
    try:
        out, err, code, _ = await asyncio.wait_for(talking, deadline_s)
        silent = True
    except TimeoutError:
        return Ending(why=f"no answer within {deadline_s:g} s", hung=True)
    finally:
        await _end(child, started, silent)
    told, why = judge(out, err, code)
    return Ending(told, why, code)


def judge(out: bytes, err: bytes, code: int) -> tuple[dict[str, Any], str | None]:
    """What the child told (its last line, JSON), and why it counts as failed; None: it went well. Pure."""
    lines = out.decode(errors="replace").strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else {}
    except (ValueError, RecursionError):
        told = {}
    told = told if isinstance(told, dict) else {}
    if told.get("ok") is True and code == 0:
        return told, None
    last = err.decode(errors="replace").strip().splitlines()[-1:]
    said = next((str(told[key]) for key in ("why", "what", "error") if told.get(key)), None)
    return told, said or (last[0] if last else _ended_with(code))


def _ended_with(code: int) -> str:
    if code >= 0:
        return f"the child ended with {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"the child was ended by {name}"


async def _tell(child: asyncio.subprocess.Process, question: bytes) -> None:
    """It may end without listening, which its exit code tells better."""
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(question)
        await child.stdin.drain()
    child.stdin.close()


async def _last_bytes(stream: asyncio.StreamReader, most: int) -> bytes:
    """The end of what a stream brings."""
    kept = b""
    while chunk := await stream.read(most):
        kept = (kept + chunk)[-most:]
    return kept


async def _end(child: asyncio.subprocess.Process, started: int, silent: bool) -> None:
    """The child and what it started are gone, by SIGKILL: it holds nothing that wants a goodbye.

    `silent`: all of its output was closed, so nothing of it is left. Once it is reaped its number may be somebody
    else's: then only processes that are still in its session are ended, each by its own identity.
    """
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    elif silent:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_S):
            await child.wait()  # until its pipes are closed, too
            while left := _session(child.pid, started):  # what is killed dies a moment later
                for one in left:
                    kill(one, signal.SIGKILL)
                await asyncio.sleep(LOOK_S)


def _session(leader: int, started: int) -> list[Identity]:
    """Who still runs in the session of the child with pid `leader`, which began at `started`."""
    living = (one for one in proc.processes().values() if one.state != "Z")
    return [Identity(one.pid, one.start_time) for one in living if one.session == leader and one.start_time >= started]
