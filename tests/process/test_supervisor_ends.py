"""Real workers that end in every way there is: each time one receipt, and nothing stays."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.errors import CallerError, ConflictError, DeadlineError, WorkerError
from steadycast.lifecycle import WorkerState
from steadycast.model import Receipt, WorkerKind
from steadycast.tracking import proc
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import AttachReader, CloseRendition, ForceKeyframe
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker
from tests.support import outside

LOBBY, EGRESS, DISPLAY = WorkerKind.LOBBY, WorkerKind.EGRESS, WorkerKind.DISPLAY
MODULES = {
    LOBBY: "tests.support.odd_child",
    EGRESS: "tests.support.mute_child",
    DISPLAY: "tests.support.stillborn_child",
}


class Host:
    """A supervisor, and all that it told."""

    def __init__(self, runtime: Path, **settings: Any) -> None:
        self.runtime = runtime
        self.receipts: list[Receipt] = []
        self.heard: list[Any] = []
        self.causes: list[str | None] = []  # of moves
        made = WorkerSettings(**({"spares": 0, "start_s": 30, "end_s": 1, "term_s": 1, "kill_s": 20} | settings))
        self.supervisor = Supervisor(
            runtime, made, self.receipts.append, on_worker=self._moved, modules=MODULES, gstreamer=False
        )

    def _moved(self, worker: Worker, state: WorkerState, cause: str | None, seconds: float) -> None:
        self.causes.append(cause)

    def hear(self, message: Any, fds: Descriptors) -> None:
        self.heard.append(message)

    async def start(self, kind: WorkerKind = LOBBY) -> Worker:
        return await self.supervisor.start(kind, lobby="one", on_message=self.hear)

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.runtime / "workers").iterdir())


@asynccontextmanager
async def host(runtime: Path, **settings: Any) -> AsyncIterator[Host]:
    one = Host(runtime, **settings)
    await one.supervisor.open()
    try:
        yield one
    finally:
        await one.supervisor.close()
        assert one.supervisor.workers == ()
        assert one.files() == []
        assert [receipt for receipt in one.receipts if not receipt.clean] == []


def rungs(receipt: Receipt) -> list[str]:
    return [rung.name for rung in receipt.rungs]


async def test_asked_to_end(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        worker = await one.start()
        assert [name.partition(".")[2] for name in one.files()] == ["json", "log", "sock"]
        receipts = await asyncio.gather(*(worker.end(f"cause {number}") for number in range(5)))
        assert len({receipt.id for receipt in receipts}) == 1
        receipt = receipts[0]
        assert (receipt.cause, receipt.exit_code, receipt.signal, receipt.lobby) == ("cause 0", 0, None, "one")
        assert rungs(receipt) == ["end", "looked"]
        assert receipt.clean
        assert await worker.end("again") is receipt
        assert await worker.gone is receipt
        assert one.receipts == [receipt]


@pytest.mark.parametrize(
    ("number", "how"), [(signal.SIGKILL, signal.SIGKILL), (signal.SIGSEGV, signal.SIGSEGV), (signal.SIGTERM, None)]
)
async def test_killed_from_outside(tmp_path: Path, number: signal.Signals, how: signal.Signals | None) -> None:
    async with host(tmp_path) as one:
        worker = await one.start()
        asking = asyncio.create_task(worker.request(CloseRendition("slow"), deadline=60))
        await worker.request(CloseRendition(""))
        os.kill(worker.pid, number)
        # So that its socket is closed and it has ended when we look next. Not to be reaped; no other wait can do that.
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop shall not run meanwhile
        receipt = await asyncio.wait_for(worker.gone, 30)
        assert (receipt.cause, receipt.signal) == ("died", how)
        assert one.causes == [None, "died", "died"]
        with pytest.raises(WorkerError) as caught:
            await asking
        assert caught.value.code == "worker.gone"


@pytest.mark.parametrize(
    ("order", "cause"), [("die", "died"), ("segv", "died"), ("garbage", "connection lost: malformed message")]
)
async def test_it_breaks(tmp_path: Path, order: str, cause: str) -> None:
    async with host(tmp_path) as one:
        worker = await one.start()
        worker.post(ForceKeyframe(order))
        receipt = await asyncio.wait_for(worker.gone, 30)
        assert receipt.cause.startswith(cause)


@pytest.mark.parametrize("order", ["stop", "busy"])
async def test_silence_is_seen(tmp_path: Path, order: str) -> None:
    async with host(tmp_path, silence_s=2, heartbeat_s=0.2) as one:
        worker = await one.start()
        worker.post(ForceKeyframe(order))
        receipt = await asyncio.wait_for(worker.gone, 60)
        assert (receipt.cause, receipt.signal) == ("silent", signal.SIGKILL)
        assert rungs(receipt)[:2] == ["term", "kill"]


async def test_one_that_beats_is_left_alone(tmp_path: Path) -> None:
    async with host(tmp_path, silence_s=5, heartbeat_s=0.1) as one:
        worker = await one.start()
        await outside.until(lambda: worker.statistics.get("beats", 0) > 20)
        assert worker.last_heartbeat is not None
        assert worker.receipt is None


async def test_stubborn(tmp_path: Path) -> None:
    """It hangs in its close and ignores SIGTERM: its own last deadline or SIGKILL ends it."""
    async with host(tmp_path) as one:
        worker = await one.start()
        await worker.request(CloseRendition("stubborn"))
        receipt = await worker.end("test")
        assert rungs(receipt)[0] == "end"
        assert receipt.exit_code == 75 or receipt.signal == signal.SIGKILL


@pytest.mark.parametrize("how", ["end", "kill"])
async def test_descendants_end_too(tmp_path: Path, how: str) -> None:
    async with host(tmp_path) as one:
        worker = await one.start()
        for order in ("child", "fork away", "fork away"):
            await worker.request(CloseRendition(order))
        mark = f"STEADYCAST_WORKER={worker.id}"
        await outside.until(lambda: len(outside.marked(mark)) == 4)
        if how == "kill":
            os.kill(worker.pid, signal.SIGKILL)
        receipt = await asyncio.wait_for(worker.gone if how == "kill" else worker.end("test"), 60)
        assert "family term" in rungs(receipt)
        assert outside.marked(mark) == []


async def test_one_that_says_nothing(tmp_path: Path) -> None:
    async with host(tmp_path, start_s=2) as one:
        with pytest.raises(DeadlineError, match="said no hello within 2 s") as caught:
            await one.start(EGRESS)
        assert caught.value.why == "I say nothing"
        assert one.receipts[0].cause == "did not start in time"


async def test_one_that_ends_at_once(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        with pytest.raises(WorkerError, match=r"ended at its start \(exit code 1\)") as caught:
            await one.start(DISPLAY)
        assert caught.value.why == "no module named luck"
        assert one.receipts[0].cause == "died"


async def test_a_start_that_is_cancelled(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        starting = asyncio.create_task(one.start(EGRESS))
        await outside.until(lambda: one.supervisor.workers)
        (worker,) = one.supervisor.workers
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        receipt = await asyncio.wait_for(worker.gone, 30)
        assert receipt.cause == "start cancelled"


async def test_waiting_for_the_end_can_be_cancelled(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        worker = await one.start()

        async def wait() -> None:
            await worker.gone

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await worker.end("test")).clean


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        before = outside.look()
        folder = tmp_path / "workers"
        folder.rename(tmp_path / "away")
        with pytest.raises(WorkerError, match="a lobby worker cannot be started"):
            await one.start()
        (tmp_path / "away").rename(folder)
        assert outside.look() == before


async def test_a_long_runtime_path(tmp_path: Path) -> None:
    """Longer than the path of a Unix socket may be."""
    deep = tmp_path.joinpath(*(["x" * 60] * 3))
    async with host(deep) as one:
        worker = await one.start()
        assert (await worker.request(CloseRendition("")))["pid"] == worker.pid


async def test_a_worker_speaks(tmp_path: Path) -> None:
    async with host(tmp_path) as one:
        worker = await one.start()
        worker.post(ForceKeyframe("echo"))
        await outside.until(lambda: one.heard == [ForceKeyframe("echo")])
        reading, writing = os.pipe()
        await worker.request(AttachReader("t", "r"), [writing])
        os.close(reading)
        with pytest.raises(CallerError, match="that is nonsense"):
            await worker.request(CloseRendition("nonsense"))
        with pytest.raises(DeadlineError, match=f"worker {worker.id} did not answer CloseRendition"):
            await worker.request(CloseRendition("slow"), deadline=0.1)


async def test_a_worker_inherits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEADYCAST_AUTH__TOKEN", "secret")
    inheritable = os.dup(0)
    os.set_inheritable(inheritable, True)
    try:
        async with host(tmp_path) as one:
            worker = await one.start()
            found = await worker.request(CloseRendition("environment"))
            assert "secret" not in found.values()
            assert "STEADYCAST_CHILD" not in found
            assert os.getsid(worker.pid) == worker.pid
            fds = proc.descriptors(worker.pid)
            assert fds is not None
            assert fds[0] == "/dev/null"
            assert fds[1] == fds[2] == str(tmp_path / "workers" / f"{worker.id}.log")
            names = sorted(value.partition("[")[0] for key, value in fds.items() if key > 2)
            # The listener, the connection, and the wake-up pair of the loop; its epoll.
            assert names == ["anon_inode:", "socket:", "socket:", "socket:", "socket:"]
    finally:
        os.close(inheritable)


async def test_nothing_starts_after_the_end(tmp_path: Path) -> None:
    one = Host(tmp_path)
    await one.supervisor.open()
    await one.start()
    await one.supervisor.close()
    assert [receipt.cause for receipt in one.receipts] == ["host ends"]
    with pytest.raises(ConflictError):
        await one.start()


async def test_a_control_plane_that_slept_blames_nobody(tmp_path: Path) -> None:
    async with host(tmp_path, silence_s=1, heartbeat_s=0.2) as one:
        worker = await one.start()
        worker.last_sign -= 0.5
        os.kill(worker.pid, signal.SIGSTOP)
        signal.sigtimedwait([], 2)  # the whole event loop sleeps, as in a suspended machine
        os.kill(worker.pid, signal.SIGCONT)
        beats = worker.statistics.get("beats", 0)
        await outside.until(lambda: worker.statistics.get("beats", 0) > beats + 10)
        assert worker.receipt is None
