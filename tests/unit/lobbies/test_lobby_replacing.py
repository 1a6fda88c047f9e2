"""A lobby's worker is replaced: whatever fails on the way the one before goes on, and every seat ends once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

import pytest

from steadycast.config.lobby_change import LobbyChange
from steadycast.errors import ConflictError, EncoderError, NotFoundError, SourceError, SteadycastError, WorkerError
from steadycast.lobbies import crossing, swap
from steadycast.model import EncoderFault, RecycleCause, Rendition, WorkerKind
from steadycast.workers.messages import (
    AttachReader,
    BusTaken,
    CloseRendition,
    OpenBus,
    OpenRendition,
    ShowSource,
    SourceFailed,
)
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import SOFTWARE, MemoryEncoding
from tests.support.stand_in_workers import StandIn
from tests.unit.lobbies.test_lobby_moves import LINGERS_S, Scene, Weather, descriptors


async def watched(open_room: OpenRoom, encoding: MemoryEncoding, **create: Any) -> Room:
    room = await open_room(encoding=encoding)
    await room.create(key="k", **create)
    await room.state("k", "STREAMING")
    await room.lobbies.whep_offer("k", OFFER)
    return room


def alive(room: Room) -> list[StandIn]:
    return [worker for worker in room.workers() if worker.ready]


def told(room: Room, name: str) -> list[dict[str, Any]]:
    return [event.data for event in room.lobbies.events._ring if event.name == name]


async def test_make_before_break(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=2)
    room = await watched(open_room, encoding)
    (old,) = alive(room)
    done = await room.lobbies.recycle("k")
    assert done.made_before_break and done.old_worker == old.id and done.receipt is not None
    (new,) = alive(room)
    assert new is not old and done.new_worker == new.id
    assert [seat.pid for seat in encoding.seats.values()] == [new.pid]
    assert old.told(CloseRendition), "what it encoded is closed before it ends"
    view = room.lobbies.get("k")
    assert (view.recycles, view.crashes, view.generation, view.viewers) == (1, 0, 2, 1)
    assert [data["how"] for data in told(room, "lobby.recycled")] == ["seamless"]
    epochs = {bus.epoch for bus in room.egress.told(OpenBus)}
    assert len(epochs) == 2
    assert room.lobbies.statistics().recycles_total == {("person", "seamless"): 1}


async def test_a_file_is_gone_on_with_where_it_is(open_room: OpenRoom) -> None:
    """Each worker says when what it shows began; whoever comes after it is told. What begins anew has no place yet."""
    room = await watched(open_room, MemoryEncoding(gpu=2))

    async def next_is_told(began: float | None) -> None:
        worker = alive(room)[-1]
        assert [order.began for order in worker.told(ShowSource)] == [began]

    await next_is_told(None)
    alive(room)[0].statistics = {"source": {"began": 12.5}}
    await room.lobbies.recycle("k")
    await next_is_told(12.5)
    alive(room)[0].die("killed")  # before it said anything
    await room.started(3)
    await room.state("k", "STREAMING")
    await next_is_told(12.5)
    other = LobbyChange.model_validate({"source": {"kind": "test", "fps": 10}})
    await room.lobbies.change("k", other)
    await next_is_told(None)
    alive(room)[0].statistics = {"source": {"began": 99.5}}
    alive(room)[0].say(SourceFailed("ended", "it ended", retry=True))
    await room.started(5)
    await room.state("k", "STREAMING")
    await next_is_told(None)


async def test_who_takes_over_from_a_worker_that_is_pushed_into_knows_where_it_is(open_room: OpenRoom) -> None:
    """Where the pictures are of the same kind: else there is nothing to go on with."""
    room = await watched(open_room, MemoryEncoding(gpu=2))
    source = {"kind": "push", "width": 640, "height": 360, "buffers": 4}
    for change, wanted in (({}, None), ({"buffers": 6}, "/run/a.push"), ({"format": "RGBA"}, None)):
        source |= change
        await room.lobbies.change("k", LobbyChange.model_validate({"source": source}))
        worker = alive(room)[-1]
        assert [order.heir_of for order in worker.told(ShowSource)] == [wanted]
        told = {"shown": 3, "copied": 0, "repeated": 1, "dropped": 0, "producers": 1, "refused": {}, "since": 5.0}
        worker.statistics = {
            "source": {
                "push": {
                    **told, "last_refusal": None, "address": "/run/a.push", "producer": None, "quiet_s": None,
                    "waiting": 0, "buffers": 4, "lent": 0, "kept": 4, "bytes": 7, "pool": {"lent": 0},
                }
            }
        }  # fmt: skip
        push = room.lobbies.get("k").push
        assert push is not None
        assert (push.shown, push.says) == (3, "no producer; its last picture is held")
        worker.statistics = {"source": {"push": {"address": "/run/a.push", "shown": "many"}}}
        assert room.lobbies.get("k").push is None
    await room.lobbies.recycle("k")
    assert [order.heir_of for order in alive(room)[-1].told(ShowSource)] == ["/run/a.push"]


async def test_a_finding_has_its_worker_replaced_of_a_lobby_and_of_egress(open_room: OpenRoom) -> None:
    room = await watched(open_room, MemoryEncoding(gpu=2))
    old, egress = alive(room)[0], room.egress
    with pytest.raises(NotFoundError):
        room.lobbies.recycle_for("lobby-none", "f_0", "it is not there")
    room.lobbies.recycler.residue(old.id)
    room.lobbies.recycle_for(old.id, "f_1", "a socket is lost with each viewer")
    room.lobbies.recycle_for(old.id, "f_2", "it was found again")
    room.lobbies.recycle_for(egress.id, "f_3", "it grows")
    await room.lobbies.recycler.look()
    await room.until(lambda: not old.ready and room.egress is not egress)
    due = [event for event in room.events._ring if event.name == "worker.due"]
    assert {(one.data["worker"], one.data["cause"], one.data["finding"], one.lobby, one.why) for one in due} == {
        (old.id, "finding", "f_1", room.lobbies.get("k").id, "a socket is lost with each viewer"),
        (egress.id, "finding", "f_3", None, "it grows"),
    }
    counted = {("finding", "seamless"): 1, ("finding", "drained"): 1}
    await room.until(lambda: room.lobbies.statistics().recycles_total == counted)
    assert old.receipt is not None and old.receipt.cause == "recycled: finding"


async def test_the_only_seat_goes_over_and_is_never_two(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=1)
    room = await watched(open_room, encoding, encoders={"hardware": "require", "when_full": "refuse"})
    done = await room.lobbies.recycle("k")
    assert not done.made_before_break and done.why is not None and "main" in done.why
    assert encoding.ends["renewed"] == 1 and len(encoding.on("gpu")) == 1
    assert room.lobbies.get("k").viewers == 1
    assert [data["how"] for data in told(room, "lobby.recycled")] == ["paused"]


async def test_software_is_beside_where_hardware_is_full(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=1)
    room = await watched(open_room, encoding)
    assert (await room.lobbies.recycle("k")).made_before_break
    assert [seat.device for seat in encoding.seats.values()] == [SOFTWARE]


async def test_a_source_that_does_not_show_changes_nothing(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=2)
    room = await watched(open_room, encoding)
    (old,) = alive(room)

    def refuse(worker: StandIn, message: Any) -> None:
        if isinstance(message, ShowSource):
            raise SourceError("source.busy", "The camera is busy.")

    room.supervisor.prepare = lambda worker: setattr(worker, "script", refuse)
    with pytest.raises(SteadycastError, match="busy"):
        await room.lobbies.recycle("k")
    assert alive(room) == [old] and len(encoding.seats) == 1
    assert room.lobbies.get("k").recycles == 0
    assert [data["how"] for data in told(room, "lobby.recycled")] == ["failed"]


async def test_a_bus_that_is_not_taken_brings_all_back(open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "TAKEN_S", 0.1)
    encoding = MemoryEncoding(gpu=2)
    room = await watched(open_room, encoding)
    (old,) = alive(room)
    room.egress.holds_back = True
    with pytest.raises(WorkerError) as failed:
        await room.lobbies.recycle("k")
    assert failed.value.code == "recycle.failed" and "keyframe" in (failed.value.why or "")
    room.egress.holds_back = False
    await room.until(lambda: alive(room) == [old] and len(encoding.seats) == 1)
    assert [seat.pid for seat in encoding.seats.values()] == [old.pid]
    assert room.lobbies.get("k").viewers == 1
    assert (await room.lobbies.recycle("k")).made_before_break


async def test_delete_wins(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=2)
    room = await watched(open_room, encoding)
    room.egress.holds_back = True
    running = asyncio.create_task(room.lobbies.recycle("k"))
    await room.until(lambda: len(alive(room)) == 2)
    await room.until(lambda: len([one for one in room.egress.told(OpenBus) if one.track.endswith("/main")]) == 2)
    deleted = await room.lobbies.delete("k")
    assert deleted.state == "DESTROYED" and not alive(room) and not encoding.seats
    with pytest.raises(SteadycastError):
        await running


async def test_the_other_one_takes_over_where_the_first_dies(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=2)
    room = await watched(open_room, encoding)
    (old,) = alive(room)
    room.egress.holds_back = True
    running = asyncio.create_task(room.lobbies.recycle("k"))
    await room.until(lambda: len([one for one in room.egress.told(OpenBus) if one.track.endswith("/main")]) == 2)
    old.die()
    for one in room.egress.told(OpenBus):
        room.egress.say(BusTaken(one.track, one.bus))
    assert (await running).new_worker != old.id
    view = room.lobbies.get("k")
    assert (view.state, view.viewers, view.crashes, view.restarts) == ("STREAMING", 1, 1, 0)


async def _ends_slowly(room: Room) -> tuple[StandIn, asyncio.Event, asyncio.Task[Any]]:
    """The other one took over, and the first one has not ended yet: it, what lets it end, and the replacement."""
    (old,) = alive(room)
    may, end = asyncio.Event(), old.end

    async def slowly(*told: Any, **more: Any) -> Any:
        await may.wait()
        return await end(*told, **more)

    old.end = slowly  # type: ignore[method-assign]
    running = asyncio.create_task(room.lobbies.recycle("k"))
    await room.until(lambda: told(room, "lobby.recycled"))
    return old, may, running


async def test_delete_after_the_turn_takes_nothing_back(open_room: OpenRoom) -> None:
    room = await watched(open_room, MemoryEncoding(gpu=2))
    _, may, running = await _ends_slowly(room)
    deleting = asyncio.create_task(room.lobbies.delete("k"))
    await room.until(lambda: room.lobbies.get("k").state == "ENDING")
    may.set()
    assert (await deleting).state == "DESTROYED"
    assert (await running).made_before_break
    assert [data["how"] for data in told(room, "lobby.recycled")] == ["seamless"]
    assert room.lobbies.statistics().recycles_total == {("person", "seamless"): 1}


async def test_a_crash_after_the_turn_is_one(open_room: OpenRoom) -> None:
    room = await watched(open_room, MemoryEncoding(gpu=2))
    old, may, running = await _ends_slowly(room)
    (new,) = (worker for worker in alive(room) if worker is not old)
    new.die()
    await room.until(lambda: len(room.workers()) == 3)
    await room.state("k", "STREAMING")
    view = room.lobbies.get("k")
    assert (view.crashes, view.restarts, view.recycles) == (1, 1, 1)
    may.set()
    assert (await running).new_worker == new.id


async def test_a_lobby_that_starts_is_not_replaced(open_room: OpenRoom) -> None:
    room = await open_room(encoding=MemoryEncoding(gpu=1))
    await room.create(key="k")
    with pytest.raises(ConflictError):
        await room.lobbies.recycle("k")


async def test_a_change_that_no_encoder_takes_is_taken_back(open_room: OpenRoom) -> None:
    encoding = MemoryEncoding(gpu=2)
    room = await watched(open_room, encoding, renditions=[{"name": "main", "bitrate_kbps": 300}])
    (worker,) = alive(room)
    worker.script = _refuses_above(500)
    changed = LobbyChange(renditions=(Rendition("main", bitrate_kbps=400),))
    assert (await room.lobbies.change("k", changed)).done == ("main opened anew",)
    (stored,) = await room.store.lobbies()
    assert "400" in stored.request
    assert len(worker.told(AttachReader)) >= 2 and len(encoding.seats) == 1


def _refuses_above(kbps: int) -> Any:
    def script(worker: StandIn, message: Any) -> None:
        if isinstance(message, OpenRendition) and (message.rendition.bitrate_kbps or 0) > kbps:
            raise EncoderError(EncoderFault.OPEN, "too much")

    return script


class Storm(Weather):
    """The same, and workers are replaced and renditions changed meanwhile."""

    async def step(self) -> None:
        if self.dice.random() < 0.15:
            self.tasks.append(asyncio.create_task(self._recycle()))
        elif self.dice.random() < 0.1:
            self.tasks.append(asyncio.create_task(self._change(self.dice.randrange(100, 900))))
        await super().step()

    async def _recycle(self) -> None:
        await self.room.lobbies.recycle("k", RecycleCause.AGE)

    async def _change(self, kbps: int) -> None:
        change = LobbyChange(renditions=(Rendition("main", bitrate_kbps=kbps),))
        await self.room.lobbies.change("k", change)


@pytest.mark.parametrize("seed", range(16))
async def test_whatever_comes_every_seat_ends_once(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(swap, "TAKEN_S", 0.02)
    monkeypatch.setattr(crossing, "TAKEN_S", 0.02)
    encoding = MemoryEncoding(gpu=1, other=1)
    room = await open_room(
        encoding=encoding,
        workers={"restarts": 1000},
        egress={"workers": 2},
        renditions={"linger_s": LINGERS_S[seed % len(LINGERS_S)]},
    )
    lobby = await room.create(key="k")
    await room.state("k", "STREAMING")
    storm = Storm(Scene(room, lobby.id), seed)
    before = descriptors()
    for _ in range(150):
        await storm.step()
    for worker in room.supervisor.workers:
        worker.script = lambda worker, message: None
    results = await asyncio.gather(*storm.tasks, return_exceptions=True)
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, SteadycastError), repr(result)
    for egress in room.workers(WorkerKind.EGRESS):
        egress.holds_back = False
    for one in room.lobbies.list_viewers(limit=1000).items:
        with contextlib.suppress(NotFoundError):  # it left already
            await room.lobbies.end_viewer(one.id, "left")
    await room.until(lambda: not encoding.seats)
    feeds = next(room.lobbies._entries.lobbies()).feeds
    await room.until(lambda: not feeds._shelf._feeds and not feeds._carrier._tasks and not feeds._instances._tasks)
    await room.until(lambda: len(alive(room)) == 1)
    assert not feeds._instances._early and not feeds._coming
    for stand_in in room.supervisor.started:
        while stand_in.fds:
            os.close(stand_in.fds.pop())
    assert descriptors() <= before
