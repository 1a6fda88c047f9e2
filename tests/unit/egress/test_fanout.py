"""The fan-out on real sockets: switches, ends, failing subscribers, fairness, what stays open."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from steadycast.egress.core.frame import Frame
from steadycast.egress.core.track import Track
from steadycast.egress.fanout import Fanout
from steadycast.errors import ConflictError, NotFoundError
from tests.support.bus_packets import AUDIO, VIDEO, BusWriter

DEADLINE_S = 30.0
KEY = "lobby/main"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.005)


class Watcher:
    """A subscriber that keeps what it gets; `act` is done at each frame."""

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.frames: list[Frame] = []
        self.closed: list[str] = []
        self._act = act

    def deliver(self, track: Track, frame: Frame, now: float) -> None:
        self.frames.append(frame)
        self._act()

    def track_closed(self, track: Track, reason: str) -> None:
        self.closed.append(reason)


class House:
    """A fan-out and what it said."""

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self.lost: list[str] = []
        self.taken: list[str] = []
        self.fanout = Fanout(
            1_000_000, 1_000_000, self.wanted.append, self.lost.append, lambda key, bus: self.taken.append(bus)
        )

    def open(self, epoch: str, key: str = KEY, bus: str = "") -> tuple[socket.socket, BusWriter]:
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_S)
        self.fanout.open_bus(key, epoch, VIDEO, theirs, bus)
        return ours, BusWriter()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    yield made
    made.fanout.close()
    assert made.fanout.statistics().buses == 0


async def test_frames_reach_all_subscribers_and_a_switch_closes_the_old_bus(house: House) -> None:
    old, writer = house.open("a")
    one, two = Watcher(), Watcher()
    house.fanout.subscribe(KEY, one)
    old.sendall(writer.picture(0, True))
    await until(lambda: len(one.frames) == 1)
    house.fanout.subscribe(KEY, two)
    new, other = house.open("b")
    new.sendall(other.picture(0, True))
    await until(lambda: len(two.frames) == 1)
    assert old.recv(1) == b"", "the old bus is closed"
    assert [frame.index for frame in one.frames] == [0, 5]
    statistics = house.fanout.statistics()
    assert (statistics.buses, statistics.subscribers) == (1, 2)
    assert statistics.tracks[0].counters.switches == 1
    assert house.lost == []
    new.close()
    old.close()
    await until(lambda: house.lost == [KEY])
    assert one.closed == []


async def test_a_lost_bus_is_told_only_when_none_is_left(house: House) -> None:
    old, writer = house.open("a")
    old.sendall(writer.picture(0, True))
    watcher = Watcher()
    house.fanout.subscribe(KEY, watcher)
    new, other = house.open("b")
    old.close()
    new.sendall(other.picture(0, False))
    await until(lambda: house.fanout.statistics().buses == 1)
    assert house.lost == []
    new.sendall(other.picture(3000, True))
    await until(lambda: bool(watcher.frames) and watcher.frames[-1].keyframe)
    new.close()
    await until(lambda: house.lost == [KEY])


async def test_a_subscriber_that_raises_is_cut_off_and_hurts_nobody(house: House) -> None:
    def fail() -> None:
        raise RuntimeError("broken viewer")

    bus, writer = house.open("a")
    broken, whole = Watcher(fail), Watcher()
    house.fanout.subscribe(KEY, broken)
    house.fanout.subscribe(KEY, whole)
    for number in range(5):
        bus.sendall(writer.picture(number * 3000, True))
    await until(lambda: len(whole.frames) == 5)
    assert len(broken.frames) == 1
    assert broken.closed == ["an internal error"]
    assert house.fanout.statistics().failures == 1
    bus.close()


async def test_subscribers_may_leave_while_they_are_served(house: House) -> None:
    bus, writer = house.open("a")
    second = Watcher()
    first = Watcher(lambda: house.fanout.unsubscribe(KEY, second))
    house.fanout.subscribe(KEY, first)
    house.fanout.subscribe(KEY, second)
    bus.sendall(writer.picture(0, True) + writer.picture(3000, False))
    await until(lambda: len(first.frames) == 2)
    assert second.frames == []
    bus.close()


async def test_a_subscriber_that_comes_in_between_gets_nothing_twice(house: House) -> None:
    late = Watcher()
    replayed: list[Frame] = []

    def join() -> None:
        if not replayed:
            replayed.extend(house.fanout.subscribe(KEY, late).gop(1_000_000))

    bus, writer = house.open("a")
    early = Watcher(join)
    house.fanout.subscribe(KEY, early)
    bus.sendall(b"".join(writer.picture(number * 3000, number == 0) for number in range(5)))
    await until(lambda: len(early.frames) == 5)
    bus.sendall(writer.picture(15_000, False))
    await until(lambda: len(late.frames) > 0)
    assert [frame.index for frame in replayed + late.frames] == [frame.index for frame in early.frames]
    bus.close()


async def test_a_track_may_be_closed_while_it_is_served(house: House) -> None:
    bus, writer = house.open("a")
    watcher = Watcher(lambda: house.fanout.close_track(KEY, "over"))
    house.fanout.subscribe(KEY, watcher)
    bus.sendall(b"".join(writer.picture(number * 3000, True) for number in range(20)))
    await until(lambda: watcher.closed == ["over"])
    await asyncio.sleep(0)
    assert len(watcher.frames) == 1
    assert bus.recv(1) == b""
    with pytest.raises(NotFoundError):
        house.fanout.subscribe(KEY, watcher)
    house.fanout.close_track(KEY)
    house.fanout.unsubscribe(KEY, watcher)
    bus.close()


async def test_one_track_does_not_keep_the_loop_from_the_others(house: House) -> None:
    busy, writer = house.open("a")
    quiet, other = house.open("b", "lobby/other")
    loop = asyncio.get_running_loop()

    def work() -> None:
        until_time = loop.time() + 0.004
        while loop.time() < until_time:
            pass

    slow, quick = Watcher(work), Watcher()
    house.fanout.subscribe(KEY, slow)
    house.fanout.subscribe("lobby/other", quick)
    busy.sendall(b"".join(writer.picture(number * 3000, number == 0) for number in range(200)))
    await until(lambda: bool(slow.frames))
    quiet.sendall(other.picture(0, True))
    await until(lambda: bool(quick.frames))
    assert len(slow.frames) < 150, "the other track had its turn long before"
    await until(lambda: len(slow.frames) == 200)
    busy.close()
    quiet.close()


async def test_keyframes_wanted_are_coalesced_and_none_is_lost(house: House) -> None:
    bus, writer = house.open("a")
    for _ in range(10):
        house.fanout.want_keyframe(KEY)
    assert house.wanted == [KEY]
    await until(lambda: house.wanted == [KEY, KEY])
    bus.sendall(writer.picture(0, False))  # the bus waits for a keyframe
    await until(lambda: len(house.wanted) == 3)
    house.fanout.want_keyframe("lobby/unknown")
    bus.close()


async def test_a_wish_that_nobody_heard_is_said_again_while_somebody_waits(house: House) -> None:
    """There may be no control plane for a while."""
    bus, writer = house.open("a")
    async with asyncio.timeout(DEADLINE_S):
        stamp = 0
        while len(house.wanted) < 3:
            bus.sendall(writer.picture(stamp, False))
            stamp += 3000
            await asyncio.sleep(0.02)
    assert set(house.wanted) == {KEY}
    bus.close()


async def test_another_codec_is_refused_and_the_socket_closed(house: House) -> None:
    bus, _ = house.open("a")
    ours, theirs = socket.socketpair()
    with pytest.raises(ConflictError):
        house.fanout.open_bus(KEY, "b", AUDIO, theirs)
    assert ours.recv(1) == b""
    assert house.fanout.statistics().buses == 1
    ours.close()
    bus.close()


async def test_nothing_stays_open_after_many_tracks(house: House) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def rounds(count: int) -> None:
        for number in range(count):
            buses = []
            for part in "abc":
                bus, writer = house.open(f"epoch {number}{part}")
                bus.sendall(writer.picture(0, part != "b"))
                buses.append(bus)
            watcher = Watcher()
            house.fanout.subscribe(KEY, watcher)
            await asyncio.sleep(0)
            buses[number % 3].close()
            house.fanout.close_track(KEY)
            assert watcher.closed
            for bus in buses:
                bus.close()

    await rounds(5)
    before = open_files()
    await rounds(200)
    assert open_files() == before


async def test_a_bus_is_said_to_be_taken_once_at_its_keyframe(house: House) -> None:
    old, writer = house.open("a", bus="one")
    watcher = Watcher()
    house.fanout.subscribe(KEY, watcher)
    old.sendall(writer.picture(0, True) + writer.picture(3000, False))
    await until(lambda: len(watcher.frames) == 2)
    new, other = house.open("a", bus="two")
    new.sendall(other.picture(3000, False))
    old.sendall(writer.picture(6000, False))
    await until(lambda: len(watcher.frames) == 3)
    assert house.taken == ["one"]
    new.sendall(other.picture(9000, True) + other.picture(12000, False))
    await until(lambda: len(watcher.frames) == 5)
    assert house.taken == ["one", "two"] and old.recv(1) == b"" and not house.lost
    assert [frame.timestamp for frame in watcher.frames] == [0, 3000, 6000, 9000, 12000]
