"""The desk: who gets hardware, who software, who waits, who is refused; nothing is lent twice or lost."""

from __future__ import annotations

import asyncio

import pytest

from steadycast.errors import RefusedError
from steadycast.leases.decisions import Denial
from steadycast.leases.quota import LeaseError
from steadycast.lobbies.encoders import encoders as encoders_module
from steadycast.lobbies.seats import Seat
from steadycast.model import Codec, EncoderFault, EncoderReport, HardwareUse, WhenFull
from steadycast.vendors.protocol import VendorState
from tests.support.encoder_house import GPU, Driver, House, Houses, refusal

QUEUE = WhenFull.QUEUE
REQUIRE = HardwareUse.REQUIRE


async def full(house: House) -> None:
    """Three lobbies have the three sessions."""
    for lobby in ("a", "b", "c"):
        await house.play(lobby)
    assert house.on(GPU) == {"a", "b", "c"}


def waiting(house: House, *lobbies: str) -> list[asyncio.Task[Seat]]:
    return [asyncio.create_task(house.encoders.take(house.request(lobby, when_full=QUEUE))) for lobby in lobbies]


async def test_a_fourth_lobby_plays_in_software_and_is_promoted_when_one_ends(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    fourth = await house.play("d")
    assert not fourth.hardware and fourth.code is Denial.ENCODER_SESSIONS and fourth.why and "all 3" in fourth.why
    place = house.encoders.place("d/main")
    assert place is not None and place.position == 1 and place.promotion
    await house.pass_time(0)
    status = house.encoders.gpu_status(4, 4)
    assert (status.nvenc_sessions_used, status.nvenc_sessions_limit, status.software_mode) == (3, 3, True)
    house.end("b")
    await house.pass_time(0)
    await house.pass_time(2)
    assert house.on("software") == {"d"}, "a slot must be free for a while"
    await house.pass_time(1.5)
    assert house.on(GPU) == {"a", "c", "d"} and house.on("software") == set()
    assert house.encoders.statistics().promotions_total == {"done": 1, "failed": 0}
    assert len(house.said("encoder.promoted")) == 1 and house.encoders.place("d/main") is None
    (newest,) = house.encoders.admissions(None, 1).items
    assert (newest.lobby, newest.result, newest.device, newest.trail[-1].code) == ("d", "promotion", GPU, "ok")
    assert house.encoders.gpu_status(4, 4).software_mode is False


async def test_a_slot_that_is_free_for_a_moment_moves_nobody(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    await house.play("d")
    for _ in range(20):
        house.end("a")
        await house.pass_time(2)
        assert (await house.play("a")).hardware
        await house.pass_time(2)
    assert house.on("software") == {"d"} and not house.said("encoder.promoted")


async def test_a_move_that_fails_is_tried_again_later_and_later(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    await house.play("d")
    house.moves_work = False
    house.end("a")
    for _ in range(60):
        await house.pass_time(1)
    failed = house.encoders.statistics().promotions_total["failed"]
    assert 1 <= failed <= 4 and house.on("software") == {"d"}
    house.moves_work = True
    for _ in range(80):
        await house.pass_time(2)
    assert house.on(GPU) == {"b", "c", "d"}


async def test_who_leaves_while_it_is_promoted_loses_nothing(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    await house.play("d")
    house.end("a")
    await house.pass_time(0)
    house.now += 4
    await house.encoders.look()  # the move begins
    house.end("d")
    await house.settle()
    assert house.gpu().sessions_lent == 2 and house.encoders.leases() and house.on("software") == set()


async def test_the_line_is_served_in_its_order(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    tasks = waiting(house, "d", "e", "f")
    await house.settle()
    assert [place.holder for place in house.encoders.places()] == ["d/main", "e/main", "f/main"]
    assert len(house.said("encoder.queued")) == 3 and house.said("encoder.queued")[2].data["position"] == 3
    for number, ended in enumerate(("a", "b", "c")):
        house.end(ended)
        await house.settle()
        assert [task.done() for task in tasks] == [i <= number for i in range(3)]
    for task in tasks:
        house.open(task.result())
    assert house.on(GPU) == {"d", "e", "f"} and house.encoders.statistics().queue_left_total["served"] == 3


async def test_nobody_passes_the_line(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    (first,) = waiting(house, "d")
    await house.settle()
    assert not (await house.play("e")).hardware
    house.end("a")
    await house.settle()
    house.open(first.result())
    assert house.on(GPU) == {"b", "c", "d"} and house.on("software") == {"e"}


async def test_who_waits_too_long_is_refused_with_its_position(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    first, second = (asyncio.create_task(refusal(task)) for task in waiting(house, "d", "e"))
    await house.settle()
    await house.pass_time(9)
    assert not first.done()
    await house.pass_time(2)
    error = await second
    assert (await first).code == error.code == "queue_timeout" and error.retry_after
    assert error.why is not None and "number" in error.why and "software" in (error.hint or "")
    assert not house.encoders.places() and house.encoders.statistics().queue_left_total["timeout"] == 2


async def test_who_hangs_up_in_the_line_leaves_nothing(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    first, second = waiting(house, "d", "e")
    await house.settle()
    first.cancel()
    await house.settle()
    assert [place.holder for place in house.encoders.places()] == ["e/main"]
    house.end("a")
    second.cancel()  # its seat is there in the same moment
    await house.settle()
    assert second.cancelled() and house.gpu().sessions_lent == 2 and not house.encoders.places()
    assert (await house.play("f")).hardware


async def test_a_thousand_at_once_for_three_sessions(houses: Houses) -> None:
    house = await houses.build(queue_length=1000)
    tasks = waiting(house, *(f"l{number:03}" for number in range(1000)))
    await house.until(lambda: len(house.encoders.places()) == 997)
    served: list[str] = []
    done: set[asyncio.Task[Seat]] = set()
    while len(served) < 1000:
        await house.settle()
        new = [task for task in tasks if task.done() and task not in done]
        assert 1 <= len(new) <= 3 and house.gpu().sessions_lent <= 3
        for task in new:
            seat = house.open(task.result())
            served.append(seat.request.holder)
        done.update(new)
        for task in new:
            house.end(task.result().request.holder.partition("/")[0])
    assert served == sorted(served) and not house.encoders.leases()


async def test_a_full_line_refuses(houses: Houses) -> None:
    house = await houses.build(queue_length=2)
    await full(house)
    tasks = waiting(house, "d", "e")
    await house.settle()
    error = await refusal(house.encoders.take(house.request("f", when_full=QUEUE)))
    assert error.code == "queue_full" and error.retry_after and error.why
    for task in tasks:
        task.cancel()
    await house.settle()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"when_full": WhenFull.REFUSE, "hardware": REQUIRE}, "encoder_sessions"),
        ({"device": "sim:7"}, "no_encoder"),
        ({"codec": Codec.AV1, "hardware": REQUIRE}, "no_encoder"),
        ({"hardware": HardwareUse.FORBID, "width": 7680, "height": 4320, "fps": 240}, "cpu_budget"),
        ({"hardware": HardwareUse.FORBID, "descriptors_free": 10}, "descriptors"),
    ],
)
async def test_refusals_have_a_reason_and_a_hint(houses: Houses, changes: dict[str, object], code: str) -> None:
    house = await houses.build()
    await full(house)
    error = await refusal(house.encoders.take(house.request("x", **changes)))
    assert isinstance(error, RefusedError) and error.status == 503
    assert error.code == code and error.what and error.why and error.hint
    (newest,) = house.encoders.admissions(None, 1).items
    assert newest.result == "deny" and newest.code == code and newest.trail
    assert house.encoders.statistics().admissions_total["deny", code] == 1


async def test_a_seat_is_given_back_once(houses: Houses) -> None:
    house = await houses.build()
    seat = await house.encoders.take(house.request("a"))
    house.encoders.give_back(seat)
    with pytest.raises(LeaseError):
        house.encoders.give_back(seat)


async def test_an_idle_encoder_is_given_up_before_anybody_waits(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    given_up: list[str] = []

    async def give_up() -> None:
        await asyncio.sleep(0)
        given_up.append("b")
        house.end("b")

    house.encoders.idle(house.seats["b/main"], give_up)
    newcomer = await house.play("d")
    assert newcomer.hardware and given_up == ["b"] and house.on(GPU) == {"a", "c", "d"}


async def test_an_idle_encoder_that_is_watched_again_or_does_not_close_is_not_waited_for(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    asked: list[str] = []

    async def stays() -> None:
        asked.append("a")  # somebody came to watch it

    seat = house.seats["a/main"]
    house.encoders.idle(seat, stays)
    house.encoders.idle(seat, None)
    assert not (await house.play("d")).hardware and not asked
    house.encoders.idle(seat, stays)
    assert not (await house.play("e")).hardware and asked == ["a"]
    house.encoders.idle(house.seats["b/main"], stays)
    error = await refusal(house.encoders.take(house.request("f", hardware=REQUIRE, when_full=WhenFull.REFUSE)))
    assert error.code == "encoder_sessions"


async def test_an_idle_encoder_is_closed_for_somebody_in_software_but_not_at_once(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    await house.play("d")

    async def give_up() -> None:
        house.end("b")

    house.encoders.idle(house.seats["b/main"], give_up)
    await house.pass_time(2)
    assert house.on("software") == {"d"}, "somebody may come back"
    await house.pass_time(2)
    assert house.on(GPU) == {"a", "c", "d"}


async def test_nobody_is_promoted_for_nobody(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    seat = await house.play("d")

    async def stays() -> None:
        raise AssertionError("nothing needs its place")

    house.encoders.idle(seat, stays)
    house.end("a")
    for _ in range(3):
        await house.pass_time(3)
    assert house.on("software") == {"d"} and house.encoders.place("d/main") is None
    house.encoders.idle(seat, None)
    await house.pass_time(3)
    assert house.on(GPU) == {"b", "c", "d"}


async def test_an_idle_software_encoder_is_given_up_before_the_cpu_is_full(houses: Houses) -> None:
    house = await houses.build(cpu_pixels_per_s=1280 * 720 * 30 * 2.5, cpu_share=1)
    forbid = {"hardware": HardwareUse.FORBID}
    await house.play("a", **forbid)
    await house.play("b", **forbid)
    assert (await refusal(house.play("c", **forbid))).code == "cpu_budget"

    async def give_up() -> None:
        house.end("a")

    house.encoders.idle(house.seats["a/main"], give_up)
    await house.play("c", **forbid)
    assert house.on("software") == {"b", "c"}


async def test_only_one_is_opened_at_a_time_where_the_driver_bears_no_more(houses: Houses) -> None:
    house = await houses.build(Driver(alone=True))
    first, second = [await house.encoders.take(house.request(lobby)) for lobby in ("a", "b")]
    inside: list[int] = []

    async def opens(seat: Seat) -> None:
        async with house.encoders.opening(seat):
            inside.append(seat.number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            inside.remove(seat.number)

    await asyncio.gather(opens(first), opens(second))
    for seat in (first, second):
        house.encoders.give_back(seat)


async def test_a_copy_that_was_not_planned_is_told_once(houses: Houses) -> None:
    house = await houses.build()
    seat = await house.play("a")
    good = EncoderReport(GPU, "simenc", "memory:CUDAMemory", "memory:CUDAMemory")
    house.encoders.reported(seat, good)
    assert not house.said("encoder.copies")
    for _ in range(3):
        house.encoders.reported(seat, EncoderReport(GPU, "simenc", "memory:CUDAMemory", None, ("no upload here",)))
    assert [event.why for event in house.said("encoder.copies")] == ["no upload here"]
    assert house.encoders.statistics().copies_total == 1


async def test_admissions_are_kept_with_their_trail(houses: Houses) -> None:
    house = await houses.build()
    await full(house)
    await house.play("d")
    page = house.encoders.admissions(None, 2)
    assert [view.result for view in page.items] == ["fallback", "grant"] and page.next == str(page.items[1].number)
    assert [step.option for step in page.items[0].trail] == [GPU, "software"]
    rest = house.encoders.admissions(int(page.next or 0), 10)
    assert [view.lobby for view in rest.items] == ["b", "a"] and rest.next is None
    lent = house.encoders.leases()
    assert {(lease.lobby, lease.quota) for lease in lent if lease.device == "software"} == {("d", "cpu")}


async def test_all_devices_lost_at_once(houses: Houses) -> None:
    house = await houses.build(Driver(real=8, told=8, gpus=2))
    for lobby in "abcd":
        await house.play(lobby)
    assert house.on(GPU) and house.on("sim:1"), "the load is spread"
    house.driver.state = VendorState.FAILS
    for lobby in "abcd":
        house.fail(lobby, EncoderFault.DRIVER_LOST)
        assert not (await house.play(lobby)).hardware
    assert {house.gpu().breaker.state, house.gpu("sim:1").breaker.state} == {"open"}
    await house.pass_time(2)
    assert house.gpu().state == "fails" and house.gpu().why == "it is broken" and house.gpu().sessions_seen is None
    error = await refusal(house.encoders.take(house.request("e", hardware=REQUIRE, when_full=WhenFull.REFUSE)))
    assert error.code == "gpu_quarantined" and error.retry_after
    house.driver.state = VendorState.WORKS
    for _ in range(30):
        await house.pass_time(2)
    assert house.on("software") == set(), "the breakers closed, and all were promoted"
    house.driver.state = VendorState.ABSENT
    await house.pass_time(2)
    view = house.gpu()
    assert view.why is None and view.sessions_lent, "it is shown as long as something is lent"
    assert not (await house.play("f")).hardware


async def test_a_vendor_that_hangs_at_the_start_keeps_nobody_from_software(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders_module, "FIRST_LOOK_S", 0.01)
    driver = Driver(state=VendorState.HUNG, hangs=asyncio.Event())
    house = await houses.build(driver, tried=False)
    assert not (await house.play("a")).hardware
    assert house.encoders.gpu_status(1, 1).nvenc_sessions_used is None and house.gpu().state == "hung"
