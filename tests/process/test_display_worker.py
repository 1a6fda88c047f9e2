"""Real displays with real programs: the good, the short-lived, the stubborn and those that fork away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.errors import ConflictError, SourceError
from steadycast.model import Receipt, WorkerKind
from steadycast.tracking import proc
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import CommandExited, DisplayFailed, ShowDisplay
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker
from tests.support import outside

STUBBORN = (
    "import signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
)
# Forks away twice and sheds session and environment: only its parents know it.
SHED = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "600"], {})
os._exit(0)
"""


class Host:
    """A supervisor of display workers, and all that it and they told."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        self.receipts: list[Receipt] = []
        self.heard: list[Any] = []
        settings = WorkerSettings(spares=0, start_s=30, request_s=30, end_s=6, term_s=3, kill_s=20)
        self.supervisor = Supervisor(runtime, settings, self.receipts.append, gstreamer=False)

    def hear(self, message: Any, fds: Descriptors) -> None:
        self.heard.append(message)

    async def start(self) -> Worker:
        return await self.supervisor.start(WorkerKind.DISPLAY, lobby="one", on_message=self.hear)

    def server(self, worker: Worker) -> int:
        """The pid of its X server."""
        server = json.loads((self.runtime / "workers" / f"{worker.id}.display").read_text())["server"]
        assert proc.stat(server) is not None
        return int(server)

    def programs(self, worker: Worker) -> list[int]:
        """Direct children of the worker besides its X server."""
        return [pid for pid in proc.children(worker.pid) if pid != self.server(worker)]

    async def show(self, *command: str) -> tuple[Worker, int, str]:
        worker = await self.start()
        shown = await worker.request(ShowDisplay("one", command, 640, 480))
        return worker, int(shown["display"].removeprefix(":")), shown["xauthority"]


@asynccontextmanager
async def host(runtime: Path) -> AsyncIterator[Host]:
    one = Host(runtime)
    await one.supervisor.open()
    try:
        yield one
    finally:
        await one.supervisor.close()
        assert [receipt for receipt in one.receipts if not receipt.clean] == []
        assert list((runtime / "workers").iterdir()) == []


def can_connect(number: int, cookie: str | None) -> bool:
    own = {"PATH": os.environ["PATH"], "DISPLAY": f":{number}"} | ({"XAUTHORITY": cookie} if cookie else {})
    return subprocess.run(["xwininfo", "-root"], env=own, capture_output=True).returncode == 0


def processes_of(worker: Worker) -> int:
    return len(outside.marked(f"STEADYCAST_WORKER={worker.id}"))


async def test_a_program_on_a_display(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        worker, number, cookie = await one.show("ico")
        assert outside.has_socket(number)
        assert can_connect(number, cookie)
        assert not can_connect(number, None)
        assert outside.mode_of(cookie) == 0o600
        with pytest.raises(ConflictError):
            await worker.request(ShowDisplay("one", ("ico",), 640, 480))
        receipt = await worker.end("test")
        assert [rung.name for rung in receipt.rungs] == ["end", "looked"]
        assert "displays" in {check.name for check in receipt.checks}
        assert outside.stale_files(number) == []
        assert one.heard == []


async def test_two_displays_have_two_numbers(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        shown = await asyncio.gather(*(one.show("sleep", "600") for _ in range(4)))
        numbers = {number for _, number, _ in shown}
        assert len(numbers) == 4
        (_, first, own), (_, second, other), *_ = shown
        assert can_connect(first, own)
        assert can_connect(second, other)
        assert not can_connect(first, other)


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("no-such-program", "x"), "the command exited with 127: not found"),
        (("/etc/hostname",), "the command exited with 126: not executable"),
        (("a\0b",), "the command exited with 126: not executable"),
    ],
)
async def test_a_command_that_cannot_be_started(tmp_path: Path, command: tuple[str, ...], what: str) -> None:
    async with host(tmp_path) as one:
        with pytest.raises(SourceError, match=what):
            await one.show(*command)


@pytest.mark.parametrize(
    ("script", "code", "number", "output"),
    [
        ("exit 0", 0, None, ""),
        ("echo no licence >&2; exit 3", 3, None, "no licence"),
        ("kill -SEGV $$", None, signal.SIGSEGV, ""),
        ("no-such-program-in-a-shell", 127, None, "not found"),
    ],
)
async def test_a_command_that_ends(
    tmp_path: Path, script: str, code: int | None, number: int | None, output: str
) -> None:
    async with host(tmp_path) as one:
        worker, display, cookie = await one.show("sh", "-c", script)
        await outside.until(lambda: one.heard)
        (told,) = one.heard
        assert isinstance(told, CommandExited)
        assert (told.exit_code, told.signal) == (code, number)
        assert output in told.output
        assert can_connect(display, cookie)  # the display stays until the worker ends
        assert worker.receipt is None


async def test_what_a_command_says_is_bounded(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        script = "yes " + "x" * 1000 + " | head -c 20000000; head -c 5000000 /dev/zero; echo; echo the end; exit 1"
        await one.show("sh", "-c", script)
        await outside.until(lambda: one.heard)
        assert len(one.heard[0].output) < 20_000
        assert one.heard[0].output.endswith("the end")


@pytest.mark.parametrize("script", ["setsid sleep 600 &", "sleep 600 & sleep 600 & exit 1", SHED])
async def test_a_command_that_forks_away(tmp_path: Path, script: str) -> None:
    """The display lives as long as anything that the command started, and ends all of it."""
    async with host(tmp_path) as one:
        words = [sys.executable, "-c", script] if script is SHED else ["sh", "-c", script]
        worker, _, _ = await one.show(*words)
        await outside.until(lambda: one.programs(worker) and all(map(_sleeps, one.programs(worker))))
        away = one.programs(worker)
        assert one.heard == []
        await worker.end("test")
        assert [pid for pid in away if proc.stat(pid) is not None] == []


async def test_the_last_that_forked_away_ends_the_command(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        worker, _, _ = await one.show("sh", "-c", "setsid sleep 600 & exit 4")
        await outside.until(lambda: [_sleeps(pid) for pid in one.programs(worker)] == [True])
        (away,) = one.programs(worker)
        assert one.heard == []
        os.kill(away, signal.SIGKILL)
        await outside.until(lambda: one.heard)
        assert (one.heard[0].exit_code, one.heard[0].signal) == (4, None)


async def test_a_command_that_ignores_sigterm(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        worker, number, _ = await one.show(sys.executable, "-c", STUBBORN)
        (command,) = one.programs(worker)
        await outside.until(lambda: _ignores_sigterm(command))
        receipt = await worker.end("test")
        assert (receipt.exit_code, receipt.clean) == (0, True)
        assert proc.stat(command) is None
        assert outside.stale_files(number) == []


async def test_a_stopped_command_ends(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        worker, _, _ = await one.show("sh", "-c", "kill -STOP $$; sleep 600")
        receipt = await worker.end("test")
        assert (receipt.exit_code, receipt.clean) == (0, True)


async def test_the_x_server_is_killed(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        await one.show("sleep", "600")  # so that the other finds its first number taken, and says so
        worker, number, _ = await one.show("sleep", "600")
        os.kill(one.server(worker), signal.SIGKILL)
        await outside.until(lambda: one.heard)
        assert one.heard == [DisplayFailed("the X server was ended by SIGKILL", one.heard[0].output)]
        assert "already running" not in one.heard[0].output  # that is not why it ended
        assert outside.stale_files(number) != []
        await worker.end("test")
        assert outside.stale_files(number) == []


@pytest.mark.parametrize("script", ["exec ico", "setsid sleep 600 & exec sleep 600", "trap '' TERM; sleep 600"])
async def test_the_worker_is_killed(tmp_path: Path, script: str) -> None:
    async with host(tmp_path) as one:
        worker, number, _ = await one.show("sh", "-c", script)
        await outside.until(lambda: processes_of(worker) >= 3)
        os.kill(worker.pid, signal.SIGKILL)
        receipt = await asyncio.wait_for(worker.gone, 60)
        assert (receipt.cause, receipt.signal) == ("died", signal.SIGKILL)
        assert outside.stale_files(number) == []
        assert processes_of(worker) == 0


async def test_the_worker_and_its_x_server_are_killed(tmp_path: Path) -> None:
    """Nobody is left to remove the display's files but the supervisor."""
    async with host(tmp_path) as one:
        worker, number, _ = await one.show("sleep", "600")
        server = one.server(worker)
        os.kill(worker.pid, signal.SIGSTOP)
        os.kill(server, signal.SIGKILL)
        os.kill(worker.pid, signal.SIGKILL)
        receipt = await asyncio.wait_for(worker.gone, 60)
        assert {check.name: check.residue for check in receipt.checks}["displays"] == ()
        assert outside.stale_files(number) == []


async def test_a_program_gets_a_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEADYCAST_AUTH__TOKEN", "secret")
    monkeypatch.setenv("SOME_SECRET", "secret")
    async with host(tmp_path) as one:
        worker, number, cookie = await one.show("env")
        await outside.until(lambda: one.heard)
        output = one.heard[0].output
        assert f"DISPLAY=:{number}" in output
        assert f"XAUTHORITY={cookie}" in output
        assert f"STEADYCAST_WORKER={worker.id}" in output
        assert "secret" not in output
        assert f"STEADYCAST_HOME={tmp_path}" in output
        assert output.count("STEADYCAST_") == 2


@pytest.mark.slow
async def test_forty_rounds_leave_nothing(tmp_path: Path) -> None:
    start = outside.look()
    async with host(tmp_path) as one:
        commands = (("ico",), ("sh", "-c", "setsid sleep 600 &"), ("no-such-program",), ("false",))
        before = outside.look()
        numbers = set()
        for _ in range(10):
            for command in commands:
                worker = await one.start()
                try:
                    shown = await worker.request(ShowDisplay("one", command, 320, 240))
                    numbers.add(int(shown["display"][1:]))
                except SourceError:
                    assert command == ("no-such-program",)
                await worker.end("round")
        # The first look came before the threads that read /proc.
        after = outside.look()
        assert (after.descriptors, after.children) == (before.descriptors, before.children)
        assert [outside.stale_files(number) for number in numbers] == [[] for _ in numbers]
    await outside.until(lambda: outside.look() == start)


def _sleeps(pid: int) -> bool:
    """It is `sleep` by now, not what forked it."""
    found = proc.stat(pid)
    return found is not None and found.name == "sleep"


def _ignores_sigterm(pid: int) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigIgn:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
