"""What is kept of each restart, before anything is ended: why, the last lines, what /proc tells, findings, health.

Bounded in number and size, masked, within a deadline; what could not be had is said. The environment is never kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steadycast.tracking.facts import ProcessFacts, steps
from steadycast.tracking.families import Identity
from steadycast.tracking.signatures.masking import masked
from steadycast.watching.common.running import run
from steadycast.watching.guard.policy import EvidencePolicy
from steadycast.workers.codec import to_plain

LOOK_S = 3.0  # for /proc: some of its files wait for a lock that a hung process may hold
PROCESSES = 16  # of the server that are looked at
_CASE = re.compile(r"^\d{8}T\d{6}-\d{3}-[a-z_]+\.json$")


@dataclass(frozen=True, slots=True)
class Case:
    """One restart: `cause` and `why`, `trail` of the decision, and what is known of the server (plain values)."""

    cause: str
    why: str
    trail: tuple[str, ...]
    known: dict[str, Any]
    lines: tuple[str, ...]


class EvidenceFolder:
    """Where cases are kept; the oldest go."""

    def __init__(self, folder: Path, policy: EvidencePolicy) -> None:
        self._folder = folder
        self._policy = policy

    async def keep(self, case: Case, members: Sequence[Identity], environment: dict[str, str]) -> str | None:
        """Look and write it down: the name of the file, None where it could not be written."""
        looked = [ProcessFacts(one.pid) for one in members[:PROCESSES]]
        in_time = await _beside(looked)
        command = await self._command(members, environment)
        body = {
            "at": time.time(),
            "cause": case.cause,
            "why": case.why,
            "trail": list(case.trail),
            "processes": [_plain(one) for one in looked],
            "processes_not_shown": max(0, len(members) - PROCESSES),
            "looked_in_time": in_time,
            "command": command,
            **case.known,
            "log": list(case.lines),
        }
        return await asyncio.to_thread(self._write, body)

    async def _command(self, members: Sequence[Identity], environment: dict[str, str]) -> dict[str, Any] | None:
        """The policy's own look (a debugger, say); `{pid}` in its words is the server's."""
        if self._policy.command is None:
            return None
        pid = str(members[0].pid) if members else ""
        words = [word.replace("{pid}", pid) for word in self._policy.command]
        ran = await run(words, self._policy.command_s, environment)
        return {"outcome": ran.words(), "output": masked(ran.output)}

    def _write(self, body: dict[str, Any]) -> str | None:
        moment = datetime.fromtimestamp(body["at"], UTC)
        name = f"{moment:%Y%m%dT%H%M%S}-{moment.microsecond // 1000:03d}-{body['cause']}.json"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._forget(self._policy.cases - 1)
            descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(fitted(body, self._policy.case_bytes))
        except OSError:
            return None
        return name

    def _forget(self, left: int) -> None:
        cases = sorted(path for path in self._folder.iterdir() if _CASE.match(path.name))
        for path in cases[: max(0, len(cases) - left)]:
            with contextlib.suppress(OSError):
                path.unlink()


def fitted(body: dict[str, Any], most: int) -> bytes:
    """As JSON of at most so many bytes: the oldest lines go first, then what the command printed, then the rest."""
    lines = list(body["log"])
    while True:
        data = json.dumps({**body, "log": lines}, indent=1, default=str).encode()
        if len(data) <= most:
            return data
        if lines:
            lines = lines[len(lines) // 2 + 1 :]
        elif body.get("command"):
            body = {**body, "command": None}
        elif len(body) > 4:
            body = {key: body[key] for key in ("at", "cause", "why", "log")}
        else:
            return json.dumps({"at": body["at"], "cause": body["cause"], "why": str(body["why"])[:1000]}).encode()


async def _beside(facts: list[ProcessFacts]) -> bool:
    """Look on a thread that is left behind where the kernel does not answer; whether it came to its end in time."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def look() -> None:
        for one in facts:
            for step in steps(one):
                step()
        with contextlib.suppress(RuntimeError):  # guard ended meanwhile
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=look, name="evidence", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await done.wait()
    return done.is_set()


def _plain(facts: ProcessFacts) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(facts)
    if isinstance(plain.get("command"), str):
        plain["command"] = masked(plain["command"])
    return plain
