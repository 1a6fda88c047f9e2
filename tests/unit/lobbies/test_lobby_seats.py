"""Seats of renditions on stand-in workers: shared, waited for, refused, failed, and given back once each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from steadycast.errors import (
    CallerError,
    ConflictError,
    DeadlineError,
    EncoderError,
    NotFoundError,
    RefusedError,
    WorkerError,
)
from steadycast.leases.decisions import Denial
from steadycast.lobbies import instances
from steadycast.lobbies.retry import Loss, LossKind
from steadycast.lobbies.views import RenditionView, WhepSession
from steadycast.model import Codec, EncoderFault, EncoderReport, Rendition
from steadycast.tracking import proc
from steadycast.workers.evidence import Hang
from steadycast.workers.messages import (
    AttachReader,
    BusLost,
    CloseRendition,
    EncoderReported,
    KickViewer,
    OpenBus,
    OpenRendition,
    RenditionFailed,
    RtspDescribe,
    RtspGone,
)
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import SOFTWARE, MemoryEncoding
from tests.support.stand_in_workers import StandIn

QUEUE = {"hardware": "require", "when_full": "queue"}


async def streaming(room: Room, key: str = "k", **more: Any) -> str:
    lobby = await room.create(key=key, **more)
    await room.state(key, "STREAMING")
    return lobby.id


def main(room: Room, key: str = "k") -> RenditionView:
    return room.lobbies.get(key).renditions[0]


def orders(worker: StandIn) -> list[str]:
    """The devices that a worker was told to open, in order."""
    return [message.order.device for message in worker.told(OpenRendition)]


def refusing(*devices: str, error: Callable[[], Exception] | None = None) -> Any:
    """A script of a worker on which these devices do not open."""
    fault = error or (lambda: EncoderError(EncoderFault.OUT_OF_MEMORY, "NVENC says 10"))

    def script(worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, OpenRendition) and message.order is not None and message.order.device in devices:
            raise fault()
        return None

    return script


def _same(error: Exception) -> Exception:
    return error


def watch(room: Room, key: str = "k") -> asyncio.Task[WhepSession]:
    return asyncio.create_task(room.lobbies.whep_offer(key, OFFER))


async def test_four_viewers_of_a_lobby_are_one_seat(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=3))
    await streaming(room)
    sessions = await asyncio.gather(*(watch(room) for _ in range(4)))
    (seat,) = room.encoding.seats.values()
    (request,) = room.encoding.requests
    assert (request.width, request.height, request.fps) == (1280, 720, 30.0)
    assert request.holder == f"{room.lobbies.get('k').id}/main" and seat.pid == room.workers()[0].pid
    view = main(room).seat
    assert view is not None and (view.device, view.hardware, view.element) == ("gpu", True, "x264enc")
    for session in sessions:
        await room.lobbies.end_viewer(session.viewer, "left")
    await room.until(lambda: room.encoding.ends["given back"] == 1)
    assert not room.encoding.seats


async def test_another_codec_is_taken_only_where_nothing_encodes_the_first(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    room.encoding.lacks = {Codec.AV1}
    renditions = (Rendition("new", "av1"), Rendition("old"))
    await streaming(room, renditions=renditions)
    session = await watch(room)  # the offer has H.264 alone
    assert room.lobbies.get_viewer(session.viewer).rendition == "old"
    described = await room.egress.ask(RtspDescribe("k", "c1", "127.0.0.1:5"))
    assert [track["track"].rpartition("/")[2] for track in described["tracks"]] == ["old", "audio"]
    room.encoding.lacks = {Codec.AV1, Codec.H264}
    with pytest.raises(RefusedError) as refused:
        await room.egress.ask(RtspDescribe("k/new", "c2", "127.0.0.1:5"))
    assert refused.value.code == Denial.NO_ENCODER and refused.value.why == "av1", (
        "asked for by name, nothing else does"
    )


async def test_each_refusal_leads_to_the_next_device(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(one=1, two=1))
    await streaming(room)
    room.workers()[0].script = refusing("one", "two")
    await asyncio.gather(*(watch(room) for _ in range(3)))
    assert orders(room.workers()[0]) == ["one", "two", SOFTWARE]
    assert [sorted(request.refused) for request in room.encoding.requests] == [[], ["one"], ["one", "two"]]
    assert len({request.since for request in room.encoding.requests}) == 1, "it stays where it was in the line"
    assert room.encoding.ends == {"refused": 2}
    instances = [message.instance for message in room.workers()[0].told(OpenRendition)]
    assert instances == ["main.1", "main.2", "main.3"]
    view = main(room).seat
    assert view is not None and not view.hardware and view.software_code == Denial.ENCODER_SESSIONS


async def test_when_all_refuse_the_viewer_hears_why(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)
    room.workers()[0].script = refusing("gpu", SOFTWARE)
    results = await asyncio.gather(*(watch(room) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, RefusedError) for result in results)
    assert len(room.workers()[0].told(OpenRendition)) == 2, "all three waited for one opening"
    assert not room.encoding.seats and not main(room).running
    with pytest.raises(RefusedError) as refused:
        await room.egress.ask(RtspDescribe("k", "c1", "127.0.0.1:5"))
    assert refused.value.code == Denial.ENCODER_SESSIONS and refused.value.retry_after == 7
    assert not room.lobbies._viewers.places.all()


async def test_other_errors_give_the_seat_back(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)
    for error in (CallerError("rendition.size", "too large"), ConflictError("rendition.none", "no")):
        room.workers()[0].script = refusing("gpu", error=partial(_same, error))
        with pytest.raises(type(error)):
            await watch(room)
        assert not room.encoding.seats
    assert room.encoding.ends == {"given back": 2}
    room.workers()[0].script = refusing("gpu", error=lambda: WorkerError("worker.nonsense", "what?"))
    with pytest.raises(WorkerError):
        await watch(room)
    await room.until(lambda: not room.encoding.seats)
    assert [close.name for close in room.workers()[0].told(CloseRendition)] == ["main.3"], "it may be open"


@pytest.mark.parametrize("hung", [True, False])
async def test_a_worker_that_hangs_at_opening_is_replaced_and_its_device_avoided(
    open_room: OpenRoom, hung: bool
) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)
    code = EncoderFault.HUNG
    error = EncoderError(code, "no answer") if hung else DeadlineError("worker.request", "no answer")
    room.workers()[0].script = refusing("gpu", error=lambda: error)
    freed: list[bool] = []
    refused = room.encoding.refused

    def watching(seat: Any, error: EncoderError) -> None:
        freed.append(room.workers()[0].ready)
        assert error.code == code
        refused(seat, error)

    room.encoding.refused = watching  # type: ignore[method-assign]
    await watch(room)
    assert room.workers()[0].hang is Hang.PART, "it is asked what it hangs in"
    assert freed == [False], "not before its process is gone"
    assert len(room.workers()) == 2 and orders(room.workers()[1]) == [SOFTWARE]
    first, second = room.encoding.requests
    assert first.since == second.since and second.refused == {"gpu"}


async def test_a_worker_that_dies_of_a_driver_is_not_sent_there_again(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)

    def dying(worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, OpenRendition):
            worker.die()
            raise WorkerError("worker.gone", "gone")
        return None

    room.workers()[0].script = dying
    await watch(room)
    assert orders(room.workers()[1]) == [SOFTWARE] and room.encoding.ends == {"refused": 1}


async def test_a_seat_is_free_only_when_its_process_is_gone(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room, encoders={"hardware": "require", "when_full": "queue"})
    session = await watch(room)
    (worker,) = room.workers()
    hold, end = asyncio.Event(), worker.end

    async def slow(cause: str, hang: Hang | None = None) -> Any:
        await hold.wait()
        return await end(cause, hang)

    worker.end = slow  # type: ignore[method-assign]
    lobby = next(room.lobbies._entries.lobbies())
    assert lobby.stage is not None
    lobby.stage.lose(Loss(LossKind.WORKER, "worker.stuck", "it is stuck"))
    await room.started(2)
    await room.until(lambda: room.encoding.waiting == 1)
    assert room.encoding.on("gpu")[0].pid == worker.pid
    hold.set()
    await room.until(lambda: [seat.pid for seat in room.encoding.on("gpu")] == [room.workers()[1].pid])
    assert room.lobbies.get_viewer(session.viewer)


async def test_a_second_viewer_keeps_the_place_in_the_line(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room, "a", encoders=QUEUE)
    await streaming(room, "b", encoders=QUEUE)
    first = await watch(room, "a")
    one, two = watch(room, "b"), watch(room, "b")
    await room.until(lambda: room.encoding.waiting == 1)
    place = main(room, "b").place
    assert place is not None and place.position == 1 and place.code == Denial.ENCODER_SESSIONS and not place.promotion
    one.cancel()
    await asyncio.wait({one})
    await asyncio.sleep(0)
    assert room.encoding.waiting == 1 and len(room.lobbies._viewers.places.all()) == 2
    await room.lobbies.end_viewer(first.viewer, "left")
    session = await two
    assert room.lobbies.get_viewer(session.viewer).lobby == room.lobbies.get("b").id
    assert len(room.encoding.requests) == 2, "nobody asked twice"


async def test_the_last_to_leave_the_line_leaves_nothing(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=0))
    await streaming(room, encoders=QUEUE)
    for _ in range(20):
        offers = [watch(room) for _ in range(3)]
        describing = asyncio.create_task(room.egress.ask(RtspDescribe("k", "c1", "127.0.0.1:5")))
        await room.until(lambda: room.encoding.waiting == 1 and len(room.lobbies._viewers.places.all()) == 4)
        for offer in offers:
            offer.cancel()
        room.egress.say(RtspGone("c1"))
        (left, *_) = await asyncio.gather(describing, *offers, return_exceptions=True)
        assert isinstance(left, WorkerError)
        await room.until(lambda: room.encoding.waiting == 0)
        await room.until(lambda: not next(room.lobbies._entries.lobbies()).feeds._shelf._feeds)
        assert not room.lobbies._viewers.places.all() and not room.lobbies._reception._connections
    assert room.workers()[0].told(OpenRendition) == []


async def test_the_wait_ends_before_whoever_asks_gives_up(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=0), workers={"request_s": 0.2})
    await streaming(room, encoders=QUEUE)
    with pytest.raises(RefusedError) as refused:
        await room.egress.ask(RtspDescribe("k", "c1", "127.0.0.1:5"))
    assert refused.value.code == Denial.QUEUE_TIMEOUT and refused.value.retry_after
    assert refused.value.why is not None and "number 1" in refused.value.why
    await room.until(lambda: room.encoding.waiting == 0)
    assert not room.lobbies._viewers.places.all()


async def test_a_lobby_that_ends_takes_its_viewers_out_of_the_line(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=0))
    await streaming(room, encoders=QUEUE)
    offer = watch(room)
    describing = asyncio.create_task(room.egress.ask(RtspDescribe("k", "c1", "127.0.0.1:5")))
    await room.until(lambda: room.encoding.waiting == 1)
    await room.lobbies.delete("k")
    assert room.encoding.waiting == 0
    results = await asyncio.gather(offer, describing, return_exceptions=True)
    assert all(isinstance(result, ConflictError | WorkerError) for result in results), results


async def test_one_that_leaves_while_the_encoder_opens_leaves_it_closed(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)
    (worker,) = room.workers()
    gate, request = asyncio.Event(), worker.request

    async def slow(message: Any, *args: Any, **more: Any) -> dict[str, Any]:
        if isinstance(message, OpenRendition):
            worker.asked.append("opening")
            await gate.wait()
        return await request(message, *args, **more)

    worker.request = slow  # type: ignore[method-assign]
    offer = watch(room)
    await room.until(lambda: "opening" in worker.asked)
    offer.cancel()
    await asyncio.wait({offer})
    assert room.encoding.on("gpu"), "it may have opened"
    gate.set()
    await room.until(lambda: not room.encoding.seats)
    assert [close.name for close in worker.told(CloseRendition)] == ["main.1"]
    assert room.encoding.ends == {"given back": 1}
    assert [reader.track for reader in worker.told(AttachReader) if reader.track != "audio"] == []


async def test_an_encoder_that_fails_is_replaced_and_the_viewers_stay(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(one=1, two=1))
    lobby = await streaming(room)
    sessions = await asyncio.gather(*(watch(room) for _ in range(3)))
    (worker,) = room.workers()
    worker.say(RenditionFailed("main.1", EncoderFault.DRIVER_LOST, "the device fell off the bus"))
    room.egress.say(BusLost(f"{lobby}/main"))
    await room.until(lambda: room.encoding.on("two"))
    await room.told(worker, AttachReader, 3)
    assert [one.track for one in worker.told(AttachReader)][-1] == "main.2"
    assert room.encoding.ends == {"failed": 1} and not worker.told(CloseRendition)
    assert [room.lobbies.get_viewer(session.viewer).lobby for session in sessions] == [lobby] * 3
    buses = [bus for bus in room.egress.told(OpenBus) if bus.track == f"{lobby}/main"]
    assert len(buses) == 2 and len({bus.epoch for bus in buses}) == 1 and len({bus.bus for bus in buses}) == 2
    view = main(room).seat
    assert view is not None and view.device == "two"


async def test_a_worker_that_lost_its_driver_gets_no_hardware_any_more(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    lobby = await streaming(room)
    session = await watch(room)
    (worker,) = room.workers()
    worker.say(RenditionFailed("main.1", EncoderFault.DRIVER_LOST, "NVENC says 5."))
    await room.until(lambda: (seat := main(room).seat) is not None and seat.device == SOFTWARE)
    assert room.workers() == [worker] and not worker.gone.done(), "software goes on in it"
    assert await room.lobbies.move(f"{lobby}/main", room.encoding.lend("gpu", f"{lobby}/main")) is False
    await room.until(lambda: worker.gone.done() and len(room.workers()) == 2)
    assert room.lobbies.get_viewer(session.viewer).lobby == lobby
    await room.until(lambda: len(room.encoding.seats) == 1)


async def test_a_viewer_that_comes_just_then_is_served(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1), egress={"workers": 2})
    await streaming(room)
    await watch(room)
    (worker,) = room.workers()

    def script(one: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, AttachReader) and message.track == "main.1":
            asyncio.get_running_loop().call_later(0.01, one.say, RenditionFailed("main.1", EncoderFault.FAILED, "x"))
            raise NotFoundError("track.unknown", "there is no track 'main.1' here")
        return None

    worker.script = script
    await watch(room)  # on the other egress worker, before it is said that the encoder failed
    assert [seat.device for seat in room.encoding.seats.values()] == [SOFTWARE]
    assert len(room.lobbies.list_viewers().items) == 2


async def test_a_process_that_nothing_ends_keeps_its_seat(open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "LOOK_S", 0.01)
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)
    await watch(room)
    (worker,) = room.workers()
    there = await asyncio.create_subprocess_exec("sleep", "600")
    worker.pid, started = there.pid, proc.start_time(there.pid)
    assert started is not None
    worker.start_time = started
    worker.die()
    await room.until(lambda: room.encoding.on(SOFTWARE))
    assert [seat.number for seat in room.encoding.on("gpu")] == [1]
    there.kill()
    await there.wait()
    await room.until(lambda: not room.encoding.on("gpu"))


async def test_encoders_that_fail_again_and_again_end_the_viewers(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(**{f"gpu{number}": 1 for number in range(12)}))
    await streaming(room)
    session = await watch(room)
    (worker,) = room.workers()
    for number in range(1, 7):
        await room.until(lambda: main(room).seat is not None)
        worker.say(RenditionFailed(f"main.{number}", "nonsense", "it fell over"))
        assert main(room).seat is None
    await room.until(lambda: not room.lobbies.list_viewers().items)
    (kick,) = room.egress.told(KickViewer)
    assert kick.viewer == session.viewer and "it fell over" in kick.reason
    await room.until(lambda: not next(room.lobbies._entries.lobbies()).feeds._shelf._feeds)
    assert room.encoding.ends == {"failed": 6}


async def test_a_failure_that_comes_with_the_answer_is_heard(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)

    def script(worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, OpenRendition) and message.order is not None and message.order.device == "gpu":
            answer = worker._answer(message)
            worker.say(RenditionFailed(message.instance, EncoderFault.FAILED, "gone at once"))
            return answer
        return None

    room.workers()[0].script = script
    await watch(room)
    assert orders(room.workers()[0]) == ["gpu", SOFTWARE] and room.encoding.ends == {"refused": 1}


async def test_what_is_found_out_later_is_passed_on(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await streaming(room)
    await watch(room)
    report = EncoderReport("gpu", "nvh264enc", planned="memory:CUDAMemory", memory="memory:CUDAMemory")
    room.workers()[0].say(EncoderReported("main.1", report))
    room.workers()[0].say(EncoderReported("main.9", report))
    assert room.encoding.reports == [report]
    view = main(room).seat
    assert view is not None and view.memory == "memory:CUDAMemory"


async def test_one_that_lingers_can_be_given_up(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1), renditions={"linger_s": 60})
    await streaming(room)
    session = await watch(room)
    await room.lobbies.end_viewer(session.viewer, "left")
    assert list(room.encoding.parked) == [1]
    session = await watch(room)
    assert not room.encoding.parked and len(room.encoding.requests) == 1
    await room.lobbies.end_viewer(session.viewer, "left")
    (give_up,) = room.encoding.parked.values()
    await give_up()
    assert not room.encoding.seats and not main(room).running


async def test_the_policy_is_shown(open_room: OpenRoom) -> None:
    room = await open_room(encoders={"hardware": "require"})
    await streaming(room, encoders={"device": "nvidia:GPU-1", "priority": 90})
    policy = room.lobbies.get("k").policy
    assert (policy.hardware, policy.when_full, policy.priority) == ("require", "fallback", 90)
    assert policy.device == "nvidia:GPU-1"
