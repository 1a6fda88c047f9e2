"""Asks whether media works here at all: a throw-away child builds and plays a tiny pipeline and says how it went.

One child at a time, and its answer is kept for some seconds, so that asking often costs little.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

CHILD = (sys.executable, "-m", "steadycast.workers.canary_child")
DEADLINE_S = 20.0  # a first start on a slow machine also writes the GStreamer registry
FRESH_S = 5.0
KILL_S = 5.0  # from SIGKILL until reaped
_OUTPUT_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """How it went: `why` where it did not, and what the child told. `at` is Unix seconds, `took_s` seconds."""

    ok: bool
    why: str | None
    at: float
    took_s: float
    told: dict[str, Any] = field(default_factory=dict)


class Canary:
    """Runs the child when asked and its last answer is old."""

    def __init__(
        self,
        command: Sequence[str] = CHILD,
        deadline_s: float = DEADLINE_S,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._command = tuple(command)
        self._deadline_s = deadline_s
        self._fresh_s = fresh_s
        self._clock = clock
        self._running: asyncio.Task[CanaryResult] | None = None
        self._last: CanaryResult | None = None

    async def look(self) -> CanaryResult:
        """The last answer if it is fresh, else a new one; everybody who asks meanwhile waits for the same child."""
        if self._last is not None and self._clock() - self._last.at < self._fresh_s:
            return self._last
        if self._running is None:
            self._running = asyncio.create_task(self._look())
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """End the child that may be running."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _look(self) -> CanaryResult:
        began = self._clock()
        try:
            told, why = await self._run()
            ended = self._clock()
            self._last = CanaryResult(why is None, why, ended, ended - began, told)
            return self._last
        finally:
            self._running = None

    async def _run(self) -> tuple[dict[str, Any], str | None]:
        """What the child told, and why it failed."""
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            return {}, f"the child cannot be started: {error.strerror}"
        assert child.stdout is not None and child.stderr is not None
        reading = asyncio.gather(_last_bytes(child.stdout), _last_bytes(child.stderr), child.wait())
        try:
            out, err, code = await asyncio.wait_for(reading, self._deadline_s)
        except TimeoutError:
            return {}, f"no answer within {self._deadline_s:g} s"
        finally:
            await _end(child)
        return judge(out, err, code)


def judge(out: bytes, err: bytes, code: int) -> tuple[dict[str, Any], str | None]:
    """What the child told (its last line, JSON), and why it counts as failed; None: it went well. Pure."""
    lines = out.decode(errors="replace").strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else {}
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    if told.get("ok") is True and code == 0:
        return told, None
    last = err.decode(errors="replace").strip().splitlines()[-1:]
    said = next((str(told[key]) for key in ("why", "what", "error") if told.get(key)), None)
    return told, said or (last[0] if last else f"the child ended with {code}")


async def _last_bytes(stream: asyncio.StreamReader) -> bytes:
    """The end of what a stream brings: bounded, whatever a debug setting makes the child say."""
    kept = b""
    while chunk := await stream.read(_OUTPUT_BYTES):
        kept = (kept + chunk)[-_OUTPUT_BYTES:]
    return kept


async def _end(child: asyncio.subprocess.Process) -> None:
    """The child and its process group are gone, by SIGKILL: it holds nothing that wants a goodbye."""
    if child.returncode is not None:
        return  # reaped: its number may be somebody else's by now
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(child.wait(), KILL_S)
