"""A command that runs for as long as it is watched: started, its output passed on, its whole tree ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from steadycast.errors import ConfigError
from steadycast.tracking.families import Identity
from steadycast.watching.common import tree
from steadycast.watching.common.ladder import Ladder
from steadycast.watching.common.tree import MARK
from steadycast.workers.process import Process

STEP = 65_536
STEPS = 256  # of output at most that are read after the end
LADDER = Ladder(graceful_s=10.0, kill_s=5.0)


class Command:
    """`take` gets what it prints, on either stream. All that descends from it carries a mark."""

    def __init__(self, words: Sequence[str], take: Callable[[bytes], None]) -> None:
        self._words = tuple(words)
        self._take = take
        self._mark = uuid4().hex
        self._known: set[Identity] = set()
        self._process: Process | None = None
        self._reading = -1
        self.began = 0.0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.identity.pid

    @property
    def exited(self) -> asyncio.Future[None]:
        assert self._process is not None
        return self._process.exited

    def start(self) -> None:
        """Raises ConfigError where it cannot be run."""
        self._reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reading, False)
        try:
            child = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.STDOUT,
                env={**os.environ, MARK: self._mark},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            os.close(self._reading)
            why = getattr(error, "strerror", None) or error
            raise ConfigError("watch.command", f"{self._words[0]} cannot be run: {why}.") from None
        finally:
            os.close(writing)
        self.began = time.monotonic()
        self._process = Process.of_child(child)
        asyncio.get_running_loop().add_reader(self._reading, self._read)

    def _read(self) -> bool:
        """Take some; whether there may be more."""
        try:
            data = os.read(self._reading, STEP)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._reading)
        else:
            self._take(data)
        return bool(data)

    def ended(self) -> str | None:
        """How it ended by itself, in words; None while it runs."""
        process = self._process
        if process is None or not process.exited.done():
            return None
        if process.killed_by is not None:
            return f"the command was ended by {signal.Signals(process.killed_by).name}"
        return f"the command ended with exit code {process.exit_code}"

    async def end(self) -> str | None:
        """End it and all that descends from it; in words what could not be ended."""
        process = self._process
        if process is None:
            return None
        outcome = await tree.end(process, self._members, LADDER, {})
        for _ in range(STEPS):
            if not self._read():
                break
        with contextlib.suppress(ValueError):
            asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)
        process.close()
        return None if outcome.ok else outcome.text

    def _members(self) -> set[Identity]:
        assert self._process is not None
        head, by_session = self._process.identity, not self._process.exited.done()
        return tree.marked(head, self._mark, self._known, by_session=by_session) - {head}
