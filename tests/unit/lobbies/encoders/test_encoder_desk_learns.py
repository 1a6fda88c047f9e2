"""What is found out: session caps, what works, breakers, other programs, the CPU; and that it outlives the host."""

from __future__ import annotations

import asyncio

import pytest

from steadycast.errors import EncoderError, NotFoundError
from steadycast.leases.decisions import Denial
from steadycast.lobbies.encoders import trier
from steadycast.model import Codec, EncoderFault, HardwareUse, WhenFull
from steadycast.vendors.protocol import DeviceFault
from tests.support.encoder_house import GPU, Driver, House, Houses, refusal

REQUIRE = HardwareUse.REQUIRE
CAPPED = {"hardware": REQUIRE, "when_full": WhenFull.REFUSE}


async def test_a_refusal_teaches_the_cap_and_a_restart_knows_it(houses: Houses) -> None:
    house = await houses.build(Driver(real=3, told=8))
    for lobby in "abcd":
        await house.play(lobby)
    assert house.on(GPU) == {"a", "b", "c"} and house.on("software") == {"d"}
    await house.until(lambda: house.said("encoder.learned"))
    assert (house.gpu().sessions_limit, house.gpu().sessions_limit_origin) == (3, "learned")
    refused = house.gpu().last_refusal
    assert refused is not None and refused.code == EncoderFault.CLIENT_KEY
    for _ in range(5):
        await house.pass_time(10)
    assert house.encoders.statistics().encoder_failures_total == {EncoderFault.CLIENT_KEY: 1}, "it is not asked again"
    await houses.close()

    house = await houses.build(Driver(real=3, told=8))
    assert (house.gpu().sessions_limit, house.gpu().sessions_limit_origin) == (3, "learned")
    assert house.trials.asked == [], "trials count over a restart"
    for lobby in "abcd":
        await house.play(lobby)
    assert house.on("software") == {"d"} and not house.encoders.statistics().encoder_failures_total
    await houses.close()

    house = await houses.build(Driver(real=5, told=8, version="591.0"))
    assert (house.gpu().sessions_limit, house.gpu().sessions_limit_origin) == (8, "table")
    assert (GPU, Codec.H264) in house.trials.asked, "another driver is tried anew"


async def test_a_success_above_the_cap_raises_it(houses: Houses) -> None:
    house = await houses.build(Driver(real=8, told=3, foreign=0))
    for lobby in "abc":
        await house.play(lobby)
    house.driver.foreign = 2  # two more, of another program: so there are at least five
    await house.pass_time(1)
    assert house.gpu().sessions_foreign == 2
    house.end("a")
    house.end("b")
    assert not (await house.play("d")).hardware
    house.driver.foreign = 1
    await house.pass_time(1)
    assert (await house.play("e")).hardware


async def test_a_slot_that_another_program_stole_lowers_no_cap(houses: Houses) -> None:
    house = await houses.build(Driver(real=3, told=3))
    await house.play("a")
    await house.play("b")
    house.driver.foreign = 1  # since the last look
    seat = await house.play("c")
    assert not seat.hardware and seat.code in (Denial.ENCODER_SESSIONS, Denial.DRIVER_REFUSED)
    await house.until(lambda: house.gpu().sessions_foreign == 1)
    await house.settle()
    assert house.gpu().sessions_limit_origin == "table" and not house.said("encoder.learned")
    house.driver.foreign = 0
    for _ in range(3):
        await house.pass_time(3)
    assert house.on(GPU) == {"a", "b", "c"}


async def test_sessions_of_other_programs_count_and_are_named(houses: Houses) -> None:
    house = await houses.build(Driver(real=3, told=3, foreign=2))
    assert (await house.play("a")).hardware and not (await house.play("b")).hardware
    await house.pass_time(1)
    view = house.gpu()
    assert (view.sessions_lent, view.sessions_seen, view.sessions_foreign) == (1, 3, 2)
    assert [(one.pid, one.name) for one in view.foreign] == [(9000, "obs"), (9001, "obs")]
    assert house.encoders.statistics().encoder_failures_total == {}


async def test_a_configured_cap_is_over_everything(houses: Houses) -> None:
    house = await houses.build(Driver(real=8, told=8), sessions={"pool": 1})
    assert (await house.play("a")).hardware and not (await house.play("b")).hardware
    assert house.gpu().sessions_limit_origin == "configured"
    house.end("a")
    none = await houses.build(Driver(real=8, told=8), sessions={"pool": 0})
    error = await refusal(none.encoders.take(none.request("a", hardware=REQUIRE, when_full=WhenFull.QUEUE)))
    assert error.code == "encoder_sessions"


async def test_what_fails_in_mid_stream_goes_on_elsewhere_and_does_not_flap(houses: Houses) -> None:
    house = await houses.build()
    await house.play("a")
    house.fail("a")
    assert not (await house.play("a", refused=frozenset({GPU}))).hardware
    assert house.encoders.place("a/main") is not None
    await house.pass_time(4)
    assert house.on("software") == {"a"}, "it rests before it is moved back"
    await house.pass_time(8)
    assert house.on(GPU) == {"a"}
    assert house.gpu().breaker.failures == 1 and house.gpu().breaker.state == "closed"


async def test_a_breaker_opens_and_a_canary_closes_it(houses: Houses) -> None:
    house = await houses.build()
    await house.play("a")
    for _ in range(3):
        house.encoders.failed(await house.encoders.take(house.request("x")), EncoderFault.FAILED, "no picture")
    assert house.gpu().breaker.state == "open" and house.gpu().breaker.why == "no picture"
    assert house.on(GPU) == {"a"}, "what runs goes on"
    seat = await house.play("b")
    assert seat.code is Denial.GPU_QUARANTINED
    house.trials.faults[GPU, Codec.H264] = EncoderFault.FAILED
    await house.pass_time(31)
    assert house.gpu().breaker.state == "open" and house.gpu().breaker.trips == 2
    del house.trials.faults[GPU, Codec.H264]
    await house.pass_time(31)
    assert house.gpu().breaker.state == "open", "the rest doubles"
    await house.pass_time(30)
    assert house.gpu().breaker.state == "closed"
    states = [event.data["state"] for event in house.said("encoder.breaker")]
    assert states == ["open", "trying", "open", "trying", "closed"]
    assert all(lease.lobby != "trial" for lease in house.encoders.leases())


async def test_a_latched_breaker_waits_for_a_person(houses: Houses) -> None:
    house = await houses.build(breaker_trips=1)
    house.driver.faults = (DeviceFault("Xid 79", "the GPU has fallen off the bus", fatal=True),)
    await house.pass_time(1)
    assert house.gpu().breaker.state == "latched" and "Xid 79" in (house.gpu().breaker.why or "")
    for _ in range(5):
        await house.pass_time(1000)
    assert (await refusal(house.encoders.take(house.request("a", **CAPPED)))).code == "gpu_quarantined"
    house.trials.asked.clear()
    view = await house.encoders.retry(GPU)
    assert view.breaker.state == "closed"
    await house.settle()
    assert house.trials.asked == [(GPU, Codec.H264)] and (await house.play("a")).hardware
    with pytest.raises(NotFoundError):
        await house.encoders.retry("sim:9")


async def test_only_what_was_tried_is_given_and_who_comes_meanwhile_waits_for_it(houses: Houses) -> None:
    house = await houses.build(tried=False)
    house.trials.hold = asyncio.Event()
    asking = asyncio.create_task(house.play("a"))
    await house.until(lambda: house.trials.asked)
    await house.settle()
    assert not asking.done() and house.belief().state == "trying"
    assert [lease.lobby for lease in house.encoders.leases()] == ["trial"], "a trial takes a session"
    house.trials.hold.set()
    assert (await asking).hardware and house.belief().element == "simenc"


async def test_a_trial_that_takes_long_keeps_nobody_from_software(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trier, "WISHED_S", 0.01)
    monkeypatch.setattr(trier, "NEEDED_S", 0.01)
    house = await houses.build(tried=False)
    house.trials.hold = asyncio.Event()
    seat = await house.play("a")
    assert not seat.hardware and seat.code is Denial.NO_ENCODER and "trial runs" in (seat.why or "")
    assert (await refusal(house.encoders.take(house.request("b", **CAPPED)))).code == "no_encoder"
    house.trials.hold.set()
    await house.settle()
    await house.pass_time(4)
    assert house.on(GPU) == {"a"}, "promoted when the trial worked"


async def test_whose_encoder_failed_waits_for_no_trial(houses: Houses) -> None:
    """Its viewers have a picture that stands still; software goes on with it at once."""
    house = await houses.build(tried=False)
    house.trials.hold = asyncio.Event()
    failed = house.request("a", refused=frozenset({"sim:9"}))
    async with asyncio.timeout(2):
        seat = await house.encoders.take(failed)
    assert not seat.hardware and house.belief().state != "works"
    house.encoders.give_back(seat)
    house.trials.hold.set()


async def test_a_software_codec_is_tried_for_the_first_who_asks(houses: Houses) -> None:
    house = await houses.build()
    assert house.belief(Codec.VP9, "software").state == "untried"
    assert (await house.play("a", codec=Codec.VP9)).device == "software"
    assert house.trials.asked.count(("software", Codec.VP9)) == 1
    house.trials.faults["software", Codec.AV1] = EncoderFault.UNSUPPORTED
    error = await refusal(house.encoders.take(house.request("b", codec=Codec.AV1)))
    assert error.code == "no_encoder" and house.trials.asked.count(("software", Codec.AV1)) == 2, "both encoders"
    error = await refusal(house.encoders.take(house.request("b", codec=Codec.AV1)))
    assert house.trials.asked.count(("software", Codec.AV1)) == 2, "it is not tried for every viewer"


async def test_a_trial_that_finds_no_session_says_nothing_of_the_encoder(houses: Houses) -> None:
    house = await houses.build(Driver(real=3, told=3, foreign=0), tried=False)
    house.driver.foreign = 3
    await house.encoders.look()
    await house.settle()
    assert house.belief().state == "untried" and "session" in (house.belief().why or "")
    assert house.gpu().breaker.failures == 0
    house.driver.foreign = 0
    await house.pass_time(20)
    assert house.belief().state == "works"


async def test_a_device_that_turns_out_not_to_encode_is_not_asked_again_and_again(houses: Houses) -> None:
    house = await houses.build()
    seat = await house.encoders.take(house.request("a"))
    house.trials.faults[GPU, Codec.H264] = EncoderFault.UNSUPPORTED
    house.encoders.refused(seat, EncoderError(EncoderFault.UNSUPPORTED, "NVENC says 2."))
    seat = await house.play("a")
    assert seat.code is Denial.NO_ENCODER and house.belief().state == "fails"
    for _ in range(10):
        await house.pass_time(600)
    assert house.trials.asked == [(GPU, Codec.H264)] * 2 and house.encoders.place("a/main") is None


async def test_a_process_that_never_encoded_there_is_not_ended_on_a_vendors_word(houses: Houses) -> None:
    house = await houses.build()
    house.workers[77] = "lobby"
    house.driver.strays = [77]
    for _ in range(4):
        await house.pass_time(20)
    assert house.reaped == [] and len(house.said("encoder.drift")) == 1


async def test_a_session_that_nobody_holds_is_found_and_its_worker_ended(houses: Houses) -> None:
    house = await houses.build()
    house.workers[77] = "lobby"
    seat = await house.encoders.take(house.request("a"))
    house.encoders.opened(seat, 77, None)
    house.encoders.give_back(seat)
    await house.pass_time(20)
    house.driver.strays = [77]
    await house.pass_time(1)
    await house.pass_time(1)
    assert house.reaped == [77], "seen twice"
    (drift,) = house.said("encoder.drift")
    assert drift.lobby == "lobby" and drift.data["pid"] == 77 and drift.data["drift"] == "orphan"
    for _ in range(3):
        await house.pass_time(5)
    assert house.reaped == [77] and house.encoders.statistics().drift_total == {"orphan": 1, "unseen": 0}


async def test_a_lease_that_the_driver_does_not_show_is_a_finding(houses: Houses) -> None:
    house = await houses.build()
    seat = await house.play("a")
    del house.driver.opened[seat.number]
    await house.pass_time(5)
    assert not house.said("encoder.drift"), "drivers need their time"
    await house.pass_time(20)
    assert house.encoders.statistics().drift_total == {"orphan": 0, "unseen": 1} and house.reaped == []


async def test_video_memory_is_what_others_leave(houses: Houses) -> None:
    house = await houses.build(Driver(real=8, told=8, vram_total=600 << 20, foreign=1))
    assert (await house.play("a")).hardware
    await house.pass_time(1)
    seat = await house.play("b")
    assert seat.code is Denial.VRAM and house.gpu().vram_used == 400 << 20
    house.driver.foreign = 0
    for _ in range(3):
        await house.pass_time(3)
    assert house.on(GPU) == {"a", "b"}


async def test_unknown_is_not_zero(houses: Houses) -> None:
    house = await houses.build(Driver(told=None, shows=False, real=100))
    view = house.gpu()
    assert (view.sessions_seen, view.sessions_foreign, view.sessions_limit, view.vram_total) == (None,) * 4
    status = house.encoders.gpu_status(0, 0)
    assert status.nvenc_sessions_used is None and status.nvenc_sessions_limit is None
    for number in range(20):
        assert (await house.play(f"l{number}")).hardware


async def measured(house: House) -> None:
    await house.pass_time(1)
    await house.pass_time(trier.CALM_S + 1)


async def test_the_cpu_is_measured_once_when_nothing_encodes(houses: Houses) -> None:
    house = await houses.build(cpu_pixels_per_s=None, cpu_share=0.5)
    assert house.encoders.gpu_status(0, 0).cpu.origin == "assumed"
    await house.play("a")
    await measured(house)
    assert house.trials.calibrated == 0, "with load around it would be wrong"
    house.end("a")
    house.trials.calibrations_hold = asyncio.Event()
    await measured(house)
    await house.play("b")  # whoever comes does not wait for it
    house.end("b")
    house.trials.calibrations_hold = None
    await measured(house)
    cpu = house.encoders.gpu_status(0, 0).cpu
    assert (cpu.origin, cpu.pixels_per_s, cpu.factors["vp9"]) == ("measured", 5e8, 7.0)
    await houses.close()
    house = await houses.build(cpu_pixels_per_s=None, cpu_share=0.5)
    assert house.encoders.gpu_status(0, 0).cpu == cpu
    await measured(house)
    assert house.trials.calibrated == 0
