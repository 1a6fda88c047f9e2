"""A display worker: Xvfb and the program that shows on it, and whatever that starts; all of it ends with this process.

This process is the subreaper of what it starts, so a program that forks away stays below it, and the display lives as
long as any of them. Needs no GStreamer.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from typing import Any

from steadycast.errors import CallerError, ConflictError, DeadlineError, SourceError, SteadycastError
from steadycast.patience import patience
from steadycast.tracking import displays, proc
from steadycast.tracking.families import Identity
from steadycast.workers import records
from steadycast.workers.channel import Descriptors
from steadycast.workers.child import HOME, WORKER, Parent, run_child
from steadycast.workers.messages import CommandExited, DisplayFailed, ShowDisplay
from steadycast.workers.messages.stock import DisplayStock
from steadycast.workers.prctl import become_subreaper
from steadycast.workers.process import kill, reap
from steadycast.workers.programs import Program, outcome
from steadycast.workers.records import DisplayClaim
from steadycast.workers.xauthority import write_cookie

START_S = 10  # from the start of Xvfb until it takes connections
SERVER_END_S = 0.8  # from SIGTERM until SIGKILL of Xvfb
LOOK_EVERY_S = 0.02
# What a program gets of our environment; anything else may be a secret of the host.
_PASSED = re.compile(r"^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|XDG_\w+|LD_LIBRARY_PATH)$")


def clean_environment(own: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program on the display; marks stay, so that its descendants are found."""
    kept = {key: value for key, value in own.items() if _PASSED.match(key) or key in (WORKER, HOME)}
    return kept | dict(extra)


class Display:
    """The body of a display worker: one display, one command."""

    def __init__(self, parent: Parent) -> None:
        become_subreaper()
        self._parent = parent
        self._loop = asyncio.get_running_loop()
        self._cookie = parent.folder / f"{parent.id}.xauth"
        self._claim = parent.folder / f"{parent.id}.display"
        self._order: ShowDisplay | None = None
        self._closing = False
        self._exited: CommandExited | None = None
        self._failed: DisplayFailed | None = None
        self._shown: float | None = None  # when its command began, in seconds of the loop's clock
        self._server: Program | None = None
        self._number: int | None = None
        self._command: Program | None = None
        self._loop.add_signal_handler(signal.SIGCHLD, self._child_ended)

    def on_message(self, message: Any, fds: Descriptors) -> None:
        """A display worker takes requests only."""

    async def on_request(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        if not isinstance(message, ShowDisplay):
            raise CallerError("display.request", f"a display worker does not know {type(message).__name__}")
        if self._order is not None:
            raise ConflictError("display.shown", "this worker has its display already")
        self._order = message
        try:
            display = f":{await self._start_server(message)}"
            self._start_command(message, display)
        except SteadycastError as error:  # answered now; kept for whoever asks later
            self._failed = DisplayFailed(error.what, error.why or "")
            raise
        self._shown = self._loop.time()
        return {"display": display, "xauthority": str(self._cookie)}

    def stock(self, after: int) -> tuple[DisplayStock, int | None]:
        """What it was told, and what became of it. No `display` before its command was started."""
        if self._shown is None:
            return DisplayStock(self._order, failed=self._failed), None
        shown_s = self._loop.time() - self._shown
        display, cookie = f":{self._number}", str(self._cookie)
        return DisplayStock(self._order, display, cookie, self._exited, self._failed, shown_s), None

    def statistics(self) -> dict[str, Any]:
        running = self._command is not None and self._exited is None
        return {"display": self._number, "command_running": running, "processes": len(self._programs())}

    # --- start

    async def _start_server(self, wanted: ShowDisplay) -> int:
        write_cookie(self._cookie)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            self._server = server = self._execute_server(wanted, writing)
        finally:
            os.close(writing)
        try:
            records.write(self._claim, DisplayClaim(server.process.identity.pid))
            server.process.exited.add_done_callback(lambda _: self._server_ended(server))
            self._number = number = await self._read_number(reading, server)
            server.tail.forget()  # display numbers that it found taken, which would be misread as why it ends later
            records.write(self._claim, DisplayClaim(server.process.identity.pid, number))
        finally:
            os.close(reading)
        return number

    def _execute_server(self, wanted: ShowDisplay, report: int) -> Program:
        words = ["Xvfb", "-displayfd", str(report), "-screen", "0", f"{wanted.width}x{wanted.height}x24"]
        words += ["-nolisten", "tcp", "-noreset", "-auth", str(self._cookie)]
        try:
            # SIGTERM: it takes its socket with it.
            return Program(words, clean_environment(os.environ, {}), signal.SIGTERM, (report,))
        except FileNotFoundError:
            raise SourceError("display.missing", "Xvfb is not installed", hint="apt-get install xvfb") from None
        except OSError as error:
            raise SourceError("display.start", "Xvfb cannot be started", why=str(error)) from None

    async def _read_number(self, reading: int, server: Program) -> int:
        """The display's number, which the server writes when it takes connections; nothing where it ends before."""
        readable = asyncio.Event()
        self._loop.add_reader(reading, readable.set)
        text = b""
        try:
            async with patience(START_S):
                # The end of the line is a write of its own, and the server ends where nobody reads it.
                while not text.endswith(b"\n"):
                    await readable.wait()
                    readable.clear()
                    data = os.read(reading, 16)
                    if not data:
                        break
                    text += data
        except TimeoutError:
            raise DeadlineError("display.deadline", f"the X server was not ready within {START_S} s") from None
        finally:
            self._loop.remove_reader(reading)
        if not text.endswith(b"\n"):
            await server.process.wait(SERVER_END_S)
            raise SourceError("display.start", f"the X server {outcome(server.process)}", why=server.tail.text())
        return int(text)

    def _start_command(self, wanted: ShowDisplay, display: str) -> None:
        extra = {"DISPLAY": display, "XAUTHORITY": str(self._cookie)}
        try:
            self._command = Program(wanted.command, clean_environment(os.environ, extra), signal.SIGKILL)
        except FileNotFoundError:
            raise SourceError(
                "source.command", "the command exited with 127: not found", why=f"no program {wanted.command[0]!r}"
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a zero byte in a word
            raise SourceError("source.command", "the command exited with 126: not executable", why=str(error)) from None
        self._command.process.exited.add_done_callback(lambda _: self._child_ended())

    # --- what ends by itself

    def _programs(self) -> list[Identity]:
        """The command and all that it started, wherever they forked to; without the X server."""
        server = self._server.process.identity.pid if self._server else None
        table = proc.processes()
        below = {one.pid for one in proc.descendants(server, table)} | {server} if server else set()
        return [
            Identity(one.pid, one.start_time)
            for one in proc.descendants(os.getpid(), table)
            if one.pid not in below and one.state != "Z"
        ]

    def _child_ended(self) -> None:
        """Reap what was left to us, and tell when nothing of the command is left."""
        watched = {program.process.identity.pid for program in (self._server, self._command) if program}
        for pid in proc.children():
            started = proc.start_time(pid)
            if pid not in watched and started is not None:
                reap(Identity(pid, started))
        command = self._command
        if command is None or self._exited or self._closing or not command.process.exited.done() or self._programs():
            return
        process = command.process
        self._exited = CommandExited(process.exit_code, process.killed_by, command.tail.text())
        self._parent.post(self._exited)

    def _server_ended(self, server: Program) -> None:
        if not self._closing and self._number is not None:  # before, the request answers
            self._failed = DisplayFailed(f"the X server {outcome(server.process)}", server.tail.text())
            self._parent.post(self._failed)

    # --- the end

    async def close(self) -> None:
        """End the command and all it started, then the X server; remove what they leave."""
        self._closing = True
        await self._end_programs(signal.SIGTERM, self._parent.end_s / 3)
        await self._end_programs(signal.SIGKILL, self._parent.end_s / 3)
        if self._server is not None:
            process = self._server.process
            process.send(signal.SIGTERM)
            if not await process.wait(SERVER_END_S):
                process.send(signal.SIGKILL)
                await process.wait(SERVER_END_S)
            if self._number is not None:
                displays.remove(self._number, (process.identity.pid,))
        self._cookie.unlink(missing_ok=True)
        for program in (self._server, self._command):
            if program is not None:
                program.close()

    async def _end_programs(self, number: signal.Signals, seconds: float) -> None:
        until = self._loop.time() + seconds
        signalled: set[Identity] = set()
        while (left := self._programs()) and self._loop.time() < until:
            for identity in set(left) - signalled:
                kill(identity, number)
                kill(identity, signal.SIGCONT)  # one that is stopped would not hear it
            signalled.update(left)
            await asyncio.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    run_child("display", Display)
