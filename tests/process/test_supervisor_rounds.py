"""Many rounds and many failures, after which the control plane holds what it held before."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.errors import WorkerError
from steadycast.model import Receipt, WorkerKind
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import CloseRendition, ForceKeyframe
from steadycast.workers.supervisor import Supervisor
from tests.support import outside

LOBBY, EGRESS, DISPLAY = WorkerKind.LOBBY, WorkerKind.EGRESS, WorkerKind.DISPLAY
MODULES = {
    LOBBY: "tests.support.odd_child",
    EGRESS: "tests.support.mute_child",
    DISPLAY: "tests.support.stillborn_child",
}
ROUNDS = 40


def ignore(message: Any, fds: Descriptors) -> None:
    return


def supervisor_of(runtime: Path, receipts: list[Receipt], **settings: Any) -> Supervisor:
    made = WorkerSettings(**({"spares": 0, "start_s": 30, "end_s": 2, "term_s": 1, "kill_s": 20} | settings))
    return Supervisor(runtime, made, receipts.append, modules=MODULES, gstreamer=False)


async def one_round(supervisor: Supervisor, number: int) -> None:
    worker = await supervisor.start(LOBBY, lobby=f"lobby {number}", on_message=ignore)
    await worker.request(CloseRendition("fork away" if number % 4 == 0 else ""))
    await worker.end("round")


async def one_failure(supervisor: Supervisor, number: int) -> None:
    kind = (LOBBY, DISPLAY, LOBBY, LOBBY)[number % 4]
    try:
        worker = await supervisor.start(kind, on_message=ignore)
    except WorkerError:
        return
    order = number % 3
    if order == 0:
        os.kill(worker.pid, signal.SIGKILL)
    else:
        worker.post(ForceKeyframe("die" if order == 1 else "garbage"))
    await asyncio.wait_for(worker.gone, 60)


@pytest.mark.slow
@pytest.mark.parametrize("turn", [one_round, one_failure])
async def test_rounds_leave_nothing(tmp_path: Path, turn: Any) -> None:
    receipts: list[Receipt] = []
    start = outside.look()
    supervisor = supervisor_of(tmp_path, receipts)
    await supervisor.open()
    await supervisor.adopt()
    await asyncio.gather(*(turn(supervisor, number) for number in range(4)))  # the first rounds start threads
    before = outside.look()
    for first in range(0, ROUNDS, 4):
        await asyncio.gather(*(turn(supervisor, number) for number in range(first, first + 4)))
    # A start that fails answers when its worker is gone; a receipt may still be on its way to us.
    await outside.until(lambda: len(receipts) == ROUNDS + 4)
    await outside.until(lambda: outside.look() == before)
    assert [receipt for receipt in receipts if not receipt.clean] == []
    assert list((tmp_path / "workers").iterdir()) == []
    await supervisor.close()
    await outside.until(lambda: outside.look() == start)
    await outside.until(lambda: not outside.pool_threads("looks_"))  # they end after the pool did


@pytest.mark.slow
async def test_many_at_once_end_at_once(tmp_path: Path) -> None:
    receipts: list[Receipt] = []
    start = outside.look()
    supervisor = supervisor_of(tmp_path, receipts)
    await supervisor.open()
    await supervisor.adopt()
    await asyncio.gather(*(supervisor.start(LOBBY, on_message=ignore) for _ in range(12)))
    assert supervisor.statistics().workers == {"lobby": 12}
    await supervisor.close()
    assert len(receipts) == 12
    assert all(receipt.clean for receipt in receipts)
    await outside.until(lambda: outside.look() == start)  # threads of its pools end after them


async def test_spares_are_taken_and_replaced(tmp_path: Path) -> None:
    receipts: list[Receipt] = []
    supervisor = supervisor_of(tmp_path, receipts, spares=2)
    await supervisor.open()
    await supervisor.adopt()
    await outside.until(lambda: supervisor.statistics().spares == 2)
    spares = {worker.pid for worker in supervisor.workers}
    worker = await supervisor.start(LOBBY, lobby="one", on_message=ignore)
    assert worker.pid in spares
    assert worker.lobby == "one"
    await outside.until(lambda: supervisor.statistics().spares == 2)
    (left,) = {other.pid for other in supervisor.workers if other.pid in spares} - {worker.pid}
    os.kill(left, signal.SIGKILL)  # a dead spare is replaced
    await outside.until(lambda: left in {receipt.pid for receipt in receipts})
    await outside.until(lambda: supervisor.statistics().spares == 2)
    receipt = await worker.end("test")
    assert (receipt.lobby, receipt.clean) == ("one", True)
    assert supervisor.statistics().spares_taken == 1
    await supervisor.close()
    assert all(receipt.clean for receipt in receipts)


async def test_spares_that_cannot_start_do_no_harm(tmp_path: Path) -> None:
    receipts: list[Receipt] = []
    made = WorkerSettings(spares=2)
    modules = {LOBBY: "tests.support.stillborn_child"}
    supervisor = Supervisor(tmp_path, made, receipts.append, modules=modules, gstreamer=False)
    await supervisor.open()
    await supervisor.adopt()
    await outside.until(lambda: len(receipts) >= 2)
    with pytest.raises(WorkerError, match="ended at its start"):
        await supervisor.start(LOBBY, on_message=ignore)
    await supervisor.close()
    assert all(receipt.clean for receipt in receipts)


async def test_closing_while_spares_start(tmp_path: Path) -> None:
    receipts: list[Receipt] = []
    start = outside.look()
    supervisor = supervisor_of(tmp_path, receipts, spares=3)
    await supervisor.open()
    await supervisor.adopt()
    await outside.until(lambda: supervisor.workers)
    await supervisor.close()
    assert all(receipt.clean for receipt in receipts)
    await outside.until(lambda: outside.look() == start)
