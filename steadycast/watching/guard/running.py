"""Runs a short command of the policy: within a deadline, its output bounded, its whole group ended if it is late."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steadycast.patience import patience

OUTPUT = 65_536  # bytes that are kept of what it writes
REST_S = 0.3  # for the rest of the output once it ended; a child of it may hold the pipe open
KILLED_S = 2.0


@dataclass(frozen=True, slots=True)
class Ran:
    """`code`: None where it did not run to its end: `late` (the deadline), or `why` it could not."""

    code: int | None
    output: str
    late: bool = False
    why: str | None = None

    @property
    def ok(self) -> bool:
        return self.code == 0

    def words(self) -> str:
        """How it ended, in words, with the last line it wrote."""
        if self.why is not None:
            return self.why
        how = "did not end in time" if self.late else f"exited with {self.code}"
        if self.code is not None and self.code < 0:
            how = f"was ended by signal {-self.code}"
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return f"{how}: {lines[-1][:200]}" if lines else how


async def run(
    command: Sequence[str],
    deadline_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Ran:
    """Run it to its end; what it writes on either stream comes back as text."""
    env = {**os.environ, **(environment or {})}
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
            cwd=folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Ran(None, "", why=f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}")
    kept = bytearray()
    reading = asyncio.create_task(_read(child, kept))
    late = False
    try:
        async with patience(deadline_s):
            await child.wait()
    except TimeoutError:
        late = True
    finally:
        if child.returncode is None:
            _kill(child.pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILLED_S):
                await child.wait()
        await asyncio.wait({reading}, timeout=REST_S)
        reading.cancel()
    return Ran(None if late else child.returncode, kept.decode(errors="replace"), late)


async def _read(child: asyncio.subprocess.Process, kept: bytearray) -> None:
    assert child.stdout is not None
    while data := await child.stdout.read(8192):
        kept += data[: OUTPUT - len(kept)]


def _kill(pid: int) -> None:
    """It is not reaped yet, so the number is its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
