"""Renditions that move to another encoder: make before break, and whatever happens meanwhile nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from pathlib import Path
from typing import Any

import pytest

from steadycast.errors import ConflictError, EncoderError, RefusedError, SteadycastError
from steadycast.lobbies import swap
from steadycast.lobbies.device_views import SeatView
from steadycast.lobbies.seats import Seat
from steadycast.model import EncoderFault, WorkerKind
from steadycast.workers.messages import (
    AttachReader,
    BusLost,
    BusTaken,
    CloseRendition,
    ForceKeyframe,
    KeyframeWanted,
    KickViewer,
    OpenBus,
    OpenRendition,
    RenditionFailed,
    TakeOverRendition,
)
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import SOFTWARE, MemoryEncoding
from tests.support.stand_in_workers import StandIn

SEEDS = 8


class Scene:
    """A lobby that encodes in software, and a slot that just came free."""

    def __init__(self, room: Room, lobby: str) -> None:
        self.room = room
        self.lobby = lobby
        self.holder = f"{lobby}/main"
        self.worker = room.workers()[0]

    def free(self, device: str = "gpu") -> Seat:
        return self.room.encoding.lend(device, self.holder)

    def move(self, seat: Seat) -> asyncio.Task[bool]:
        return asyncio.ensure_future(self.room.lobbies.move(self.holder, seat))

    def buses(self, egress: StandIn) -> list[OpenBus]:
        return [bus for bus in egress.told(OpenBus) if bus.track == self.holder]

    def seat(self) -> SeatView | None:
        return self.room.lobbies.get("k").renditions[0].seat

    def devices(self) -> list[str]:
        return sorted(seat.device for seat in self.room.encoding.seats.values())

    async def watch(self) -> str:
        return (await self.room.lobbies.whep_offer("k", OFFER)).viewer

    async def moving(self, count: int = 2) -> StandIn:
        """Wait until an egress worker has a new bus that it does not take yet."""
        egress = self.room.egress
        await self.room.until(lambda: len(self.buses(egress)) == count)
        await self.room.until(lambda: len(self.attached()) >= count)
        return egress

    def attached(self) -> list[str]:
        return [reader.track for reader in self.worker.told(AttachReader) if reader.track != "audio"]


@pytest.fixture
async def scene(open_room: OpenRoom) -> Scene:
    room = await open_room(encoding=MemoryEncoding(gpu=0))
    lobby = await room.create(key="k")
    await room.state("k", "STREAMING")
    return Scene(room, lobby.id)


async def test_a_move_makes_before_it_breaks(scene: Scene) -> None:
    viewer = await scene.watch()
    egress = scene.room.egress
    egress.holds_back = True
    moving = scene.move(scene.free())
    await scene.moving()
    old, new = scene.buses(egress)
    assert old.epoch == new.epoch and old.bus != new.bus
    assert scene.devices() == ["gpu", SOFTWARE] and not scene.worker.told(CloseRendition)
    assert scene.worker.told(ForceKeyframe)[-1].track == "main.2"
    egress.say(KeyframeWanted(scene.holder))
    assert {asked.track for asked in scene.worker.told(ForceKeyframe)} == {"main.1", "main.2"}
    egress.say(BusTaken(scene.holder, old.bus))  # an old story
    assert not moving.done()
    egress.say(BusTaken(scene.holder, new.bus))
    assert await moving
    await scene.room.told(scene.worker, CloseRendition, 1)
    assert scene.worker.told(CloseRendition)[0].name == "main.1"
    await scene.room.until(lambda: scene.devices() == ["gpu"])
    view = scene.seat()
    assert view is not None and view.device == "gpu" and scene.room.encoding.ends == {"given back": 1}
    assert scene.room.lobbies.get_viewer(viewer).lobby == scene.lobby and not egress.told(KickViewer)


async def test_an_encoder_that_does_not_open_changes_nothing(scene: Scene) -> None:
    await scene.watch()

    def script(worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, OpenRendition):
            raise EncoderError(EncoderFault.CLIENT_KEY, "NVENC says 21")
        return None

    scene.worker.script = script
    assert not await scene.move(scene.free())
    assert scene.devices() == [SOFTWARE] and scene.room.encoding.ends == {"refused": 1}
    assert len(scene.buses(scene.room.egress)) == 1 and not scene.worker.told(CloseRendition)


async def test_a_move_that_hangs_is_over_when_its_process_is(scene: Scene) -> None:
    viewer = await scene.watch()
    scene.room.encoding.devices["other"] = 1

    def script(worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, OpenRendition):
            raise EncoderError(EncoderFault.HUNG, "no answer")
        return None

    scene.worker.script = script
    seat = scene.free()
    assert not await scene.move(seat)
    assert not scene.worker.ready and seat.number not in scene.room.encoding.seats
    await scene.room.until(lambda: scene.devices() == ["other"])
    assert scene.room.lobbies.get_viewer(viewer) and len(scene.room.workers()) == 2


async def test_a_bus_that_is_never_taken_changes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "TAKEN_S", 0.05)
    await scene.watch()
    scene.room.egress.holds_back = True
    assert not await scene.move(scene.free())
    await scene.room.until(lambda: scene.devices() == [SOFTWARE])
    assert scene.worker.told(CloseRendition)[0].name == "main.2" and scene.room.encoding.ends == {"failed": 1}
    view = scene.seat()
    assert view is not None and view.device == SOFTWARE


async def test_who_took_it_goes_back_when_others_did_not(open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "TAKEN_S", 0.1)
    room = await open_room(encoding=MemoryEncoding(gpu=0), egress={"workers": 2})
    lobby = await room.create(key="k")
    await room.state("k", "STREAMING")
    scene = Scene(room, lobby.id)
    for _ in range(2):
        await scene.watch()
    one, two = room.workers(WorkerKind.EGRESS)
    two.holds_back = True
    assert not await scene.move(scene.free())
    await room.until(lambda: scene.devices() == [SOFTWARE])
    assert scene.attached() == ["main.1", "main.1", "main.2", "main.2", "main.1"]
    assert len(scene.buses(one)) == 3 and len(scene.buses(two)) == 2
    assert room.encoding.ends == {"given back": 1}


async def test_the_new_one_takes_over_where_the_old_one_dies(scene: Scene) -> None:
    viewer = await scene.watch()
    egress = scene.room.egress
    egress.holds_back = True
    moving = scene.move(scene.free())
    await scene.moving()
    scene.worker.say(RenditionFailed("main.1", EncoderFault.FAILED, "it fell over"))
    assert scene.devices() == ["gpu"]
    egress.say(BusTaken(scene.holder, scene.buses(egress)[-1].bus))
    assert await moving
    assert scene.devices() == ["gpu"] and len(scene.worker.told(OpenRendition)) == 2
    assert scene.room.lobbies.get_viewer(viewer)


async def test_the_old_one_dies_while_the_new_one_opens(scene: Scene) -> None:
    await scene.watch()
    gate, request = asyncio.Event(), scene.worker.request

    async def slow(message: Any, *args: Any, **more: Any) -> dict[str, Any]:
        if isinstance(message, OpenRendition):
            await gate.wait()
        return await request(message, *args, **more)

    scene.worker.request = slow  # type: ignore[method-assign]
    moving = scene.move(scene.free())
    await asyncio.sleep(0.01)
    scene.worker.say(RenditionFailed("main.1", EncoderFault.FAILED, "it fell over"))
    coming = asyncio.create_task(scene.watch())
    await asyncio.sleep(0.01)
    gate.set()
    assert await moving and await coming
    assert scene.devices() == ["gpu"] and len(scene.worker.told(OpenRendition)) == 2


async def test_both_die_and_it_is_opened_again(scene: Scene) -> None:
    viewer = await scene.watch()
    scene.room.egress.holds_back = True
    scene.room.encoding.devices["other"] = 1
    moving = scene.move(scene.free())
    await scene.moving()
    for name in ("main.1", "main.2"):
        scene.worker.say(RenditionFailed(name, EncoderFault.FAILED, "it fell over"))
    assert not await moving
    await scene.room.until(lambda: scene.devices() == ["other"])
    await scene.room.until(lambda: scene.attached()[-1] == "main.3")
    assert scene.room.lobbies.get_viewer(viewer) and scene.room.encoding.ends == {"failed": 2}


async def test_a_viewer_that_joins_meanwhile_is_given_the_new_one(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=0), egress={"workers": 2})
    lobby = await room.create(key="k")
    await room.state("k", "STREAMING")
    scene = Scene(room, lobby.id)
    await scene.watch()
    one, two = room.workers(WorkerKind.EGRESS)
    one.holds_back = True
    moving = scene.move(scene.free())
    await room.until(lambda: scene.attached() == ["main.1", "main.2"])
    await scene.watch()  # on the other egress worker
    await scene.watch()
    assert scene.attached() == ["main.1", "main.2", "main.2"] and len(scene.buses(two)) == 1
    one.say(BusTaken(scene.holder, scene.buses(one)[-1].bus))
    assert await moving
    await room.until(lambda: scene.devices() == ["gpu"])
    assert len(scene.buses(one)) == 2 and len(scene.buses(two)) == 1


async def test_all_leave_meanwhile(scene: Scene) -> None:
    viewer = await scene.watch()
    scene.room.egress.holds_back = True
    moving = scene.move(scene.free())
    await scene.moving()
    await scene.room.lobbies.end_viewer(viewer, "left")
    assert not await moving
    await scene.room.until(lambda: not scene.room.encoding.seats)
    assert scene.room.encoding.ends == {"given back": 2}
    assert sorted(close.name for close in scene.worker.told(CloseRendition)) == ["main.1", "main.2"]


async def test_the_lobby_ends_meanwhile(scene: Scene) -> None:
    await scene.watch()
    scene.room.egress.holds_back = True
    moving = scene.move(scene.free())
    await scene.moving()
    await scene.room.lobbies.delete("k")
    assert not await moving and not scene.room.encoding.seats


async def test_the_worker_dies_meanwhile(scene: Scene) -> None:
    viewer = await scene.watch()
    scene.room.egress.holds_back = True
    moving = scene.move(scene.free())
    await scene.moving()
    scene.worker.die()
    assert not await moving
    await scene.room.started(2)
    await scene.room.until(lambda: scene.devices() == [SOFTWARE])
    assert scene.room.encoding.ends == {"given back": 2} and scene.room.lobbies.get_viewer(viewer)


async def test_the_egress_worker_dies_meanwhile(scene: Scene) -> None:
    await scene.watch()
    egress = scene.room.egress
    egress.holds_back = True
    moving = scene.move(scene.free())
    await scene.moving()
    egress.die()
    await moving
    await scene.room.until(lambda: len(scene.room.encoding.seats) <= 1)


async def test_a_bus_lost_meanwhile_is_laid_with_the_new_one(scene: Scene) -> None:
    await scene.watch()
    egress = scene.room.egress
    egress.holds_back = True
    moving = scene.move(scene.free())
    await scene.moving()
    egress.say(BusLost(scene.holder))
    assert await moving
    await scene.room.until(lambda: scene.devices() == ["gpu"])
    await scene.room.until(lambda: scene.attached() == ["main.1", "main.2", "main.2"])


async def test_seats_for_nobody_are_given_back(scene: Scene) -> None:
    viewer = await scene.watch()
    seat = scene.free()
    for holder in ("l_none/main", f"{scene.lobby}/none", f"{scene.lobby}/audio", "nonsense"):
        assert not await scene.room.lobbies.move(holder, seat)
        assert scene.room.encoding.ends["given back"] and scene.devices() == [SOFTWARE]
        seat = scene.free()
    scene.room.egress.holds_back = True
    moving = scene.move(seat)
    await scene.moving()
    assert not await scene.move(scene.free()), "one at a time"
    moving.cancel()
    await asyncio.wait({moving})
    early = scene.move(scene.free())
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.wait({early})
    await scene.room.until(lambda: scene.devices() == [SOFTWARE])
    await scene.room.lobbies.end_viewer(viewer, "left")
    await scene.room.until(lambda: not scene.room.encoding.seats)
    assert not await scene.move(scene.free()) and not scene.room.encoding.seats


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


LINGERS_S = (0, 0.002, 0.05)  # closed at once; parked and closed; parked and watched again


class Weather:
    """Whatever may happen to a lobby, by dice."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.room = scene.room
        self.dice = random.Random(seed)
        self.tasks: list[asyncio.Task[Any]] = []

    def script(self, worker: StandIn, message: Any) -> dict[str, Any] | None:
        if isinstance(message, OpenRendition) and self.dice.random() < 0.3:
            if self.dice.random() < 0.2:
                raise EncoderError(EncoderFault.HUNG, "no answer")
            raise EncoderError(EncoderFault.OUT_OF_MEMORY, "no")
        if isinstance(message, TakeOverRendition) and self.dice.random() < 0.3:
            if self.dice.random() < 0.3:
                raise EncoderError(self.dice.choice((EncoderFault.HUNG, EncoderFault.DRIVER_LOST)), "no answer")
            raise ConflictError("rendition.not_reusable", "no")
        return None

    async def step(self) -> None:
        dice, room = self.dice, self.room
        for worker in room.supervisor.workers:
            worker.script, worker.turns = self.script, lambda: dice.randrange(1, 8)
        match dice.randrange(9):
            case 0 | 1 | 2:
                self.tasks.append(asyncio.create_task(self.scene.watch()))
            case 3:
                viewers = room.lobbies.list_viewers().items
                if viewers:
                    self.tasks.append(asyncio.create_task(self._end(dice.choice(viewers).id)))
            case 4:
                if self.tasks:
                    dice.choice(self.tasks).cancel()
            case 5:
                if room.encoding.requests:
                    self.tasks.append(asyncio.create_task(self._move()))
            case 6:
                room.workers()[-1].say(RenditionFailed(f"main.{dice.randrange(1, 60)}", EncoderFault.FAILED, "x"))
            case 7:
                room.egress.holds_back = dice.random() < 0.3
            case 8:
                if dice.random() < 0.2:
                    room.workers()[-1].die()
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)

    async def _move(self) -> None:
        seat = self.scene.free()
        if not await self.room.lobbies.move(self.scene.holder, seat):
            assert seat.number not in self.room.encoding.seats, "it was ended before that was said"

    async def _end(self, viewer: str) -> None:
        await self.room.lobbies.end_viewer(viewer, "left")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_comes_every_seat_ends_once(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(swap, "TAKEN_S", 0.02)
    encoding = MemoryEncoding(gpu=1, other=1)
    room = await open_room(
        encoding=encoding,
        workers={"restarts": 1000},
        egress={"workers": 2},
        renditions={"linger_s": LINGERS_S[seed % len(LINGERS_S)]},
    )
    lobby = await room.create(key="k")
    await room.state("k", "STREAMING")
    before = descriptors()
    weather = Weather(Scene(room, lobby.id), seed)
    for _ in range(150):
        await weather.step()
    for worker in room.supervisor.workers:
        worker.script = lambda worker, message: None
    for task in weather.tasks:
        if weather.dice.random() < 0.5:
            task.cancel()
    results = await asyncio.gather(*weather.tasks, return_exceptions=True)
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, SteadycastError), repr(result)
    for egress in room.workers(WorkerKind.EGRESS):
        egress.holds_back = False
    with contextlib.suppress(RefusedError):  # where all devices had refused it; then it is asked anew
        await weather.scene.watch()
    viewer = await weather.scene.watch()  # it works as ever
    await room.until(lambda: len(encoding.seats) == 1)
    for one in (*room.lobbies.list_viewers(limit=1000).items,):
        await room.lobbies.end_viewer(one.id, "left")
    assert viewer
    await room.until(lambda: not encoding.seats and not room.lobbies._viewers.places.all())
    feeds = next(room.lobbies._entries.lobbies()).feeds
    await room.until(lambda: not feeds._shelf._feeds and not feeds._carrier._tasks and not feeds._instances._tasks)
    assert not feeds._instances._early and not feeds._coming
    for stand_in in room.supervisor.started:
        while stand_in.fds:
            os.close(stand_in.fds.pop())
    assert descriptors() <= before


async def test_a_refused_viewer_hurts_no_other(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await room.create(key="k", encoders={"hardware": "require", "when_full": "refuse"}, renditions=[
        {"name": "main"}, {"name": "low", "height": 360}
    ])  # fmt: skip
    await room.state("k", "STREAMING")
    await room.lobbies.whep_offer("k", OFFER)
    with pytest.raises(RefusedError):
        await room.lobbies.whep_offer("k", OFFER, rendition="low")
    assert room.lobbies.get("k").viewers == 1 and len(room.encoding.seats) == 1
