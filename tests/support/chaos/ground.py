"""Where a host under chaos stands: a keeper of its processes, and a small disk of its own where the machine allows."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from steadycast.tracking import proc

ROOT = Path(__file__).resolve().parents[3]
DISK_MIB = 48
START_S = 30.0
END_S = 30.0
BLOCK = 1 << 16


def has_own_mounts() -> bool:
    """Whether this machine lets us mount something that only we see; a plain container does not."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Ground:
    """`folder` is the test's; the host's state is below `disk`, which is a small file system where `small` says so."""

    def __init__(self, folder: Path, keeper: asyncio.subprocess.Process, *, small: bool) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.small = small
        self.pid = keeper.pid
        self.codes: dict[int, int] = {}  # how those ended that were started here, and those that lost their parents
        self._keeper = keeper
        self._lock = asyncio.Lock()
        self._answer: asyncio.Future[int] | None = None
        self._ended = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def seen_disk(self) -> Path:
        """The disk as it is seen from here."""
        return Path(f"/proc/{self.pid}/root{self.disk}") if self.small else self.disk

    async def start(self, words: list[str], env: dict[str, str], log: Path) -> int:
        """Start a program there; its pid."""
        assert self._keeper.stdin is not None
        async with self._lock:
            self._answer = asyncio.get_running_loop().create_future()
            order = {"words": words, "env": env, "log": str(log)}
            self._keeper.stdin.write(json.dumps(order).encode() + b"\n")
            return await asyncio.wait_for(self._answer, START_S)

    async def wait(self, pid: int, seconds: float) -> int | None:
        """Its exit code (minus a signal's number); None where it goes on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._ended:
                await self._ended.wait_for(lambda: pid in self.codes)
        return self.codes.get(pid)

    def processes(self) -> dict[int, proc.ProcessStat]:
        """All that is below the keeper now."""
        return {one.pid: one for one in proc.descendants(self.pid)}

    def fill(self) -> None:
        """Until not a byte more can be written."""
        with (self.seen_disk / "ballast").open("wb", buffering=0) as file:
            for size in (BLOCK, 512):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self) -> None:
        """What `fill` took is free again."""
        (self.seen_disk / "ballast").unlink(missing_ok=True)

    async def shell(self, script: str) -> None:
        """Run something where the host sees its disk. Raises AssertionError where it fails."""
        words = ["nsenter", "-t", str(self.pid), "-m", "sh", "-c", script]
        one = await asyncio.create_subprocess_exec(*words)
        assert await asyncio.wait_for(one.wait(), START_S) == 0, script

    async def end(self) -> None:
        """Kill all that is left. Raises TimeoutError where something does not die."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        await asyncio.wait_for(self._keeper.wait(), END_S)
        await self._reading

    async def _read(self) -> None:
        assert self._keeper.stdout is not None
        while line := await self._keeper.stdout.readline():
            told = json.loads(line)
            if "pid" in told and self._answer is not None:
                self._answer.set_result(told["pid"])
            elif "ended" in told:
                async with self._ended:
                    self.codes[told["ended"]] = told["code"]
                    self._ended.notify_all()


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """All that was started there is dead afterwards, also where the driver was killed."""
    small = await asyncio.to_thread(has_own_mounts)
    (folder / "disk").mkdir()
    before = ["unshare", "-m", "--propagation", "private"] if small else []
    words = [*before, sys.executable, "-m", "tests.support.chaos.keeper", str(folder / "disk")]
    words.append(str(DISK_MIB if small else 0))
    pipe = asyncio.subprocess.PIPE
    keeper = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, cwd=ROOT, env=dict(os.environ), start_new_session=True
    )
    assert keeper.stdout is not None
    assert await asyncio.wait_for(keeper.stdout.readline(), START_S) == b"{}\n"
    here = Ground(folder, keeper, small=small)
    try:
        yield here
    finally:
        await here.end()
