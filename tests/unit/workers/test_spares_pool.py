"""Spares are kept, taken, sent away when they are old or memory is short, and started anew."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from steadycast.leases.pools import Pools, Pressure
from steadycast.model import Receipt, WorkerKind
from steadycast.tracking.strain import Strain, look
from steadycast.workers import pressing as pressing_module
from steadycast.workers.pressing import RELAX_S, Pressing, Relaxing
from steadycast.workers.spares import PRESSED, Spares
from tests.support import outside
from tests.support.stand_in_workers import StandIn, StandInSupervisor


class House:
    """Spares of stand-ins, and a clock that is set."""

    def __init__(self, count: int = 2) -> None:
        self.now = 0.0
        self.started: list[StandIn] = []
        self.supervisor = StandInSupervisor(self.note)
        self.gone: list[Receipt] = []
        self.spares = Spares(count, self.start, 100.0, lambda: self.now)  # type: ignore[arg-type]

    def note(self, receipt: Receipt) -> None:
        self.gone.append(receipt)

    async def start(self) -> StandIn:
        worker = await self.supervisor.start(WorkerKind.LOBBY, on_message=lambda message, fds: None)
        self.started.append(worker)
        worker.gone.add_done_callback(lambda _: self.spares.lost(worker))  # type: ignore[arg-type]
        return worker

    async def filled(self, count: int) -> None:
        await outside.until(lambda: len(self.spares) == count)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    house.spares.begin()
    await house.filled(2)
    yield house
    await house.spares.close()


async def test_one_that_is_taken_is_replaced(house: House) -> None:
    taken: object = house.spares.take()
    assert taken in house.started
    await house.filled(2)
    told = house.spares.statistics()
    assert len(house.started) == 3
    assert (told.created, told.reused, told.parted, told.high_water) == (3, 1, 1, 2)
    assert told.reuse == 1.0


async def test_where_memory_is_short_none_is_kept_or_started(house: House) -> None:
    house.spares.press(Pressure.HIGH, 0.0)
    await outside.until(lambda: len(house.gone) == 2)
    assert {receipt.cause for receipt in house.gone} == {PRESSED}
    assert house.spares.take() is None
    assert len(house.started) == 2, "nobody starts what would be sent away"
    house.spares.press(Pressure.LOW, 1.0)
    await house.filled(2)
    assert house.spares.statistics().missed == 1


async def test_one_that_is_old_is_replaced(house: House) -> None:
    first = list(house.started)
    house.now = 100.0
    house.spares.press(Pressure.LOW, 100.0)
    await outside.until(lambda: len(house.gone) == 2)
    await house.filled(2)
    assert not {one.id for one in first} & {one.id for one in house.started[2:]}
    assert house.spares.statistics().evicted == {"aged": 2}


async def test_none_wanted_none_kept() -> None:
    house = House(0)
    house.spares.begin()
    assert house.spares.take() is None
    assert not house.spares.keep(await house.start())  # type: ignore[arg-type]


async def test_pools_hear_what_the_host_shows() -> None:
    strain = Strain(0.5, ())
    pools, heard = Pools(), list[Pressure]()
    pools.add("things", House().spares.statistics, lambda pressure, now: heard.append(pressure))
    pressing = Pressing(pools, None, lambda: strain)  # type: ignore[arg-type]
    pressing.begin()
    await outside.until(lambda: heard)
    await pressing.close()
    assert heard[0] is Pressure.HIGH and pools.pressure is Pressure.HIGH


def test_it_gets_worse_at_once_and_better_after_a_while() -> None:
    relaxing = Relaxing()
    assert relaxing.see(Pressure.HIGH, 0.0) is Pressure.HIGH
    assert relaxing.see(Pressure.LOW, 1.0) is Pressure.HIGH
    assert relaxing.see(Pressure.MEDIUM, 30.0) is Pressure.HIGH
    assert relaxing.see(Pressure.LOW, RELAX_S) is Pressure.HIGH
    assert relaxing.see(Pressure.LOW, 1.0 + RELAX_S) is Pressure.MEDIUM, "the worst of that while"
    assert relaxing.see(Pressure.LOW, 2.0 + RELAX_S) is Pressure.MEDIUM
    assert relaxing.see(Pressure.LOW, 2.0 + 2 * RELAX_S) is Pressure.LOW
    assert relaxing.see(Pressure.MEDIUM, 3.0 + 2 * RELAX_S) is Pressure.MEDIUM


def test_what_the_machine_tells(tmp_path: Path) -> None:
    (tmp_path / "proc/pressure").mkdir(parents=True)
    (tmp_path / "proc/pressure/memory").write_text("some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 100 kB\n")
    assert look(tmp_path) == Strain(0.125, (0.9,), 100 << 10)
    assert look(tmp_path / "nothing") == Strain(None, ())
    here = look()
    assert here.full and all(0 < one < 1.5 for one in here.full)


async def test_closing_leaves_no_task() -> None:
    house = House()
    house.spares.begin()
    await house.filled(2)
    before = len(asyncio.all_tasks())
    await house.spares.close()
    assert len(asyncio.all_tasks()) < before


async def test_a_look_that_hangs_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressing_module, "DEADLINE_S", 0.02)
    monkeypatch.setattr(pressing_module, "LOOK_S", 0.01)
    gate, begun = threading.Event(), list[int]()

    def hangs() -> Strain:
        begun.append(1)
        gate.wait(outside.GENEROUS_S)
        return Strain(None, (), 4096)

    warned = 0

    def warning(*_: object, **__: object) -> None:
        nonlocal warned
        warned += 1

    monkeypatch.setattr(pressing_module.log, "warning", warning)
    with ThreadPoolExecutor(2) as threads:
        pressing = Pressing(Pools(), threads, hangs)
        pressing.begin()
        await outside.until(lambda: warned >= 3)
        assert len(begun) == 1 and pressing.left is None
        gate.set()
        await outside.until(lambda: pressing.left == 4096 - 4096 // 20)
        await pressing.close()
