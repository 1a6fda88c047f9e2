"""A holder that goes on elsewhere: a seat beside its own where one is free, or its own again; nobody is passed."""

from __future__ import annotations

import asyncio

from steadycast.leases.decisions import Denial
from steadycast.lobbies.seats import Seat
from steadycast.model import HardwareUse, WhenFull
from tests.support.encoder_house import GPU, House, Houses

QUEUE = WhenFull.QUEUE
REQUIRE = HardwareUse.REQUIRE


def renew(house: House, lobby: str) -> Seat | None:
    """Its process is gone, and another one takes its place."""
    old = house.seats.pop(f"{lobby}/main")
    house._closed(old)
    seat = house.encoders.renew(old, house.request(lobby))
    return None if seat is None else house.open(seat)


async def test_beside_its_own_it_gets_what_is_free(houses: Houses) -> None:
    house = await houses.build()
    await house.play("a")
    beside = house.encoders.beside(house.request("a"))
    assert beside is not None and beside.device == GPU
    house.encoders.give_back(beside)
    assert house.on(GPU) == {"a"}


async def test_where_hardware_is_full_software_is_beside_as_the_policy_says(houses: Houses) -> None:
    house = await houses.build()
    for lobby in ("a", "b", "c"):
        await house.play(lobby)
    beside = house.encoders.beside(house.request("a"))
    assert beside is not None and not beside.hardware and beside.code is Denial.ENCODER_SESSIONS
    house.encoders.give_back(beside)
    assert house.encoders.beside(house.request("a", when_full=QUEUE)) is None
    assert house.encoders.beside(house.request("a", hardware=REQUIRE)) is None
    asked_for = house.encoders.beside(house.request("a", hardware=HardwareUse.FORBID))
    assert asked_for is not None and not asked_for.hardware and asked_for.code is None
    house.encoders.give_back(asked_for)


async def test_beside_passes_nobody_in_the_line(houses: Houses) -> None:
    house = await houses.build()
    for lobby in ("a", "b", "c"):
        await house.play(lobby)
    waits = asyncio.create_task(house.encoders.take(house.request("d", when_full=QUEUE)))
    await asyncio.sleep(0)
    house.end("c")
    assert house.open(await waits).request.holder == "d/main"
    another = asyncio.create_task(house.encoders.take(house.request("e", when_full=QUEUE)))
    await asyncio.sleep(0)
    assert house.encoders.beside(house.request("a", hardware=REQUIRE)) is None
    another.cancel()


async def test_its_own_again_though_others_wait_for_it(houses: Houses) -> None:
    house = await houses.build()
    for lobby in ("a", "b", "c"):
        await house.play(lobby, hardware=REQUIRE)
    waits = asyncio.create_task(house.encoders.take(house.request("d", when_full=QUEUE)))
    await asyncio.sleep(0)
    seat = renew(house, "a")
    assert seat is not None and seat.device == GPU and house.on(GPU) == {"a", "b", "c"}
    await asyncio.sleep(0)
    assert not waits.done(), "who goes on keeps its place"
    house.end("a")
    assert house.open(await waits).device == GPU


async def test_in_software_it_is_promoted_after_it_was_renewed(houses: Houses) -> None:
    house = await houses.build()
    for lobby in ("a", "b", "c", "d"):
        await house.play(lobby)
    seat = renew(house, "d")
    assert seat is not None and not seat.hardware and seat.code is Denial.ENCODER_SESSIONS
    house.end("b")
    await house.pass_time(0)
    await house.pass_time(4)
    assert house.on(GPU) == {"a", "c", "d"}


async def test_a_larger_picture_that_has_no_room_is_not_lent(houses: Houses) -> None:
    house = await houses.build()
    old = await house.play("a", hardware=HardwareUse.FORBID)
    house.seats.pop("a/main")
    huge = house.request("a", hardware=HardwareUse.FORBID, width=7680, height=4320, fps=240)
    assert house.encoders.renew(old, huge) is None
    assert house.encoders.leases() == ()
