"""What drivers show of a worker after its end, and measures before it; the driver is one that the test plays."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.model import Check, Receipt, WorkerKind
from steadycast.tracking import gauge as gauge_module
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker

pytestmark = pytest.mark.process

DEADLINE_S = 60.0


class Driver:
    """Shows what it is told of every process; after so many looks it shows `then`."""

    def __init__(self, shows: tuple[int | None, int | None]) -> None:
        self.shows = self.then = shows
        self.looks = 0
        self.forgets_at = 0

    def usage(self, pid: int) -> tuple[int | None, int | None]:
        return self.shows

    async def look(self) -> None:
        self.looks += 1
        if self.looks >= self.forgets_at:
            self.shows = self.then


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    settings = WorkerSettings(spares=0, start_s=DEADLINE_S)
    modules = {WorkerKind.LOBBY: "tests.support.leaky_child"}
    made = Supervisor(tmp_path, settings, lambda receipt: None, modules=modules, gstreamer=False)
    await made.open()
    yield made
    await made.close()


async def start(supervisor: Supervisor) -> Worker:
    return await supervisor.start(WorkerKind.LOBBY, on_message=lambda message, fds: None)


def named(receipt: Receipt) -> dict[str, Check]:
    return {check.name: check for check in receipt.checks}


async def test_a_driver_that_lags_is_asked_again(supervisor: Supervisor) -> None:
    driver = Driver((1 << 20, 2))
    driver.then, driver.forgets_at = (0, 0), 3
    supervisor.gauge.ask(driver.usage, driver.look)
    receipt = await (await start(supervisor)).end("test")
    assert receipt.clean and driver.looks == 3
    assert receipt.before is not None and (receipt.before.vram, receipt.before.encoder_sessions) == (1 << 20, 2)
    assert named(receipt)["vram"].residue == named(receipt)["encoder sessions"].residue == ()
    assert [rung.name for rung in receipt.rungs] == ["end", "drivers", "looked"]


async def test_what_a_driver_goes_on_to_show_is_residue(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauge_module, "DRIVER_S", 0.3)
    driver = Driver((0, 1))
    supervisor.gauge.ask(driver.usage, driver.look)
    receipt = await (await start(supervisor)).end("test")
    assert not receipt.clean and named(receipt)["encoder sessions"].residue == ("1 encoder sessions",)
    assert "vram" not in named(receipt), "it had none"


async def test_a_driver_that_does_not_tell_any_more_leaves_it_open(supervisor: Supervisor) -> None:
    driver = Driver((5, 1))
    driver.then = (None, None)
    supervisor.gauge.ask(driver.usage, driver.look)
    receipt = await (await start(supervisor)).end("test")
    assert not receipt.clean
    assert named(receipt)["vram"].residue is None and named(receipt)["vram"].why


async def test_where_nobody_knows_of_a_driver_nothing_is_asked(supervisor: Supervisor) -> None:
    driver = Driver((None, None))
    supervisor.gauge.ask(driver.usage, driver.look)
    receipt = await (await start(supervisor)).end("test")
    assert receipt.clean and driver.looks == 0 and not {"vram", "encoder sessions"} & named(receipt).keys()


async def test_a_driver_that_hangs_holds_up_no_end(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauge_module, "DRIVER_LATE_S", 0.3)
    never = asyncio.Event()

    async def hang() -> None:
        await never.wait()

    supervisor.gauge.ask(lambda pid: (7, None), hang)
    async with asyncio.timeout(DEADLINE_S):
        receipt = await (await start(supervisor)).end("test")
    assert named(receipt)["vram"].residue is None and not receipt.clean


async def killed(worker: Worker) -> Receipt:
    os.kill(worker.pid, signal.SIGKILL)
    return await asyncio.wait_for(worker.gone, DEADLINE_S)


async def test_of_a_worker_that_died_young_the_first_measures_are_told(supervisor: Supervisor) -> None:
    worker = await start(supervisor)
    async with asyncio.timeout(DEADLINE_S):
        while worker.measures is None:
            await asyncio.sleep(0.01)
    receipt = await killed(worker)
    assert receipt.before == worker.measures and receipt.before.descriptors
    assert receipt.clean and "drivers" not in [rung.name for rung in receipt.rungs], "this host has none"


@pytest.mark.parametrize(
    ("shown", "then", "mute", "residue"),
    [
        ((0, 0), (0, 0), False, {"vram": (), "encoder sessions": ()}),
        ((0, 0), (0, 1), False, {"vram": (), "encoder sessions": ("1 encoder sessions",)}),
        ((0, None), (0, None), False, {"vram": ()}),
        ((0, 0), (None, None), False, {"vram": None, "encoder sessions": None}),
        ((None, None), (None, None), True, {"vram": None, "encoder sessions": None}),
    ],
)
async def test_of_a_worker_that_died_drivers_are_asked_whatever_was_known(
    supervisor: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
    shown: tuple[int | None, int | None],
    then: tuple[int | None, int | None],
    mute: bool,
    residue: dict[str, tuple[str, ...] | None],
) -> None:
    """It may have opened an encoder since it was measured, or never have been measured at all."""
    monkeypatch.setattr(gauge_module, "DRIVER_S", 0.3)
    worker, driver = await start(supervisor), Driver(shown)
    driver.then = then
    supervisor.gauge.ask(driver.usage, driver.look, lambda: mute)
    worker.measures = None
    checks = named(receipt := await killed(worker))
    assert {name: checks[name].residue for name in ("vram", "encoder sessions") if name in checks} == residue
    assert receipt.clean == all(one == () for one in residue.values())
    assert (driver.looks == 0) == mute
