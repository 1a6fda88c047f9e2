"""The server's log as it grows: a file (also one that is rotated or cut), or what a command prints. Read in bounded
steps on a thread. What was written before guard looked is not read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from steadycast.tracking.signatures.masking import masked

STEP = 1_048_576  # bytes of one step
LINE = 4096  # bytes of a line that are kept; the rest of it is passed over
DRAINED = 64  # steps
RESTART_S = 5.0  # before a command that ended is started again
_GONE_S = 2.0


class Lines:
    """Bytes in, whole lines out; a line without an end does not grow."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that are whole now."""
        parts = (self._rest + data).split(b"\n")
        self._rest = parts.pop()
        lines = []
        for part in parts:
            if self._skipping:
                self._skipping = False
                continue
            lines.append(part[:LINE].rstrip(b"\r").decode(errors="replace"))
        if len(self._rest) > LINE and not self._skipping:
            lines.append(self._rest[:LINE].decode(errors="replace"))
            self._skipping = True
        if self._skipping:
            self._rest = b""
        return lines


class Source(Protocol):
    """Where a log comes from."""

    def read(self) -> bytes:
        """What is new since the last read, `STEP` at most; never waits long. Raises OSError."""
        ...

    def begin(self, since: float) -> None:
        """Another life of the server, whose lines come from `since` (Unix seconds) on."""
        ...

    def close(self) -> None: ...


class FileSource:
    """A file that grows. `keep_bytes`: it is ours, and is cut at that size, its older part kept as `<name>.1`."""

    def __init__(self, path: Path, keep_bytes: int | None = None) -> None:
        self._path = path
        self._keep = keep_bytes
        self._inode: tuple[int, int] | None = None
        self._at = 0
        with contextlib.suppress(OSError):
            found = path.stat()
            self._inode, self._at = (found.st_dev, found.st_ino), found.st_size

    def read(self) -> bytes:
        """A file that is another by now, or shorter, is read from its beginning."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                inode = (found.st_dev, found.st_ino)
                if inode != self._inode or found.st_size < self._at:
                    self._inode, self._at = inode, 0
                file.seek(self._at)
                data = file.read(STEP)
        except FileNotFoundError:
            return b""
        self._at += len(data)
        if self._keep is not None and self._at >= self._keep and len(data) < STEP:
            self._cut()
        return data

    def _cut(self) -> None:
        """The server goes on writing to the same file (opened to append): its content moves, the file stays."""
        older = self._path.with_name(f"{self._path.name}.1")
        with self._path.open("rb") as file, older.open("wb") as kept:
            while some := file.read(STEP):
                kept.write(some)
        os.truncate(self._path, 0)
        self._at = 0

    def begin(self, since: float) -> None:
        """It goes on in the same file, or in another of that name."""

    def close(self) -> None:
        """Nothing is held between reads."""


class CommandSource:
    """What a command prints that follows a log (`journalctl --follow`, `docker logs --follow`).

    `{since}` in its words becomes the moment (Unix seconds) from which on lines are wanted.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = {**os.environ, **environment}
        self._child: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._since = time.time()

    def read(self) -> bytes:
        """What it printed. One that ended is started again after a while."""
        if self._child is None:
            if time.monotonic() < self._not_before:
                return b""
            self._child = self._started()
        assert self._child.stdout is not None
        data = self._child.stdout.read(STEP) or b""  # the pipe never waits
        if not data and self._child.poll() is not None:
            self.close()
            self._since = time.time()  # what was there by now was read
        return data

    def _started(self) -> subprocess.Popen[bytes]:
        self._not_before = time.monotonic() + RESTART_S
        child = subprocess.Popen(
            [word.replace("{since}", f"{self._since:.3f}") for word in self._command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        return child

    def begin(self, since: float) -> None:
        """What followed the log of the life before is ended."""
        self.close()
        self._not_before, self._since = 0.0, since

    def close(self) -> None:
        """End the command."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GONE_S)
        if child.stdout is not None:
            child.stdout.close()


class Log:
    """New bytes for whoever looks for signatures, their lines, and the newest of these, masked, for evidence."""

    def __init__(self, source: Source, kept: int) -> None:
        self._source = source
        self._lines = Lines()
        self._kept: deque[str] = deque(maxlen=max(1, kept))
        self._turn = asyncio.Lock()
        self._begins: float | None = None
        self.trouble: str | None = None

    async def read(self) -> tuple[bytes, list[str]]:
        """What is new, as it was written. What hinders is in `trouble`."""
        async with self._turn:
            try:
                data = await asyncio.to_thread(self._step)
            except OSError as error:
                self.trouble = error.strerror or str(error)
                return b"", []
            self.trouble = None
            lines = self._lines.feed(data)
            self._kept.extend(masked(line) for line in lines[-(self._kept.maxlen or 1) :])
            return data, lines

    def _step(self) -> bytes:
        """On a thread, one at a time."""
        if self._begins is not None:
            since, self._begins = self._begins, None
            self._source.begin(since)
        return self._source.read()

    async def drain(self) -> None:
        """The server ended: the rest of what it wrote is kept, and is nothing of the life that follows."""
        for _ in range(DRAINED):
            if not (await self.read())[0]:
                break

    def begin(self, since: float) -> None:
        """Another life of the server."""
        self._begins = since

    def newest(self) -> tuple[str, ...]:
        """The last lines, the oldest first."""
        return tuple(self._kept)

    def close(self) -> None:
        """Stop reading."""
        self._source.close()
