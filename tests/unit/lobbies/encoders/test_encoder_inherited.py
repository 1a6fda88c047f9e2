"""Encoders that run already when a host starts: what is so stands in the books, once, and counts as ours."""

from __future__ import annotations

import asyncio

import pytest

from steadycast.errors import RefusedError
from steadycast.leases.decisions import Denial
from steadycast.lobbies.seats import Seat
from steadycast.model import Codec, EncoderOrder, EncoderReport, HardwareUse, WhenFull
from tests.support.encoder_house import GPU, Driver, House, Houses

ON_GPU = EncoderOrder(GPU, "sim", Codec.H264, "sim", ("simenc",))
ON_CPU = EncoderOrder("software", "software", Codec.H264, "x264", ("x264enc",))


def found(house: House, lobby: str, order: EncoderOrder = ON_GPU, **changes: object) -> Seat:
    """A worker of a former control plane encodes; its driver knows."""
    pid = next(house._pids)
    house.workers[pid] = lobby
    seat = house.encoders.adopt(house.request(lobby, **changes), order, pid, EncoderReport(order.device, "simenc"))
    if seat.hardware:
        house.driver.opened[seat.number] = (GPU, pid)
    house.seats[seat.request.holder] = seat
    return seat


async def before_the_first_look(houses: Houses, driver: Driver) -> House:
    driver.hangs = asyncio.Event()
    house = await houses.build(driver, tried=False)
    await house.settle()
    return house


async def looked(house: House) -> None:
    assert house.driver.hangs is not None
    house.driver.hangs.set()
    await house.encoders.look()
    await house.until(lambda: all(Houses._known(view) for view in house.encoders.devices() if view.hardware))


async def test_truth_is_borne_before_the_first_look_and_above_the_limit(houses: Houses) -> None:
    await houses.build(Driver(real=4, told=3))
    await houses.close()  # the former control plane, which knew that the device works
    house = await before_the_first_look(houses, Driver(real=4, told=3))
    for lobby in ("a", "b", "c", "d"):
        seat = found(house, lobby)
        assert seat.hardware and seat.opened is not None
    assert {lease.holder for lease in house.encoders.leases()} == {f"{lobby}/main" for lobby in "abcd"}
    await looked(house)
    sessions = house.encoders._books.sessions("pool")
    assert (sessions.lent, sessions.free) == (4, 0)
    assert house.seats["a/main"].device_name == "GPU 0"
    with pytest.raises(RefusedError) as refused:
        await house.encoders.take(house.request("e", when_full=WhenFull.REFUSE))
    assert refused.value.code == Denial.ENCODER_SESSIONS
    for lobby in ("a", "b"):
        house.end(lobby)
    assert (sessions.lent, sessions.free) == (2, 2 if sessions.limit == 4 else 1)
    assert (await house.play("f")).device == GPU


async def test_they_are_neither_foreign_nor_orphans(houses: Houses) -> None:
    house = await before_the_first_look(houses, Driver(real=5, told=5, foreign=1))
    for lobby in ("a", "b"):
        found(house, lobby)
    await looked(house)
    for _ in range(3):
        await house.pass_time(60)
    sessions = house.encoders._books.sessions("pool")
    assert (sessions.lent, sessions.free) == (2, 2)
    assert not house.said("encoder.drift") and not house.reaped


async def test_adopted_after_the_first_look_it_is_the_same(houses: Houses) -> None:
    house = await houses.build()
    found(house, "a")
    sessions = house.encoders._books.sessions("pool")
    assert sessions.lent == 1
    await house.pass_time(60)
    assert sessions.lent == 1


async def test_one_in_software_goes_to_hardware_when_it_may(houses: Houses) -> None:
    house = await before_the_first_look(houses, Driver())
    found(house, "a", ON_CPU)
    found(house, "b", ON_CPU, hardware=HardwareUse.FORBID)
    await looked(house)
    await house.pass_time(30)
    await house.until(lambda: house.on(GPU) == {"a"})
    assert house.on("software") == {"b"}


async def test_where_nothing_is_made_for_it_nothing_is_amiss(houses: Houses) -> None:
    house = await before_the_first_look(houses, Driver(gpus=0))
    seat = found(house, "a", ON_CPU)
    assert house.driver.hangs is not None
    house.driver.hangs.set()
    await house.encoders.look()
    assert seat.no_hardware and seat.code is Denial.NO_ENCODER
    cpu = house.encoders._books.cpu
    used = cpu.total - cpu.free
    house.end("a")
    assert used > 0 and cpu.free == cpu.total


async def test_a_device_that_is_gone_is_given_back_all_the_same(houses: Houses) -> None:
    house = await before_the_first_look(houses, Driver(gpus=0))
    found(house, "a")
    assert house.driver.hangs is not None
    house.driver.hangs.set()
    await house.encoders.look()
    assert len(tuple(house.encoders.leases())) >= 1
    house.end("a")
    assert not tuple(house.encoders.leases())


async def test_software_instead_of_hardware_is_said_once_per_cause(houses: Houses) -> None:
    house = await houses.build(Driver(real=1, told=1))
    await house.play("a")
    for _ in range(2):
        await house.play("b")
        house.end("b")
    assert len(house.said("encoder.fallback")) == 1
    await houses.close()
    house = await before_the_first_look(houses, Driver(real=1, told=1))
    found(house, "a")
    found(house, "b", ON_CPU)
    await looked(house)
    house.end("b")
    assert not (await house.play("b")).hardware and not house.said("encoder.fallback")
    house.end("a")
    house.end("b")
    assert (await house.play("b")).hardware  # from now on it would be news
    house.end("b")
    await house.play("a")
    await house.play("b")
    assert [event.lobby for event in house.said("encoder.fallback")] == ["b"]
