"""Tracks and outlets: whatever buses and viewers do, each viewer gets an unbroken stream that it can decode."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.core.budget import Budget
from steadycast.egress.core.frame import Frame
from steadycast.egress.core.intake import Intake
from steadycast.egress.core.outlet import SEGMENTS, Outlet, Sending
from steadycast.egress.core.timeline import WRAP_S, Timeline
from steadycast.egress.core.track import Track
from steadycast.model import TrackInfo
from tests.support.bus_packets import AUDIO, VIDEO, BusWriter

HISTORY_BYTES, GOP_BYTES = 4000, 6000
FRAME = 3000  # 30 fps at 90 kHz
BUDGET, STALLED_S = 10_000, 5.0


def track(info: TrackInfo = VIDEO, timeline: Timeline | None = None) -> Track:
    return Track("lobby/main", info, timeline or Timeline(1_700_000_000.0), HISTORY_BYTES, GOP_BYTES)


@dataclass
class Bus:
    """One lobby worker's bus: its own clock and numbers."""

    intake: Intake
    writer: BusWriter
    stamp: int  # running time in ticks, not wrapped


@dataclass
class Viewer:
    outlet: Outlet
    got: list[Sending] = field(default_factory=list)
    resume: bool = True  # the next frame must be a keyframe


class World:
    """A track, the buses it was given, and its viewers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.track = track()
        self.buses: list[Bus] = []
        self.viewers: list[Viewer] = []
        self.written: dict[bytes, tuple[bytes, ...]] = {}
        self.serial = 0
        self.epochs = 0
        self.next_index = 0

    def open(self, sequence: int, stamp: int) -> None:
        self.epochs += 1
        intake = self.track.open_bus(f"epoch {self.epochs}", VIDEO)
        self.buses.append(Bus(intake, BusWriter(sequence), stamp))

    def write(self, which: int, key: bool, lost: frozenset[int], step: float) -> None:
        self.now += step
        if not self.buses:
            return
        bus = self.buses[which % len(self.buses)]
        bus.stamp += max(FRAME, int(step * 90_000))
        self.serial += 1
        tag = self.serial.to_bytes(4, "big")
        data = bus.writer.picture(bus.stamp, key, tag=tag, lost=lost)
        for frame in self.track.feed(bus.intake, data, self.now):
            self.deliver(frame)

    def deliver(self, frame: Frame) -> None:
        assert len({payload[1:5] for payload in frame.payloads if payload[0] not in (0x67, 0x68)}) == 1
        assert len(frame.payloads) == (5 if frame.keyframe else 3), "only whole frames"
        assert frame.index == self.next_index, "packets of a track are numbered without a gap"
        self.next_index = frame.next_index
        for viewer in self.viewers:
            sending = viewer.outlet.offer(frame, 0, self.now)
            self.note(viewer, sending)

    def note(self, viewer: Viewer, sending: Sending | None) -> None:
        if sending is None:
            viewer.resume = True
            return
        assert sending.frame.keyframe or not viewer.resume, "begins at a keyframe"
        viewer.resume = False
        viewer.got.append(sending)

    def join(self) -> None:
        viewer = Viewer(Outlet(self.track, 96, Budget(BUDGET, STALLED_S)))
        for sending in viewer.outlet.start(self.now):
            self.note(viewer, sending)
        self.viewers.append(viewer)

    def stall(self, which: int) -> None:
        """A viewer that has too much unsent when the newest frame comes."""
        if self.viewers and self.track.latest is not None:
            viewer = self.viewers[which % len(self.viewers)]
            self.note(viewer, viewer.outlet.offer(self.track.latest, BUDGET + 1, self.now))

    def end(self, which: int) -> None:
        if self.buses:
            bus = self.buses.pop(which % len(self.buses))
            lost = self.track.end_bus(bus.intake)
            assert lost or self.buses

    def check(self) -> None:
        counters = self.track.counters()
        assert counters.history_bytes <= HISTORY_BYTES
        assert counters.gop_bytes <= GOP_BYTES
        for viewer in self.viewers:
            check_stream(viewer)


def check_stream(viewer: Viewer) -> None:
    expected, stamp = None, None
    for sending in viewer.got:
        assert expected is None or sending.sequence == expected, "no gap in sequence numbers"
        expected = sending.sequence + len(sending.frame.payloads)
        if stamp is not None:
            assert 0 < (sending.timestamp - stamp) & 0xFFFFFFFF < 2**31, "timestamps rise"
        stamp = sending.timestamp
    assert len(viewer.outlet._segments) <= SEGMENTS
    for sending in viewer.got[-2:]:  # these the history still has
        for place, payload in enumerate(sending.frame.payloads):
            again = viewer.outlet.resend((sending.sequence + place) & 0xFFFF)
            assert again is not None
            assert (again.sequence, again.timestamp) == (sending.sequence + place, sending.timestamp)
            assert again.payload == payload
            assert again.marker is (place == len(sending.frame.payloads) - 1)
    if viewer.got:
        assert viewer.outlet.packets == sum(len(sending.frame.payloads) for sending in viewer.got)
        assert viewer.outlet.resend(viewer.outlet.next_sequence) is None


lost_places = st.frozensets(st.integers(0, 4), max_size=2) | st.just(frozenset[int]())
steps = st.one_of(
    st.tuples(st.just("open"), st.integers(0, 65_535), st.integers(0, 2**33)),
    st.tuples(
        st.just("write"), st.integers(0, 3), st.booleans(), lost_places, st.sampled_from([0.0, 1 / 30, 0.5, 3.0])
    ),
    st.tuples(st.just("join")),
    st.tuples(st.just("stall"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 3)),
)


@given(st.lists(steps, max_size=60))
def test_any_interleaving_gives_unbroken_streams(script: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World()
    world.open(65_533, 2**32 - FRAME)
    for name, *arguments in script:
        getattr(world, name)(*arguments)
    world.check()


def test_a_gap_waits_for_a_keyframe_and_asks_for_one() -> None:
    world = World()
    world.open(0, 0)
    world.join()
    world.write(0, True, frozenset(), 0.03)
    assert world.track.keyframes.due_in(world.now) is None
    world.write(0, False, frozenset({1}), 0.03)
    world.write(0, False, frozenset(), 0.03)
    assert len(world.viewers[0].got) == 1
    assert world.track.keyframes.take(world.now)
    world.write(0, True, frozenset(), 0.03)
    world.write(0, False, frozenset(), 0.03)
    assert [sending.frame.keyframe for sending in world.viewers[0].got] == [True, True, False]
    counters = world.track.counters()
    assert (counters.gaps, counters.dropped) == (1, 2 + 3)
    world.check()


def test_a_gap_between_whole_pictures_is_a_gap() -> None:
    world = World()
    world.open(0, 0)
    world.join()
    world.write(0, True, frozenset(), 0.03)
    world.write(0, False, frozenset({0, 1, 2}), 0.03)
    world.write(0, False, frozenset(), 0.03)
    assert len(world.viewers[0].got) == 1


def test_a_bus_read_from_the_middle_of_a_picture_waits() -> None:
    world = World()
    world.open(0, 0)
    world.write(0, True, frozenset({0, 1}), 0.03)  # an IDR slice without its parameter sets
    assert world.track.latest is None
    world.write(0, True, frozenset(), 0.03)
    assert world.track.latest is not None


def test_units_whose_end_is_not_marked_end_with_the_next_timestamp() -> None:
    subject = track()
    intake, writer = subject.open_bus("a", VIDEO), BusWriter()
    data = writer.packet(0, b"\x67\1") + writer.packet(0, b"\x65\1") + writer.packet(3000, b"\x41\2")
    assert [len(frame.payloads) for frame in subject.feed(intake, data, 0.0)] == [2]
    assert [len(frame.payloads) for frame in subject.feed(intake, writer.packet(6000, b"\x41\3"), 0.0)] == [1]


def test_a_picture_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steadycast.egress.core.intake.UNIT_BYTES", 10_000)
    subject = track()
    intake, writer = subject.open_bus("a", VIDEO), BusWriter()
    subject.feed(intake, writer.packet(0, b"\x67\1"), 0.0)
    for _ in range(100):
        subject.feed(intake, writer.packet(0, b"\x65" + bytes(1000)), 0.0)
    assert intake._size <= 11_000
    assert intake.gaps == 1
    assert len(subject.feed(intake, writer.picture(3000, True), 0.0)) == 1


def test_the_old_bus_goes_on_until_the_new_one_has_a_keyframe() -> None:
    world = World()
    world.open(0, 90_000_000)
    world.join()
    world.write(0, True, frozenset(), 0.03)
    world.open(500, 0)
    world.write(1, False, frozenset(), 0.0)
    world.write(0, False, frozenset(), 0.03)
    assert len(world.viewers[0].got) == 2
    assert world.track.keyframes.take(world.now), "a keyframe of the new bus is asked for"
    world.write(1, True, frozenset(), 0.03)
    assert world.buses[0].intake.ended
    world.write(0, False, frozenset(), 0.03)
    world.write(1, False, frozenset(), 0.03)
    got = world.viewers[0].got
    assert len(got) == 4
    moments = [(sending.timestamp - got[0].timestamp & 0xFFFFFFFF) / 90_000 for sending in got]
    assert moments == pytest.approx([0, 0.0333, 0.0667, 0.1], abs=0.001)
    assert world.track.counters().switches == 1
    world.check()


def test_after_a_pause_the_timestamps_have_gone_on() -> None:
    world = World()
    world.open(0, 0)
    world.write(0, True, frozenset(), 0.0)
    first = world.track.latest
    assert world.track.end_bus(world.buses.pop().intake)
    world.open(0, 0)
    world.write(0, True, frozenset(), 7.0)
    second = world.track.latest
    assert first is not None
    assert second is not None
    assert second.timestamp - first.timestamp == 7 * 90_000
    assert second.wall - first.wall == pytest.approx(7.0)
    assert second.index == first.next_index


def test_another_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="opus"):
        track().open_bus("a", AUDIO)


class Lobby:
    """Sound and picture of one lobby, written at the same moments of a worker's clock."""

    def __init__(self) -> None:
        timeline = Timeline(0.0)
        self.video, self.audio = track(VIDEO, timeline), track(AUDIO, timeline)

    def open(self, epoch: str) -> None:
        self.intakes = self.video.open_bus(epoch, VIDEO), self.audio.open_bus(epoch, AUDIO)
        self.writers = BusWriter(), BusWriter()

    def show(self, running: float, now: float) -> None:
        stamp = round(running * 90_000)
        self.video.feed(self.intakes[0], self.writers[0].picture(stamp, True), now)

    def sound(self, running: float, now: float) -> None:
        self.audio.feed(self.intakes[1], self.writers[1].sound(round(running * 48_000)), now)

    def skew(self) -> float:
        """How far sound and picture of one moment are apart in sender reports, in seconds."""
        video, audio = self.video.latest, self.audio.latest
        assert video is not None
        assert audio is not None
        return video.wall - audio.wall

    def drift(self) -> float:
        """The same by timestamps."""
        video, audio = self.video.latest, self.audio.latest
        assert video is not None
        assert audio is not None
        return video.timestamp / 90_000 - audio.timestamp / 48_000


@given(
    st.lists(st.tuples(st.floats(0, 200_000), st.floats(0, 0.2), st.booleans()), min_size=1, max_size=6),
    st.floats(0.1, 5),
)
def test_sound_and_picture_stay_in_step_over_workers(workers: list[tuple[float, float, bool]], pause: float) -> None:
    lobby, now = Lobby(), 1000.0
    for number, (running, late, sound_first) in enumerate(workers):
        lobby.open(f"epoch {number}")
        now += pause
        if sound_first:
            lobby.sound(running, now)
            lobby.show(running, now + late)
        else:
            lobby.show(running, now)
            lobby.sound(running, now + late)
        now += late
        # The first worker may have been running for longer than timestamps last; from then on it is exact.
        assert abs(lobby.skew()) < 1e-4
        for _ in range(3):
            now += 0.04
            running += 0.04
            lobby.show(running, now)
            lobby.sound(running, now)
            assert abs(lobby.skew()) < 1e-4
            assert abs(lobby.drift()) < 1e-3


def test_a_picture_that_would_go_back_goes_on_by_a_frame() -> None:
    lobby = Lobby()
    lobby.open("a")
    lobby.show(10.0, 0.0)
    lobby.sound(10.0, 0.0)
    old, writer = lobby.intakes[0], lobby.writers[0]
    lobby.open("b")
    lobby.sound(5.0, 1.0)  # decides where the new worker's clock is; its picture has a long way to here
    lobby.video.feed(old, writer.picture(round(11.2 * 90_000), False), 1.2)
    before = lobby.video.latest
    lobby.show(5.0, 1.3)
    after = lobby.video.latest
    assert before is not None
    assert after is not None
    assert 0 < after.timestamp - before.timestamp <= 90_000
    assert after.wall == pytest.approx(before.wall - 0.2), "sound and picture stay in step"
    lobby.show(5.1, 1.4)
    assert lobby.video.latest is not None
    assert lobby.video.latest.timestamp - after.timestamp == 9000


def test_a_bus_opened_again_after_days_finds_its_place() -> None:
    lobby = Lobby()
    lobby.open("a")
    lobby.show(10.0, 0.0)
    lobby.sound(10.0, 0.0)
    day = 86_400.0
    for number in range(1, 20):
        running = 10.0 + number * day / 4
        lobby.show(running, running - 10.0)
        if number % 4 == 0:  # the sound's bus was lost, and comes back
            lobby.audio.end_bus(lobby.intakes[1])
            lobby.intakes = lobby.intakes[0], lobby.audio.open_bus("a", AUDIO)
            lobby.sound(running, running - 10.0)
            assert abs(lobby.skew()) < 1e-3
    assert pytest.approx(8) == 2**32 / 90_000 / WRAP_S
