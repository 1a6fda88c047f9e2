"""Logs to read: files (also packed ones), pipes, standard input, a unit's journal, and files that go on growing, are
rotated or not there yet."""

from __future__ import annotations

import io
import os
import select
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from steadycast.cli.unpacking import HEAD, unpacked
from steadycast.errors import CallerError

BLOCK = 1 << 22
_ENDING_S = 2.0
_FIELDS = "MESSAGE,_PID,SYSLOG_IDENTIFIER,_COMM,_TRANSPORT,__REALTIME_TIMESTAMP"
Piece = tuple[str, bytes]


def blocks(path: str) -> Iterator[bytes]:
    """What is in a file now, or all of a pipe or of standard input (`-`). What is written meanwhile to a file is left
    out, so that it ends."""
    if path == "-":
        if sys.stdin is None:
            raise CallerError("diagnose.no_input", "Standard input is closed.", hint="Name a file, or send a log in.")
        stdin = cast(io.BufferedReader, sys.stdin.buffer)
        yield from iter(lambda: stdin.read1(BLOCK), b"")
        return
    try:
        with Path(path).open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            if not file.seekable() or not left:  # a pipe, a device, a file of /proc: has no size
                yield from iter(lambda: file.read1(BLOCK), b"")
                return
            head = file.read(HEAD)
            file.seek(0)
            if (inner := unpacked(path, head, file, BLOCK)) is not None:
                yield from inner
                return
            while left > 0 and (data := file.read(min(BLOCK, left))):
                left -= len(data)
                yield data
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: str, error: OSError) -> CallerError:
    """Why a log cannot be read."""
    hints = {
        PermissionError: "Run it as a user who may read it (adm or systemd-journal for system logs).",
        IsADirectoryError: "Name the files in it.",
        FileNotFoundError: "With --follow it is waited for.",
    }
    why = error.strerror or str(error)
    return CallerError("diagnose.no_file", f"{path} cannot be read: {why}.", hint=hints.get(type(error)))


class Piped:
    """Standard input while it comes."""

    def __init__(self) -> None:
        if sys.stdin is None:
            raise CallerError("diagnose.no_input", "Standard input is closed.", hint="Name a file, or send a log in.")
        self._number = sys.stdin.fileno()

    def read(self, wait: float) -> bytes | None:
        """What is new within `wait` seconds; None at the end."""
        if not select.select([self._number], [], [], wait)[0]:
            return b""
        return os.read(self._number, BLOCK) or None

    def close(self) -> None:
        """It is not ours."""


class FollowedFiles:
    """Files from their beginning on, and whatever is written to them afterwards.

    One that is replaced (another inode) is read to its end before the new one is begun; one that is cut is begun anew;
    one that is not there is looked for each time.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._files: dict[str, IO[bytes] | None] = dict.fromkeys(paths)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(path for path, file in self._files.items() if file is None)

    def read(self) -> list[Piece]:
        """What is new, at most a block of each. An empty list: nothing for now."""
        return [(path, data) for path in self._files if (data := self._read(path))]

    def close(self) -> None:
        for file in self._files.values():
            if file is not None:
                file.close()

    def __enter__(self) -> FollowedFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, path: str) -> bytes:
        file = self._files[path]
        try:
            if file is None:
                file = self._files[path] = Path(path).open("rb")  # noqa: SIM115 - kept until it is replaced
            elif os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)
            if data := file.read(BLOCK):
                return data
            now, then = os.stat(path), os.fstat(file.fileno())  # noqa: PTH116 - beside fstat
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise unreadable(path, error) from None
        if (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino):
            file.close()
            self._files[path] = None
            return b"\n" + self._read(path)  # the last line of the old one may have no end
        return b""


class Journal:
    """A unit's lines of journald, as JSON; `follow` goes on with new ones."""

    def __init__(self, unit: str, since: str | None, *, follow: bool) -> None:
        program = shutil.which("journalctl")
        if program is None:
            raise CallerError(
                "diagnose.no_journal",
                "journalctl is not on this machine, so no unit's journal can be read.",
                hint="Give the log as a file, or send it in: docker logs NAME 2>&1 | steadycast diagnose -",
            )
        words = [program, f"--unit={unit}", "--output=json", "--no-pager", "--quiet", f"--output-fields={_FIELDS}"]
        words += [f"--since={since}"] if since else []
        words += ["--follow"] if follow else []
        self._process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def read(self, wait: float) -> bytes | None:
        """What is new within `wait` seconds; None at the end. Raises what journalctl said when it failed."""
        if not self._selector.select(wait):
            return b""
        if data := os.read(self._output.fileno(), BLOCK):
            return data
        if self._process.wait(_ENDING_S):
            assert self._process.stderr is not None
            said = self._process.stderr.read(2000).decode("utf-8", "replace").strip()
            raise CallerError("diagnose.journal", f"journalctl failed: {said or self._process.returncode}")
        return None

    def close(self) -> None:
        self._selector.close()
        self._process.terminate()
        try:
            self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def pause(seconds: float) -> None:
    """Between two looks at files that did not grow."""
    time.sleep(seconds)
