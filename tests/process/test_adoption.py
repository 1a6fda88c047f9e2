"""Workers outlive their control plane, and the next one goes on with them: real processes, killed or left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.errors import DeadlineError, WorkerError
from steadycast.lifecycle import WorkerState
from steadycast.model import Receipt, WorkerKind
from steadycast.serve.folders import locked, make_folders
from steadycast.workers import records
from steadycast.workers.adoption import Adoption
from steadycast.workers.channel import Descriptors
from steadycast.workers.evidence import EvidenceFolder
from steadycast.workers.messages import CloseRendition, ForceKeyframe, RtspDescribe, RtspGone
from steadycast.workers.messages.common import PROTOCOL
from steadycast.workers.messages.stock import LobbyStock
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker
from tests.support import outside
from tests.support.killed_plane import ROOT, control_plane, ended

LOBBY, EGRESS = WorkerKind.LOBBY, WorkerKind.EGRESS
MODULES = {LOBBY: "tests.support.ticking_child", EGRESS: "tests.support.mute_child"}
SETTINGS: dict[str, Any] = {"spares": 0, "start_s": 60, "end_s": 5, "term_s": 1, "kill_s": 30, "heartbeat_s": 0.2}
ROUNDS = 20


class Plane:
    """A control plane in this process."""

    def __init__(self, runtime: Path, evidence: EvidenceFolder | None = None, **settings: Any) -> None:
        self.receipts: list[Receipt] = []
        self.moves: list[tuple[str, WorkerState, str | None]] = []
        made = WorkerSettings(**(SETTINGS | settings))
        self.supervisor = Supervisor(
            runtime,
            made,
            self.receipts.append,
            on_worker=self._moved,
            evidence=evidence,
            modules=MODULES,
            gstreamer=False,
        )

    async def begin(self) -> Adoption:
        await self.supervisor.open()
        return await self.supervisor.adopt()

    async def start(self, lobby: str | None = None) -> Worker:
        return await self.supervisor.start(LOBBY, lobby=lobby, on_message=ignore)

    def _moved(self, worker: Worker, state: WorkerState, cause: str | None, seconds: float) -> None:
        assert seconds >= 0
        self.moves.append((worker.id, state, cause))


@asynccontextmanager
async def plane(
    runtime: Path, evidence: EvidenceFolder | None = None, **settings: Any
) -> AsyncIterator[tuple[Plane, Adoption]]:
    made = Plane(runtime, evidence, **settings)
    adoption = await made.begin()
    try:
        yield made, adoption
    finally:
        if not made.supervisor.closing:
            await made.supervisor.close()


def ignore(message: Any, fds: Descriptors) -> None:
    return


def ordered(stock: object) -> str | None:
    assert isinstance(stock, LobbyStock)
    return stock.order.lobby if stock.order else None


def counted(stock: object) -> int:
    """How far a worker had counted when it was asked for the first page."""
    assert isinstance(stock, LobbyStock)
    assert stock.readers is not None
    assert sorted(stock.readers) == ["track 0", "track 1", "track 2"]
    return int(stock.readers["track 0"][0])


async def test_the_next_control_plane_goes_on(tmp_path: Path) -> None:
    with control_plane(tmp_path, 600, "crowd") as killed:
        await outside.until(lambda: len(records.read_all(tmp_path)) == 4)  # with the spare
        killed.kill()
        async with plane(tmp_path, spares=1) as (here, adoption):
            assert (adoption.refused, list(adoption.swept)) == ((), [])
            workers = {one.worker.lobby: one.worker for one in adoption.adopted}
            assert set(workers) == {None, "lobby 0", "lobby 1", "lobby 2"}
            assert [workers[f"lobby {n}"].pid for n in range(3)] == killed.told
            assert {ordered(one.stock): one.worker.lobby for one in adoption.adopted} == {
                name: name for name in workers
            }
            assert {(state, cause) for _, state, cause in here.moves} == {(WorkerState.READY, "adopted")}
            await waiting_request(workers["lobby 0"], tmp_path)
            await spare_is_kept(here, workers[None])
            worker = workers["lobby 1"]
            beats = worker.statistics["count"]
            await outside.until(lambda: worker.statistics["count"] > beats)  # it is heard and beats on
            os.kill(worker.pid, signal.SIGKILL)
            receipt = await asyncio.wait_for(worker.gone, 60)
            assert (receipt.cause, receipt.exit_code, receipt.signal, receipt.clean) == ("died", None, None, True)
        assert {receipt.pid for receipt in here.receipts} >= set(killed.told)
        assert all(receipt.clean for receipt in here.receipts)
    assert list((tmp_path / "workers").iterdir()) == []


async def waiting_request(worker: Worker, runtime: Path) -> None:
    """It asked while nobody was there; the answer comes from who takes it."""

    async def answer(message: Any, fds: Descriptors) -> dict[str, Any]:
        assert isinstance(message, RtspDescribe)
        return {"text": f"hello {message.hold}"}

    worker.take(worker.lobby, ignore, answer)
    log = records.folder(runtime) / f"{worker.id}.log"
    await outside.until(lambda: "answered: hello hold" in log.read_text())


async def spare_is_kept(here: Plane, spare: Worker) -> None:
    assert here.supervisor.statistics().spares == 0
    here.supervisor.keep_spare(spare)
    assert here.supervisor.statistics().spares == 1
    assert await here.start("lobby 3") is spare
    await outside.until(lambda: here.supervisor.statistics().spares == 1)  # another in its place


async def test_what_it_says_before_it_is_taken_comes_in_order(tmp_path: Path) -> None:
    async with plane(tmp_path) as (first, _):
        await first.start("one")
        await first.supervisor.leave()
    async with plane(tmp_path) as (_, adoption):
        (one,) = adoption.adopted
        held = counted(one.stock)
        await outside.until(lambda: one.worker.statistics.get("count", 0) > held + 20)
        heard: list[int] = []
        one.worker.take("one", lambda message, fds: heard.append(number(message)), None)
        kept = len(heard)
        assert kept > 20
        await outside.until(lambda: len(heard) > kept + 20)
        assert heard == list(range(heard[0], heard[0] + len(heard)))
        assert heard[0] <= held + 1  # nothing between what it held and what it said is lost


def number(message: Any) -> int:
    assert isinstance(message, RtspGone)
    return int(message.hold)


async def test_those_that_cannot_be_adopted_end(tmp_path: Path) -> None:
    async with plane(tmp_path) as (first, _):
        names = ["token", "stopped", "protocol", "nonsense", "socket", "dead", "stranger", "good"]
        workers = dict(zip(names, await asyncio.gather(*(first.start(name) for name in names)), strict=True))
        await workers["protocol"].request(CloseRendition("speak another protocol"))
        await workers["nonsense"].request(CloseRendition("hold nonsense"))
        mute = asyncio.create_task(first.supervisor.start(EGRESS, on_message=ignore))
        await outside.until(lambda: len(first.supervisor.workers) == 9)
        (silent,) = [worker for worker in first.supervisor.workers if worker.kind is EGRESS]
        await first.supervisor.leave()
        with pytest.raises(WorkerError, match="left"):
            await mute
        assert first.receipts == []
    folder = records.folder(tmp_path)
    rewrite(tmp_path, workers["token"].id, token="another")
    os.kill(workers["stopped"].pid, signal.SIGSTOP)
    (folder / f"{workers['socket'].id}.sock").unlink()
    os.kill(workers["dead"].pid, signal.SIGKILL)
    await outside.until(lambda: outside.has_ended(workers["dead"].pid))
    with stranger(folder / f"{workers['stranger'].id}.sock"):
        here = Plane(tmp_path, adopt_s=3)
        adoption = await here.begin()
    try:
        assert [one.worker.lobby for one in adoption.adopted] == ["good"]
        gone = await ended(adoption)
        assert sorted(receipt.id for receipt in gone) == sorted(receipt.id for receipt in here.receipts)
        causes = {receipt.worker: receipt.cause for receipt in gone}
        assert causes == {one.worker: one.cause for one in adoption.refused}
        expected = {
            "token": "not adopted: its hello was not that of the process that was started",
            "stopped": "hung at adoption: it is stopped",
            "protocol": f"not adopted: it speaks another protocol (3, not {PROTOCOL})",
            "nonsense": "not adopted: what it holds makes no sense: after 0 cannot come 0",
            "socket": "not adopted: its control socket cannot be reached (No such file or directory)",
            "stranger": "hung at adoption: it did not come to listen at its control socket in time",
            "dead": "ended while there was no control plane",
        }
        assert {name: causes.pop(workers[name].id) for name in expected} == expected
        assert causes == {silent.id: "hung at adoption: it did not come to listen at its control socket in time"}
        assert [receipt for receipt in gone if not receipt.clean] == []
        assert f"{folder}/{workers['dead'].id}.sock" in adoption.swept
        assert all(outside.has_ended(worker.pid) for name, worker in workers.items() if name in expected)
    finally:
        await here.supervisor.close()


@contextmanager
def stranger(path: Path) -> Iterator[None]:
    """Another process listens at a worker's control socket."""
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(16)
        yield


def rewrite(runtime: Path, worker: str, **fields: Any) -> None:
    (record,) = [record for record in records.read_all(runtime) if record.id == worker]
    records.write(records.folder(runtime) / f"{worker}.json", replace(record, **fields))


async def test_one_that_is_only_just_starting(tmp_path: Path) -> None:
    """It has its socket from the former control plane and does not listen itself yet; then it does."""
    first = Plane(tmp_path)
    await first.begin()
    starting = asyncio.create_task(first.start("one"))
    await outside.until(lambda: first.supervisor.workers)
    (left,) = first.supervisor.workers
    assert left.state is WorkerState.STARTING
    await first.supervisor.leave()
    with pytest.raises(WorkerError, match="left"):
        await starting
    async with plane(tmp_path, adopt_s=60) as (_, adoption):
        assert [(one.worker.pid, one.worker.ready) for one in adoption.adopted] == [(left.pid, True)]
        counted(adoption.adopted[0].stock)


async def test_leaving_waits_for_ends_that_have_begun(tmp_path: Path) -> None:
    first = Plane(tmp_path)
    await first.begin()
    ending, staying = await asyncio.gather(first.start("one"), first.start("two"))
    ending.begin_end("test")
    await first.supervisor.leave()
    assert [receipt.worker for receipt in first.receipts] == [ending.id]
    assert [state for name, state, _ in first.moves if name == ending.id][-2:] == [
        WorkerState.ENDING,
        WorkerState.GONE,
    ]
    async with plane(tmp_path) as (_, adoption):
        assert [one.worker.id for one in adoption.adopted] == [staying.id]


async def test_an_adoption_that_is_cancelled_ends_nobody(tmp_path: Path) -> None:
    async with plane(tmp_path) as (first, _):
        workers = [await first.start("one"), await first.start("two")]
        await first.supervisor.leave()
    os.kill(workers[0].pid, signal.SIGSTOP)
    second = Plane(tmp_path)
    await second.supervisor.open()
    adopting = asyncio.create_task(second.supervisor.adopt())
    await outside.until(lambda: any(worker.ready for worker in second.supervisor.workers))
    adopting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adopting
    await second.supervisor.leave()
    os.kill(workers[0].pid, signal.SIGCONT)
    async with plane(tmp_path) as (_, adoption):
        assert {one.worker.pid for one in adoption.adopted} == {worker.pid for worker in workers}


async def test_one_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """It is ended beside what comes next, and what it hung in is kept."""
    async with plane(tmp_path) as (first, _):
        good, hangs = await first.start("good"), await first.start("hangs")
        hangs.post(ForceKeyframe("hang"))
        with pytest.raises(DeadlineError):
            await hangs.request(CloseRendition(""), deadline=0.2)
        await first.supervisor.leave()
    evidence = EvidenceFolder(tmp_path / "evidence", 4, str)
    async with plane(tmp_path, evidence, adopt_s=600) as (here, adoption):
        assert [one.worker.id for one in adoption.adopted] == [good.id]
        (refused,) = adoption.refused
        assert not refused.gone.done() and hangs.id in {worker.id for worker in here.supervisor.workers}
        (receipt,) = await ended(adoption)
        assert (receipt.worker, receipt.cause) == (hangs.id, "hung at adoption: it said no hello in time")
        assert receipt.rungs[0].name == "evidence" and receipt.evidence == hangs.id
        case = evidence.read(hangs.id) or {}
        assert "ticking_child" in case["stacks"]["text"] and case["process"]["state"] is not None


@pytest.mark.parametrize("called", [False, True])
async def test_whoever_is_told_to_end_ends_all_that_is_left(tmp_path: Path, called: bool) -> None:
    """Also before it called them, or while it does."""
    async with plane(tmp_path) as (first, _):
        workers = [await first.start("one"), await first.start("two")]
        await first.supervisor.leave()
    os.kill(workers[0].pid, signal.SIGSTOP)
    second = Plane(tmp_path)
    await second.supervisor.open()
    if called:
        adopting = asyncio.create_task(second.supervisor.adopt())
        await asyncio.sleep(0)
        adopting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adopting
    await second.supervisor.close("told to", found=True)
    assert {receipt.worker: receipt.cause for receipt in second.receipts} == {one.id: "told to" for one in workers}
    assert all(receipt.clean for receipt in second.receipts)
    assert all(outside.has_ended(worker.pid) for worker in workers)


async def test_two_control_planes_at_one_worker(tmp_path: Path) -> None:
    """The second waits in the backlog; nothing is said to it before the first is gone."""
    async with plane(tmp_path) as (first, _):
        worker = await first.start("one")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as second:
            second.setblocking(False)
            second.connect(str(records.folder(tmp_path) / f"{worker.id}.sock"))
            assert (await worker.request(CloseRendition("")))["pid"] == worker.pid
            with pytest.raises(BlockingIOError):
                second.recv(65536)
            await first.supervisor.leave()
            said = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(second, 65536), 60)
            assert b'"Hello"' in said
    async with plane(tmp_path) as (_, adoption):  # after the second is gone, too
        assert [one.worker.pid for one in adoption.adopted] == [worker.pid]


async def test_a_second_host_touches_none(tmp_path: Path) -> None:
    folders = make_folders(tmp_path, os.environ)
    with locked(folders):
        async with plane(folders.runtime) as (here, _):
            worker = await here.start("one")
            command = [sys.executable, "-m", "steadycast", "serve", "--state", str(folders.state), "--port", "0"]
            run = asyncio.to_thread(
                subprocess.run, [*command, "--rtsp-port", "0"], cwd=ROOT, capture_output=True, text=True, timeout=60
            )
            second = await run
            assert second.returncode != 0
            assert f"another host (process {os.getpid()}) uses" in second.stderr + second.stdout
            assert (await worker.request(CloseRendition("")))["pid"] == worker.pid
            assert here.receipts == []


async def test_rounds_of_leaving_and_adopting_leave_nothing(tmp_path: Path) -> None:
    start = outside.look()
    first = Plane(tmp_path)
    await first.begin()
    pids = [(await first.start(name)).pid for name in ("one", "two")]
    await first.supervisor.leave()
    before = None
    for _ in range(ROUNDS):
        here = Plane(tmp_path)
        adoption = await here.begin()
        assert sorted(one.worker.pid for one in adoption.adopted) == sorted(pids)
        for one in adoption.adopted:
            one.worker.take(one.worker.lobby, ignore, None)
            one.worker.post(ForceKeyframe("copy"))
        held = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]  # noqa: PTH208 - /proc is no folder of files
        assert before in (None, held)
        before = held
        await here.supervisor.leave()
        assert here.receipts == []
    last = Plane(tmp_path)
    await last.begin()
    await last.supervisor.close()
    assert [receipt.clean for receipt in last.receipts] == [True, True]
    await outside.until(lambda: outside.look() == start)
    await outside.until(lambda: not outside.pool_threads("looks_"))  # they end after the pool did
