"""The desk when much happens at once, when drivers do not say what they said before, and when vendors lie."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from steadycast.errors import EncoderError
from steadycast.leases.decisions import Denial
from steadycast.lobbies.encoders import beliefs
from steadycast.lobbies.seats import Seat
from steadycast.model import Codec, EncoderFault, HardwareUse, WhenFull
from steadycast.vendors.protocol import Device, DeviceUse, VendorLook, VendorReport, VendorState
from tests.support.encoder_house import GPU, SOFTWARE, Driver, Houses, refusal

ONE = 1280 * 720 * 30 * 1.2  # a CPU that has room for one
CAPPED = {"hardware": HardwareUse.REQUIRE, "when_full": WhenFull.REFUSE}


async def test_many_that_open_at_once_teach_the_cap_and_break_nothing(houses: Houses) -> None:
    house = await houses.build(Driver(real=3, told=8))
    seats = [await house.encoders.take(house.request(lobby)) for lobby in "abcdefg"]
    had = {seat: 500 + number for number, seat in enumerate(seats[:3])}
    for seat, pid in had.items():
        house.driver.open(seat, pid)  # the kernel gave it; its worker does not say so yet
    for seat in seats[3:]:
        with pytest.raises(EncoderError):
            house.open(seat)
    await house.settle()
    assert house.gpu().sessions_limit_origin == "table", "which of the others had a session is not known yet"
    assert not (await house.play("h")).hardware, "what was just refused is not given again"
    for seat, pid in had.items():
        house.workers[pid], house.seats[seat.request.holder] = "x", seat
        house.encoders.opened(seat, pid, None)
    await house.pass_time(1)
    view = house.gpu()
    assert (view.sessions_limit, view.sessions_limit_origin) == (3, "learned")
    assert view.breaker.state == "closed" and view.breaker.failures == 0


async def test_a_driver_that_refuses_everybody_is_broken_and_not_full(houses: Houses) -> None:
    house = await houses.build(Driver(real=8, told=8))
    for _ in range(2):
        seats = [await house.encoders.take(house.request(lobby, hardware=HardwareUse.REQUIRE)) for lobby in "ab"]
        for seat in seats:
            house.encoders.refused(seat, EncoderError(EncoderFault.CLIENT_KEY, "NVENC says 21."))
        await house.pass_time(1)
    assert house.gpu().breaker.state == "open" and house.gpu().sessions_limit_origin == "table"


async def test_a_missing_figure_raises_nothing(houses: Houses) -> None:
    driver = Driver(real=3, told=3, foreign=2)
    house = await houses.build(driver)
    await house.play("a")
    driver.shows = False  # who holds sessions cannot be read this time
    await house.pass_time(1)
    assert house.gpu().sessions_foreign is None
    assert not (await house.play("b")).hardware and not house.encoders.statistics().encoder_failures_total
    driver.shows, driver.foreign = True, 0
    await house.pass_time(1)
    assert (await house.play("c")).hardware
    memory = await houses.build(Driver(real=8, told=8, vram_total=600 << 20, foreign=1))
    await memory.play("a")
    await memory.pass_time(1)
    memory.driver.vram_total = None
    await memory.pass_time(1)
    assert memory.gpu().vram_total is None and (await memory.play("b")).code is Denial.VRAM


async def test_who_takes_software_does_not_wait_behind_one_who_requires_hardware(houses: Houses) -> None:
    house = await houses.build(cpu_pixels_per_s=ONE, cpu_share=1)
    for lobby in ("a", "b", "c", "s"):
        await house.play(lobby)
    first = asyncio.create_task(house.play("r", hardware=HardwareUse.REQUIRE, when_full=WhenFull.QUEUE))
    second = asyncio.create_task(house.play("p"))
    await house.settle()
    places = {place.holder: place for place in house.encoders.places()}
    assert places["p/main"].code == "encoder_sessions" and "Mpixel/s are free" in places["p/main"].why
    house.end("s")
    await house.settle()
    assert second.done() and house.on("software") == {"p"} and not first.done()
    house.end("a")
    await house.settle()
    assert first.done() and house.on(GPU) == {"b", "c", "r"}


@pytest.mark.parametrize("idle_first", [True, False])
async def test_an_idle_software_encoder_is_given_up_for_one_who_would_wait(houses: Houses, idle_first: bool) -> None:
    house = await houses.build(cpu_pixels_per_s=ONE, cpu_share=1)
    for lobby in ("a", "b", "c", "s"):
        await house.play(lobby)

    async def give_up() -> None:
        await asyncio.sleep(0)
        house.end("s")

    if idle_first:
        house.encoders.idle(house.seats["s/main"], give_up)
    asking = asyncio.create_task(house.play("p"))
    await house.settle()
    if not idle_first:
        assert not asking.done()
        house.encoders.idle(house.seats["s/main"], give_up)
        await house.settle()
    assert asking.done() and house.on("software") == {"p"} and not house.encoders.place("s/main")


async def test_a_device_that_is_new_at_every_look_fills_no_books(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beliefs, "KEPT", 8)

    class Liar(Driver):
        def reports(self) -> tuple[VendorReport, ...]:
            ids = [f"sim:{self.looks}-{number}" for number in range(30)]
            devices = tuple(replace(Driver.devices(self)[0], id=id, pool=f"pool of {id}") for id in ids)
            look = VendorLook(devices, tuple(DeviceUse(device.id, ()) for device in devices))
            software = VendorReport("software", VendorState.WORKS, VendorLook((SOFTWARE,)))
            return (VendorReport("sim", VendorState.WORKS, look), software)

    house = await houses.build(Liar(), tried=False)
    for _ in range(60):
        await house.encoders.look()
    assert (await house.play("a", hardware=HardwareUse.FORBID)).device == "software"
    assert len(house.encoders.devices()) == 31
    assert len(await house.parts.store.facts("encoder.trial")) <= 8 + 30  # what is on its way to the disk


async def test_a_look_that_fails_is_followed_by_the_next(houses: Houses, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await houses.build(look_s=0.01)
    seen = house.driver.reports

    def fails() -> tuple[VendorReport, ...]:
        monkeypatch.setattr(house.driver, "reports", seen)
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(house.driver, "reports", fails)
    await house.until(lambda: house.driver.reports is seen)
    before = house.driver.looks
    await house.until(lambda: house.driver.looks > before)


async def test_what_hung_is_said_and_not_that_sessions_are_used_up(houses: Houses) -> None:
    house = await houses.build(Driver(real=1, told=1))
    seat = await house.encoders.take(house.request("a"))
    house.encoders.refused(seat, EncoderError(EncoderFault.HUNG, "It did not open within 5 s."))
    await house.play("b")
    seat = await house.play("a", refused=frozenset({GPU}))
    assert seat.code is Denial.DRIVER_REFUSED and seat.why is not None and "did not open within 5 s" in seat.why


async def test_all_the_waiting_of_one_request_has_one_deadline(houses: Houses) -> None:
    house = await houses.build(Driver(real=1, told=1))
    await house.play("a")
    request = house.request("b", hardware=HardwareUse.REQUIRE, when_full=WhenFull.QUEUE)
    asking = asyncio.create_task(house.encoders.take(request))
    await house.settle()
    house.now += 8
    house.end("a")
    seat = await asking
    house.driver.foreign = 1  # stolen
    with pytest.raises(EncoderError):
        house.open(seat)
    again = asyncio.create_task(refusal(house.encoders.take(replace(request, refused=frozenset({GPU})))))
    await house.settle()
    assert not again.done()
    await house.pass_time(2.5)
    assert again.done() and (await again).code == "queue_timeout"


async def test_nothing_is_amiss_where_there_is_no_hardware(houses: Houses) -> None:
    house = await houses.build(Driver(gpus=0), tried=False)
    seat = await house.play("a")
    assert seat.code is Denial.NO_ENCODER and seat.no_hardware and house.encoders.place("a/main") is None
    assert house.encoders.gpu_status(1, 1).software_mode is True
    (told,) = house.encoders.admissions(None, 1).items
    assert told.result == "fallback" and told.code == "no_encoder"

    class Chip(Driver):
        def devices(self) -> tuple[Device, ...]:
            return tuple(replace(one, choices=(), none_because="it has none") for one in Driver.devices(self))

    house = await houses.build(Chip(), tried=False)
    assert (await house.play("a")).no_hardware
    assert not (await house.play("b", device=GPU)).no_hardware, "whoever pins it expects something of it"
    house = await houses.build()
    assert (await house.play("vp9", codec=Codec.VP9)).no_hardware
    house.trials.faults[GPU, Codec.H264] = EncoderFault.FAILED
    house.encoders.refused(await house.encoders.take(house.request("a")), EncoderError(EncoderFault.SETTINGS, "bad"))
    await house.settle()
    assert not (await house.play("a")).no_hardware, "something is wrong with it"


async def test_who_cannot_be_moved_just_now_did_not_fail(houses: Houses) -> None:
    house = await houses.build()
    for lobby in "abcd":
        await house.play(lobby)
    asked: list[Seat] = []

    async def not_now(holder: str, seat: Seat) -> bool:
        asked.append(seat)
        house.encoders.give_back(seat)
        return False

    house.encoders.move_with(not_now)
    house.end("a")
    await house.pass_time(0)
    await house.pass_time(4)
    await house.pass_time(0.5)
    assert len(asked) == 1 and house.encoders.statistics().promotions_total == {"done": 0, "failed": 0}
    house.encoders.move_with(house._move)
    await house.pass_time(1)
    assert house.on(GPU) == {"b", "c", "d"}


async def test_a_session_of_ours_that_nobody_holds_is_not_free(houses: Houses) -> None:
    house = await houses.build(Driver(real=1, told=1))
    house.workers[77] = "lobby"
    house.driver.strays = [77]
    await house.pass_time(1)
    assert (await refusal(house.encoders.take(house.request("a", **CAPPED)))).code == "encoder_sessions"
    house.driver.strays = []
    del house.workers[77]
    await house.pass_time(1)
    assert (await house.play("a")).hardware


async def test_all_who_wait_leave_at_once(houses: Houses) -> None:
    house = await houses.build(queue_length=1000)
    asked = [house.request(f"l{number}", when_full=WhenFull.QUEUE) for number in range(200)]
    tasks = [asyncio.create_task(house.encoders.take(request)) for request in asked]
    await house.until(lambda: len(house.encoders.places()) == 197)
    for task in tasks[:3]:
        house.encoders.give_back(task.result())  # three others are served and go in the same moment
    for task in tasks[3:]:
        task.cancel()
    await asyncio.gather(*tasks[3:], return_exceptions=True)
    await house.settle()
    assert not house.encoders.places() and not house.encoders.leases()
