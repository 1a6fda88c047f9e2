"""Encoders that nobody watches, on stand-in workers: parked, taken over, and opened anew where that does not go."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from typing import Any

import pytest

from steadycast.config.lobby_change import LobbyChange
from steadycast.errors import ConflictError, DeadlineError, EncoderError, NotFoundError, SteadycastError
from steadycast.lifecycle import RenditionState
from steadycast.lobbies import swap
from steadycast.model import EncoderFault, Rendition, WorkerKind
from steadycast.workers.messages import (
    AttachReader,
    CloseRendition,
    CloseTrack,
    OpenBus,
    OpenRendition,
    ParkRendition,
    RenditionFailed,
    TakeOverRendition,
)
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn
from tests.unit.lobbies.test_lobby_moves import LINGERS_S, Scene, Weather, descriptors

KINDS = (OpenRendition, ParkRendition, TakeOverRendition, AttachReader, CloseRendition)


async def parked(open_room: OpenRoom, **more: Any) -> Room:
    """A lobby whose only viewer has left."""
    room = await open_room(encoding=MemoryEncoding(gpu=1), **{"renditions": {"linger_s": 60}, **more})
    await room.create(key="k")
    await room.state("k", "STREAMING")
    await leave(room, await watch(room))
    await room.told(room.workers()[-1], ParkRendition, 1)
    return room


async def watch(room: Room) -> str:
    return (await room.lobbies.whep_offer("k", OFFER)).viewer


async def leave(room: Room, viewer: str) -> None:
    await room.lobbies.end_viewer(viewer, "left")


def told(worker: StandIn) -> list[str]:
    """What it was told of its encoder, in order."""
    return [
        f"{type(message).__name__} {getattr(message, 'instance', None) or getattr(message, 'track', None)}"
        for message in worker.asked
        if isinstance(message, KINDS) and "audio" not in str(message)
    ]


def failing(error: Exception) -> Any:
    """A script of a worker that fails at the next take-over."""
    left = [error]

    def script(worker: StandIn, message: Any) -> None:
        if isinstance(message, TakeOverRendition) and left:
            worker.parked.discard(message.instance)
            raise left.pop()

    return script


async def test_the_next_viewer_gets_the_encoder_of_the_last(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    (worker,) = room.workers()
    (seat,) = room.encoding.seats
    assert list(room.encoding.parked) == [seat], "others may have its place"
    lobby = room.lobbies.get("k").id
    await room.until(lambda: [one.track for one in room.egress.told(CloseTrack)] == [f"{lobby}/main"])
    buses = len(room.egress.told(OpenBus))
    await watch(room)
    assert told(worker) == [
        "OpenRendition main.1", "AttachReader main.1", "ParkRendition main.1", "TakeOverRendition main.1",
        "AttachReader main.1",
    ]  # fmt: skip
    assert list(room.encoding.seats) == [seat] and not room.encoding.parked
    assert len(room.egress.told(OpenBus)) > buses, "nothing of before is left in the egress worker"
    await watch(room)
    assert len(worker.told(TakeOverRendition)) == 1


async def test_all_who_come_at_once_share_one_take_over(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    await asyncio.gather(*(watch(room) for _ in range(5)))
    (worker,) = room.workers()
    assert len(worker.told(TakeOverRendition)) == len(worker.told(OpenRendition)) == 1


async def test_who_comes_back_at_once_finds_it_as_it_was(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1), renditions={"linger_s": 60})
    await room.create(key="k")
    await room.state("k", "STREAMING")
    first = await watch(room)
    (worker,) = room.workers()
    for turns in range(12):  # also in the middle of parking, and of taking over
        worker.turns = lambda turns=turns: 1 + turns % 4  # type: ignore[misc]
        leaving = asyncio.create_task(leave(room, first))
        for _ in range(turns):
            await asyncio.sleep(0)
        coming = asyncio.create_task(watch(room))
        await leaving
        first = await coming
    assert len(worker.told(OpenRendition)) == 1 and not worker.told(CloseRendition)
    assert list(room.encoding.seats) == [1] and not room.encoding.parked


async def test_one_that_leaves_during_a_take_over_leaves_it_parked(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    (worker,) = room.workers()
    worker.turns = lambda: 20
    coming = asyncio.create_task(watch(room))
    while not worker.told(TakeOverRendition):  # and no turn later, or it is done
        await asyncio.sleep(0)
    coming.cancel()
    await asyncio.wait({coming})
    await room.told(worker, ParkRendition, 2)
    worker.turns = lambda: 1
    await watch(room)
    assert len(worker.told(TakeOverRendition)) == 2 and len(worker.told(OpenRendition)) == 1


async def test_what_cannot_be_taken_over_is_opened_anew(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    (worker,) = room.workers()
    worker.script = failing(ConflictError("rendition.not_reusable", "no", why="it makes 640x360"))
    await watch(room)
    assert told(worker)[-5:] == [
        "ParkRendition main.1", "TakeOverRendition main.1", "CloseRendition None", "OpenRendition main.2",
        "AttachReader main.2",
    ]  # fmt: skip
    assert room.encoding.ends == {"given back": 1} and list(room.encoding.seats) == [2]


async def test_a_driver_lost_meanwhile_is_held_against_its_device(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    (worker,) = room.workers()
    worker.script = failing(EncoderError(EncoderFault.DRIVER_LOST, "CUDA is gone"))
    await watch(room)
    assert room.encoding.ends == {"failed": 1}
    (seat,) = room.encoding.seats.values()
    assert seat.device == "software", "the device that failed it is not asked again soon"


async def test_an_encoder_that_hangs_takes_its_worker_along(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    room.workers()[0].script = failing(DeadlineError("worker.deadline", "no answer"))
    await watch(room)
    old, new = room.workers()
    assert old.receipt is not None and len(new.told(OpenRendition)) == 1
    assert room.encoding.ends["failed"] == 1 and len(room.encoding.seats) == 1


async def test_a_worker_that_dies_while_parked_is_missed_by_nobody(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    room.workers()[0].die()
    await room.until(lambda: len(room.workers()) == 2)
    await room.state("k", "STREAMING")
    await room.until(lambda: not room.encoding.seats)
    await watch(room)
    assert told(room.workers()[1]) == ["OpenRendition main.2", "AttachReader main.2"]
    assert room.encoding.ends == {"given back": 1}


async def test_one_that_fails_while_parked_is_closed(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    (worker,) = room.workers()
    worker.say(RenditionFailed("main.1", EncoderFault.FAILED, "x"))
    await room.until(lambda: not room.encoding.seats and not room.encoding.parked)
    await watch(room)
    assert not worker.told(TakeOverRendition) and len(worker.told(OpenRendition)) == 2


async def test_given_up_for_others_and_aged(open_room: OpenRoom) -> None:
    room = await parked(open_room)
    (give_up,) = room.encoding.parked.values()
    await give_up()
    assert room.encoding.ends == {"given back": 1}
    short = await parked(open_room, renditions={"linger_s": 0.05})
    await short.until(lambda: not short.encoding.seats)
    assert short.encoding.ends == {"given back": 1}


async def test_without_time_to_linger_nothing_is_parked(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await room.create(key="k")
    await room.state("k", "STREAMING")
    await leave(room, await watch(room))
    await room.until(lambda: not room.encoding.seats)
    assert not room.workers()[0].told(ParkRendition)


async def test_a_move_that_ends_when_they_have_left_is_parked_too(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1, other=1), renditions={"linger_s": 60})
    lobby = (await room.create(key="k")).id
    await room.state("k", "STREAMING")
    viewer = await watch(room)
    (worker,) = room.workers()
    worker.turns = lambda: 6
    moving = asyncio.ensure_future(room.lobbies.move(f"{lobby}/main", room.encoding.lend("other", f"{lobby}/main")))
    while len(worker.told(OpenRendition)) < 2:
        await asyncio.sleep(0)
    await leave(room, viewer)
    assert await moving
    await room.told(worker, ParkRendition, 1)
    assert worker.told(ParkRendition)[0].instance == "main.2"
    await room.until(lambda: [seat.device for seat in room.encoding.seats.values()] == ["other"])
    feed = next(room.lobbies._entries.lobbies()).feeds.get("main")
    assert feed is not None and feed.life.state is RenditionState.IDLE


SIZED = {"width": 640, "height": 360}
TWO = [{"name": "main", "bitrate_kbps": 900, **SIZED}, {"name": "low", "bitrate_kbps": 200, **SIZED}]


async def test_another_track_that_differs_in_its_bitrate_gets_it(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1), renditions={"linger_s": 60})
    lobby = (await room.create(key="k", renditions=[*TWO, {"name": "small", "height": 90}])).id
    await room.state("k", "STREAMING")
    await leave(room, await watch(room))
    (worker,) = room.workers()
    await room.told(worker, ParkRendition, 1)
    low = (await room.lobbies.whep_offer("k", OFFER, rendition="low")).viewer
    (taken,) = worker.told(TakeOverRendition)
    assert (taken.instance, taken.rendition.name, taken.rendition.bitrate_kbps) == ("main.1", "low", 200)
    (seat,) = room.encoding.seats.values()
    assert seat.request.holder == f"{lobby}/low" and len(worker.told(OpenRendition)) == 1
    feeds = next(room.lobbies._entries.lobbies()).feeds
    await room.until(lambda: feeds.get("main") is None)
    await leave(room, low)
    await room.told(worker, ParkRendition, 2)
    await room.lobbies.whep_offer("k", OFFER, rendition="small")
    assert len(worker.told(TakeOverRendition)) == 1 and len(worker.told(OpenRendition)) == 2
    await watch(room)
    assert worker.told(TakeOverRendition)[1].rendition.name == "main"


async def test_what_another_track_cannot_take_over_is_opened_anew(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1), renditions={"linger_s": 60})
    await room.create(key="k", renditions=TWO)
    await room.state("k", "STREAMING")
    await leave(room, await watch(room))
    (worker,) = room.workers()
    await room.told(worker, ParkRendition, 1)
    worker.script = failing(ConflictError("rendition.not_reusable", "no", why="it keeps its bitrate"))
    await room.lobbies.whep_offer("k", OFFER, rendition="low")
    assert told(worker)[-3:] == ["CloseRendition None", "OpenRendition low.2", "AttachReader low.2"]
    assert room.encoding.ends == {"given back": 1} and len(room.encoding.seats) == 1


async def test_both_come_at_the_same_moment(open_room: OpenRoom) -> None:
    for turns in range(6):
        room = await open_room(encoding=MemoryEncoding(gpu=2), renditions={"linger_s": 60})
        await room.create(key="k", renditions=TWO)
        await room.state("k", "STREAMING")
        await leave(room, await watch(room))
        (worker,) = room.workers()
        await room.told(worker, ParkRendition, 1)
        worker.turns = lambda turns=turns: 1 + turns  # type: ignore[misc]
        both = [asyncio.create_task(room.lobbies.whep_offer("k", OFFER, rendition=name)) for name in ("low", "main")]
        if turns % 2:
            both.reverse()
        await asyncio.gather(*both)
        assert len(room.encoding.seats) == 2 and len(worker.told(OpenRendition)) == 2
        assert len(worker.told(TakeOverRendition)) == 1
        both_gone = [asyncio.create_task(room.lobbies.whep_offer("k", OFFER, rendition="low")) for _ in range(3)]
        for task in both_gone:
            task.cancel()
        await asyncio.wait(both_gone)


async def test_one_that_leaves_while_another_tracks_encoder_is_taken_over(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1), renditions={"linger_s": 60})
    await room.create(key="k", renditions=TWO)
    await room.state("k", "STREAMING")
    await leave(room, await watch(room))
    (worker,) = room.workers()
    await room.told(worker, ParkRendition, 1)
    worker.turns = lambda: 20
    coming = asyncio.create_task(room.lobbies.whep_offer("k", OFFER, rendition="low"))
    while not worker.told(TakeOverRendition):
        await asyncio.sleep(0)
    coming.cancel()
    await asyncio.wait({coming})
    worker.turns = lambda: 1
    await room.until(lambda: not room.encoding.seats)
    await watch(room)
    assert len(worker.told(OpenRendition)) == 2 and len(room.encoding.seats) == 1


async def test_a_change_of_the_bitrate_leaves_it_parked_and_any_other_closes_it(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1), renditions={"linger_s": 60})
    await room.create(key="k", renditions=TWO[:1])
    await room.state("k", "STREAMING")
    await leave(room, await watch(room))
    (worker,) = room.workers()
    await room.told(worker, ParkRendition, 1)
    main = Rendition("main", bitrate_kbps=300, width=640, height=360)
    await room.lobbies.change("k", LobbyChange(renditions=(main,)))
    await leave(room, await watch(room))
    assert worker.told(TakeOverRendition)[0].rendition == main and len(worker.told(OpenRendition)) == 1
    await room.told(worker, ParkRendition, 2)
    await room.lobbies.change("k", LobbyChange(renditions=(dataclasses.replace(main, height=180),)))
    assert not room.encoding.seats


class Crowd(Weather):
    """Whatever may happen to a lobby of two tracks that may have each other's encoder."""

    async def step(self) -> None:
        if self.dice.random() < 0.4:
            self.tasks.append(asyncio.create_task(self._watch(self.dice.choice(("main", "low")))))
        if self.dice.random() < 0.3:
            await self._all_leave()
        else:
            await super().step()

    async def _watch(self, rendition: str) -> None:
        await self.room.lobbies.whep_offer("k", OFFER, rendition=rendition)

    async def _all_leave(self) -> None:
        for one in self.room.lobbies.list_viewers(limit=1000).items:
            self.tasks.append(asyncio.create_task(self._end(one.id)))
        for _ in range(self.dice.randrange(120)):
            await asyncio.sleep(0)

    async def _move(self) -> None:
        if any(one.holder == self.scene.holder for one in self.room.encoding.requests):
            await super()._move()


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_comes_every_seat_ends_once(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(swap, "TAKEN_S", 0.02)
    encoding = MemoryEncoding(gpu=1, other=1)
    linger = {"linger_s": LINGERS_S[1 + seed % 2]}
    room = await open_room(encoding=encoding, workers={"restarts": 1000}, egress={"workers": 2}, renditions=linger)
    lobby = await room.create(key="k", renditions=TWO)
    await room.state("k", "STREAMING")
    before = descriptors()
    crowd = Crowd(Scene(room, lobby.id), seed)
    for _ in range(150):
        await crowd.step()
    for worker in room.supervisor.workers:
        worker.script = lambda worker, message: None
    results = await asyncio.gather(*crowd.tasks, return_exceptions=True)
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, SteadycastError), repr(result)
    for egress in room.workers(WorkerKind.EGRESS):
        egress.holds_back = False
    for one in room.lobbies.list_viewers(limit=1000).items:
        with contextlib.suppress(NotFoundError):  # it left already
            await leave(room, one.id)
    feeds = next(room.lobbies._entries.lobbies()).feeds
    await room.until(lambda: not encoding.seats and not encoding.parked)
    await room.until(lambda: not feeds._shelf._feeds and not feeds._carrier._tasks and not feeds._instances._tasks)
    for stand_in in room.supervisor.started:
        while stand_in.fds:
            os.close(stand_in.fds.pop())
    assert descriptors() <= before
