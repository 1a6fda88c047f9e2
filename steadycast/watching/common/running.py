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
    pipe = _Pipe()
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe.writing,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        pipe.close()
        return Ran(None, "", why=f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}")
    pipe.begin()
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
        pipe.close()
    return Ran(None if late else child.returncode, pipe.kept.decode(errors="replace"), late)


class _Pipe:
    """What a command writes. A child of it may hold the other end open for ever, so nobody waits for its end."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reading, False)
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """The command has its end by now."""
        os.close(self.writing)
        self.writing = -1
        self._loop.add_reader(self._reading, self._read)

    def _read(self) -> bool:
        """Take some; whether there may be more."""
        try:
            data = os.read(self._reading, 8192)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._reading)
        self.kept += data[: OUTPUT - len(self.kept)]
        return bool(data)

    def close(self) -> None:
        """Take what is there, and no more."""
        for _ in range(OUTPUT // 4096):
            if self.writing >= 0 or not self._read():
                break
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
        if self.writing >= 0:
            os.close(self.writing)


def _kill(pid: int) -> None:
    """It is not reaped yet, so the number is its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
