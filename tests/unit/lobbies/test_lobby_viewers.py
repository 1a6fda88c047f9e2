"""Viewers on stand-in workers: tracks shared and given back, buses laid anew, limits, and every way to end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from steadycast.errors import (
    CallerError,
    ConflictError,
    NotFoundError,
    RefusedError,
    SteadycastError,
    TooManyError,
    WorkerError,
)
from steadycast.model import Protocol, WorkerKind
from steadycast.workers.messages import (
    AttachReader,
    BusLost,
    CloseRendition,
    CloseTrack,
    ForceKeyframe,
    KeyframeWanted,
    KickViewer,
    OpenBus,
    OpenRendition,
    RtspDescribe,
    RtspGone,
    ViewerConnected,
    ViewerGone,
    ViewerJoined,
    WhepOffer,
)
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.stand_in_workers import StandIn


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def streaming(room: Room, **more: Any) -> str:
    lobby = await room.create(key="k", **more)
    await room.state("k", "STREAMING")
    return lobby.id


async def describe(room: Room, path: str, hold: str = "c1") -> dict[str, Any]:
    return await room.egress.ask(RtspDescribe(path, hold, "127.0.0.1:5"))


async def test_concurrent_viewers_share_one_open_and_one_bus(room: Room) -> None:
    lobby = await streaming(room)
    sessions = await asyncio.gather(*(room.lobbies.whep_offer("k", OFFER, remote="1.2.3.4:5") for _ in range(30)))
    (worker,) = room.workers()
    assert [order.rendition.name for order in worker.told(OpenRendition)] == ["main"]
    assert sorted(bus.track for bus in room.egress.told(OpenBus)) == [f"{lobby}/audio", f"{lobby}/main"]
    assert sorted(reader.track for reader in worker.told(AttachReader)) == ["audio", "main.1"]
    assert {bus.epoch for bus in room.egress.told(OpenBus)} == {room.egress.told(OpenBus)[0].epoch}
    assert len({session.viewer for session in sessions}) == 30 and {s.answer for s in sessions} == {"v=0 answer"}
    view = room.lobbies.get("k")
    assert view.viewers == 30 and view.renditions[0].running and view.renditions[0].viewers == 30
    assert room.lobbies.statistics().viewers == {"whep": 30}


async def test_a_rendition_closes_after_its_last_viewer_and_opens_again(room: Room) -> None:
    lobby = await streaming(room)
    before = descriptors()
    (worker,) = room.workers()
    for number in range(1, 6):
        sessions = [await room.lobbies.whep_offer("k", OFFER) for _ in range(2)]
        await room.lobbies.end_viewer(sessions[0].viewer, "left")
        assert room.lobbies.get("k").renditions[0].running
        room.egress.say(ViewerGone(sessions[1].viewer, "silent"))
        await room.until(lambda: not room.lobbies.get("k").renditions[0].running)
        await room.told(worker, CloseRendition, number)
        assert len(worker.told(OpenRendition)) == number
        assert {one.track for one in room.egress.told(CloseTrack)} == {f"{lobby}/audio", f"{lobby}/main"}
        with pytest.raises(NotFoundError):
            room.lobbies.get_viewer(sessions[1].viewer)
        for one in (worker, room.egress):
            while one.fds:
                os.close(one.fds.pop())
    assert descriptors() <= before


async def test_a_viewer_that_comes_while_the_rendition_closes_keeps_it(open_room: OpenRoom) -> None:
    room = await open_room(renditions={"linger_s": 0.01})
    await streaming(room)
    (worker,) = room.workers()
    for _ in range(30):
        session = await room.lobbies.whep_offer("k", OFFER)
        await room.lobbies.end_viewer(session.viewer, "left")
        await asyncio.sleep(0.01)
    session = await room.lobbies.whep_offer("k", OFFER)
    await asyncio.sleep(0.05)
    opens, closes = len(worker.told(OpenRendition)), len(worker.told(CloseRendition))
    assert opens == closes + 1 and room.lobbies.get("k").renditions[0].running
    assert room.lobbies.get_viewer(session.viewer).rendition == "main"


async def test_viewers_stay_when_the_lobby_worker_dies(room: Room) -> None:
    lobby = await streaming(room)
    sessions = [await room.lobbies.whep_offer("k", OFFER) for _ in range(3)]
    old = room.egress.told(OpenBus)[0].epoch
    room.egress.say(BusLost(f"{lobby}/main"))
    room.workers()[0].die()
    await room.until(lambda: len(room.workers()) == 2)
    await room.told(room.workers()[1], AttachReader, 2)
    new = [bus for bus in room.egress.told(OpenBus) if bus.epoch != old]
    assert sorted(bus.track for bus in new) == [f"{lobby}/audio", f"{lobby}/main"]
    assert [room.lobbies.get_viewer(session.viewer).lobby for session in sessions] == [lobby] * 3
    assert room.names(lobby, "viewer") == ["viewer.connecting"] * 3
    assert len(room.workers()[1].told(OpenRendition)) == 1


async def test_a_viewer_that_comes_while_the_worker_is_replaced_is_served(room: Room) -> None:
    await streaming(room)

    def dying(worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, OpenRendition):
            worker.die()
            raise WorkerError("worker.gone", "gone")
        return None

    room.workers()[0].script = dying
    session = await room.lobbies.whep_offer("k", OFFER)
    assert room.lobbies.get_viewer(session.viewer).state == "connecting" and len(room.workers()) == 2


async def test_a_lost_bus_is_laid_again_but_not_for_ever(room: Room) -> None:
    lobby = await streaming(room)
    session = await room.lobbies.whep_offer("k", OFFER)
    for number in range(1, 6):
        room.egress.say(BusLost(f"{lobby}/main"))
        await room.told(room.workers()[0], AttachReader, 2 + number)
    room.egress.say(BusLost(f"{lobby}/main"))
    await room.until(lambda: room.egress.told(KickViewer))
    await room.until(lambda: not room.lobbies.list_viewers().items)
    assert room.egress.told(KickViewer)[0].viewer == session.viewer and room.workers()[0].ready


async def test_egress_death_ends_its_viewers_and_a_new_one_takes_over(room: Room) -> None:
    lobby = await streaming(room)
    await room.lobbies.whep_offer("k", OFFER)
    await describe(room, "k")
    room.egress.say(ViewerJoined("r1", lobby, (f"{lobby}/main",), Protocol.RTSP, "1.2.3.4:5", "tcp", "c1"))
    assert room.lobbies.get("k").viewers == 2
    old = room.egress
    old.die()
    await room.until(lambda: room.egress is not old)
    assert not room.lobbies.list_viewers().items
    assert room.names(lobby, "viewer").count("viewer.gone") == 2
    assert room.lobbies.statistics().restarts_total == 1
    session = await room.lobbies.whep_offer("k", OFFER)
    assert [one.viewer for one in room.egress.told(WhepOffer)] == [session.viewer]
    assert len(room.egress.told(OpenBus)) == 2


async def test_a_bus_without_viewers_goes_with_its_egress_worker(open_room: OpenRoom) -> None:
    room = await open_room(egress={"workers": 2}, renditions={"linger_s": 60})
    await streaming(room)
    sessions = [await room.lobbies.whep_offer("k", OFFER) for _ in range(2)]
    one, two = room.workers(WorkerKind.EGRESS)
    assert one.told(WhepOffer) and two.told(WhepOffer)
    await room.lobbies.end_viewer(one.told(WhepOffer)[0].viewer, "left")
    one.die()
    await room.until(lambda: len(room.workers(WorkerKind.EGRESS)) == 3)
    room.workers()[0].die()
    await room.until(lambda: len(room.workers()) == 2)
    await room.told(room.workers()[1], AttachReader, 2)
    (left,) = room.lobbies.list_viewers().items
    assert left.id == two.told(WhepOffer)[0].viewer and left.id in {session.viewer for session in sessions}
    assert not two.told(KickViewer)


async def test_rtsp_clients_hold_what_they_described_until_they_are_gone(room: Room) -> None:
    lobby = await streaming(room)
    body = await describe(room, "k")
    assert body["lobby"] == lobby and body["name"] == "x"
    assert [item["track"] for item in body["tracks"]] == [f"{lobby}/main", f"{lobby}/audio"]
    room.egress.say(ViewerJoined("r1", lobby, (f"{lobby}/main",), Protocol.RTSP, "1.2.3.4:5", "udp", "c1"))
    viewer = room.lobbies.get_viewer("r1")
    assert (viewer.protocol, viewer.state, viewer.transport) == (Protocol.RTSP, "watching", "udp")
    room.egress.say(ViewerGone("r1", "left"))
    assert not room.lobbies.list_viewers().items and room.lobbies.get("k").renditions[0].running
    room.egress.say(RtspGone("c1"))
    await room.until(lambda: not room.lobbies.get("k").renditions[0].running)


async def test_rtsp_paths(room: Room) -> None:
    await streaming(room, renditions=[{"name": "main"}, {"name": "low"}])
    assert (await describe(room, "k/low"))["tracks"][0]["info"]["name"] == "low"
    for path, error in (("none", NotFoundError), ("k/none", NotFoundError), ("", NotFoundError)):
        with pytest.raises(error):
            await describe(room, path, "c2")
    assert len(room.lobbies._reception._connections) == 1
    room.egress.say(RtspGone("c1"))
    await room.until(lambda: not any(one.running for one in room.lobbies.get("k").renditions))


async def test_a_connection_that_leaves_while_it_waits_holds_nothing(room: Room) -> None:
    await streaming(room)
    gate = asyncio.Event()
    (worker,) = room.workers()
    request = worker.request

    async def slow(message: Any, *args: Any, **more: Any) -> dict[str, Any]:
        if isinstance(message, OpenRendition):
            await gate.wait()
        return await request(message, *args, **more)

    worker.request = slow  # type: ignore[method-assign]
    describing = asyncio.create_task(describe(room, "k"))
    await room.until(lambda: room.lobbies._viewers.places.all())
    room.egress.say(RtspGone("c1"))
    gate.set()
    await asyncio.gather(describing, return_exceptions=True)
    await room.until(lambda: not room.lobbies.get("k").renditions[0].running and not room.lobbies._viewers.places.all())


async def test_deleting_a_lobby_ends_its_viewers_first(room: Room) -> None:
    await streaming(room)
    sessions = [await room.lobbies.whep_offer("k", OFFER) for _ in range(5)]
    await describe(room, "k")
    egress, (worker,) = room.egress, room.workers()
    await room.lobbies.delete("k")
    assert {kick.viewer for kick in egress.told(KickViewer)} == {session.viewer for session in sessions}
    assert worker.told(CloseRendition) and not worker.ready
    assert not room.lobbies.list_viewers().items and not room.lobbies._viewers.places.all()
    assert [e.name for e in room.events._ring if e.kind == "viewer"].count("viewer.gone") == 5
    with pytest.raises(NotFoundError):
        await room.lobbies.whep_offer("k", OFFER)


async def test_offers_meet_a_deletion(room: Room) -> None:
    await streaming(room)
    offers = [asyncio.create_task(room.lobbies.whep_offer("k", OFFER)) for _ in range(20)]
    await asyncio.sleep(0.001)
    await room.lobbies.delete("k")
    for result in await asyncio.gather(*offers, return_exceptions=True):
        assert not isinstance(result, BaseException) or isinstance(result, SteadycastError)
    assert not room.lobbies.list_viewers().items and not room.lobbies._viewers.places.all()


async def test_a_failed_or_cancelled_offer_leaves_nothing(room: Room) -> None:
    await streaming(room)

    def refuse(worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, WhepOffer):
            raise CallerError("sdp.malformed", "no")
        return None

    room.egress.script = refuse
    with pytest.raises(CallerError):
        await room.lobbies.whep_offer("k", OFFER)
    room.egress.script = lambda worker, message: None
    cancelled = asyncio.create_task(room.lobbies.whep_offer("k", OFFER))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await room.until(lambda: not room.lobbies._viewers.places.all())
    assert not room.lobbies.list_viewers().items
    await room.until(lambda: not room.lobbies.get("k").renditions[0].running)


async def test_limits(open_room: OpenRoom) -> None:
    room = await open_room(limits={"viewers": 2, "offers_per_s": 0.001})
    await room.create(key="k")
    await room.state("k", "STREAMING")
    await room.lobbies.whep_offer("k", OFFER)
    with pytest.raises(TooManyError) as often:
        await room.lobbies.whep_offer("k", OFFER)
    assert often.value.code == "limit.offers" and often.value.status == 429 and often.value.retry_after
    room = await open_room(limits={"viewers": 2})
    await room.create(key="k")
    await room.state("k", "STREAMING")
    first = await room.lobbies.whep_offer("k", OFFER)
    await describe(room, "k")
    with pytest.raises(RefusedError) as full:
        await room.lobbies.whep_offer("k", OFFER)
    assert full.value.code == "viewers" and full.value.why is not None and "2" in full.value.why
    await room.lobbies.end_viewer(first.viewer, "left")
    await room.lobbies.whep_offer("k", OFFER)


async def test_entity_tags(room: Room) -> None:
    await streaming(room)
    session = await room.lobbies.whep_offer("k", OFFER)
    for etag, status in ((None, 428), ("old", 412)):
        with pytest.raises(CallerError) as refused:
            await room.lobbies.whep_patch(session.viewer, "a=x", etag)
        assert refused.value.status == status
    assert (await room.lobbies.whep_patch(session.viewer, "a=x", session.etag)).etag == session.etag
    room.egress.script = lambda worker, message: {"fragment": "a=ice-ufrag:new"}
    patched = await room.lobbies.whep_patch(session.viewer, "a=ice-ufrag:x", "*")
    assert patched.fragment == "a=ice-ufrag:new" and patched.etag != session.etag
    with pytest.raises(CallerError):
        await room.lobbies.whep_patch(session.viewer, "a=x", session.etag)


async def test_keyframes_and_connections_are_passed_on(room: Room) -> None:
    lobby = await streaming(room)
    session = await room.lobbies.whep_offer("k", OFFER)
    room.egress.say(KeyframeWanted(f"{lobby}/main"))
    room.egress.say(KeyframeWanted("gone/main"))
    assert [one.track for one in room.workers()[0].told(ForceKeyframe)] == ["main.1"]
    room.egress.say(ViewerConnected(session.viewer, "9.9.9.9:9"))
    room.egress.statistics = {"viewers": {session.viewer: {"packets": 3}}}
    viewer = room.lobbies.get_viewer(session.viewer)
    assert (viewer.state, viewer.remote, viewer.statistics) == ("watching", "9.9.9.9:9", {"packets": 3})


async def test_a_track_that_the_new_worker_does_not_have_ends_its_viewers(room: Room) -> None:
    await streaming(room)
    session = await room.lobbies.whep_offer("k", OFFER)

    def refuse(worker: StandIn) -> None:
        def script(one: StandIn, message: Any) -> dict[str, Any] | None:
            if isinstance(message, OpenRendition):
                raise ConflictError("rendition.none", "no encoder")
            return None

        worker.script = script

    room.supervisor.prepare = refuse
    room.workers()[0].die()
    await room.until(lambda: not room.lobbies.list_viewers().items)
    assert room.egress.told(KickViewer)[0].viewer == session.viewer
    assert "no encoder" in room.egress.told(KickViewer)[0].reason
    assert room.lobbies.get("k").state == "STREAMING" and room.workers(WorkerKind.EGRESS)[0].ready
