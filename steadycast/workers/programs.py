"""Programs of others that a display worker starts: each in its own process group, its output kept as a bounded tail."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from steadycast.workers.prctl import die_with_parent
from steadycast.workers.process import Process

TAIL_LINES = 40
LINE_BYTES = 400
READ_BYTES = 65_536


class Tail:
    """The last lines of what comes out of a pipe; reads and forgets, so that the writer never waits."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._rest = b""
        self._loop.add_reader(fd, self._readable)

    def text(self) -> str:
        self._readable()  # what was written last may not have been read yet
        lines = [*self._lines, self._rest] if self._rest else list(self._lines)
        return b"\n".join(lines).decode(errors="replace")

    def forget(self) -> None:
        """What was said until now is of no interest any more."""
        self._readable()
        self._lines.clear()
        self._rest = b""

    def _readable(self) -> None:
        if self._fd is None:
            return
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._lines.extend(line[:LINE_BYTES] for line in lines)
        self._rest = rest[:LINE_BYTES]

    def close(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None


class Program:
    """One started program. The kernel sends it `death` when this process dies."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], death: signal.Signals, fds: Sequence[int] = ()
    ) -> None:
        """Raises OSError where it cannot be started (FileNotFoundError, PermissionError, ...)."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            popen = subprocess.Popen(
                list(words),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=dict(environment),
                cwd=home(),
                pass_fds=tuple(fds),
                process_group=0,
                restore_signals=True,
                # Runs between fork and exec: safe, because this process has one thread and prctl takes no lock.
                preexec_fn=partial(_prepare, death),
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.process = Process.of_child(popen)
        self.tail = Tail(reading)

    def close(self) -> None:
        self.tail.close()
        self.process.close()


def home() -> str:
    """Where programs start: the user's home, or `/` where there is none."""
    path = Path(os.environ.get("HOME", "/"))
    return str(path) if path.is_dir() else "/"


def outcome(process: Process) -> str:
    """How it ended, for a person: `exited with 127`, `was ended by SIGSEGV`."""
    if process.killed_by is None:
        return f"exited with {process.exit_code}"
    return f"was ended by {signal.Signals(process.killed_by).name}"


def _prepare(death: signal.Signals) -> None:
    die_with_parent(death)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in workers, and that would be inherited
