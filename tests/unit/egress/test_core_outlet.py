"""An outlet's numbers: replays, skips, resends, budgets, reports, and the numbering that viewers share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.core import rtp
from steadycast.egress.core.budget import Budget
from steadycast.egress.core.frame import Frame
from steadycast.egress.core.outlet import Outlet, OutletState, compress
from steadycast.egress.core.timeline import Timeline
from steadycast.egress.core.track import Track
from tests.support.bus_packets import AUDIO, VIDEO, BusWriter


class Source:
    """A track with one bus that delivers a picture every 40 ms."""

    def __init__(self, history_bytes: int = 1_000_000, gop_bytes: int = 1_000_000) -> None:
        self.track = Track("lobby/main", VIDEO, Timeline(1_000_000.0), history_bytes, gop_bytes)
        self._intake = self.track.open_bus("a", VIDEO)
        self._writer = BusWriter()
        self.count = 0
        self.now = 0.0

    def frame(self, key: bool = False, size: int = 10) -> Frame:
        self.now = self.count * 0.04
        data = self._writer.picture(self.count * 3600, key, tag=bytes(size))
        self.count += 1
        [frame] = self.track.feed(self._intake, data, self.now)
        return frame


def outlet(track: Track, limit: int = 10_000, stalled_s: float = 5.0) -> Outlet:
    return Outlet(track, 96, Budget(limit, stalled_s))


def test_a_new_viewer_gets_the_group_of_pictures_ending_now() -> None:
    source = Source()
    source.frame(True)
    frames = [source.frame(True), source.frame(), source.frame()]
    viewer = outlet(source.track)
    replay = viewer.start(source.now)
    assert [sending.frame for sending in replay] == frames
    live = viewer.offer(source.frame(), 0, source.now)
    assert live is not None
    stamps = [sending.timestamp - live.timestamp & 0xFFFFFFFF for sending in [*replay, live]]
    assert stamps == [2**32 - 3600 - 180, 2**32 - 3600 - 90, 2**32 - 3600, 0]
    assert live.sequence == replay[0].sequence + 5 + 3 + 3
    for sending in replay:
        again = viewer.resend(sending.sequence & 0xFFFF)
        assert again is not None
        assert (again.timestamp, again.payload) == (sending.timestamp, sending.frame.payloads[0])


def test_without_a_group_of_pictures_a_viewer_waits_and_asks() -> None:
    source = Source(gop_bytes=300)
    source.frame(True)
    source.frame(size=300)
    viewer = outlet(source.track)
    assert viewer.start(source.now) == []
    assert source.track.keyframes.take(source.now)
    assert viewer.offer(source.frame(), 0, source.now) is None
    assert viewer.offer(source.frame(True), 0, source.now) is not None


def test_a_group_of_pictures_that_is_too_much_for_the_viewer_is_not_replayed() -> None:
    source = Source()
    source.frame(True, size=1000)
    assert outlet(source.track).start(source.now, limit=500) == []
    assert outlet(source.track).start(source.now, limit=5000) != []
    assert outlet(source.track, limit=500).start(source.now) == [], "nor one that is more than its budget"


def test_sound_begins_with_the_next_packet() -> None:
    track = Track("lobby/audio", AUDIO, Timeline(0.0), 10_000, 10_000)
    intake, writer = track.open_bus("a", AUDIO), BusWriter()
    track.feed(intake, writer.sound(0), 0.0)
    viewer = outlet(track)
    assert viewer.start(0.0) == []
    [frame] = track.feed(intake, writer.sound(960), 0.02)
    sending = viewer.offer(frame, 0, 0.02)
    assert sending is not None
    assert track.keyframes.due_in(0.02) is None
    [header] = viewer.headers(sending)
    read = rtp.parse(header)
    assert read is not None
    assert read.marker is False


def test_over_its_budget_a_viewer_waits_for_a_keyframe_then_goes() -> None:
    source = Source()
    viewer = outlet(source.track)
    assert viewer.offer(source.frame(True), 0, 0.0) is not None
    assert viewer.offer(source.frame(), 10_001, 1.0) is None
    assert viewer.state is OutletState.WAITING
    assert viewer.offer(source.frame(True), 10_001, 2.0) is None, "a keyframe does not help while it is full"
    assert viewer.offer(source.frame(), 10_000, 3.0) is None
    assert source.track.keyframes.take(3.0)
    assert viewer.offer(source.frame(True), 10_000, 3.1) is not None
    for second in range(4, 9):
        assert viewer.offer(source.frame(), 10_001, float(second)) is None
    assert viewer.offer(source.frame(), 10_001, 8.9) is None
    assert not viewer.stalled
    assert viewer.offer(source.frame(), 10_001, 9.0) is None
    assert viewer.stalled


def test_a_paused_viewer_gets_nothing_and_goes_on_without_a_gap() -> None:
    source = Source()
    viewer = outlet(source.track)
    first = viewer.offer(source.frame(True), 0, 0.0)
    viewer.pause()
    assert viewer.offer(source.frame(True), 0, 0.0) is None
    assert viewer.resend(viewer.next_sequence) is None, "it was never sent"
    replay = viewer.start(0.0)
    assert first is not None
    assert replay[0].sequence == first.sequence + 5


def test_resends_reach_as_far_as_the_history() -> None:
    source = Source(history_bytes=20_000)
    viewer = outlet(source.track)
    sent = {}
    for number in range(200):
        sending = viewer.offer(source.frame(number % 10 == 0), 0, 0.0)
        assert sending is not None
        for place, payload in enumerate(sending.frame.payloads):
            sent[(sending.sequence + place) & 0xFFFF] = (sending.timestamp, payload)
    found = {number: again for number in sent if (again := viewer.resend(number)) is not None}
    assert 20 < len(found) < 200
    assert all((again.timestamp, again.payload) == sent[number] for number, again in found.items())
    assert set(found) == set(list(sent)[-len(found) :]), "the newest"
    assert viewer.resend((viewer.next_sequence + 1000) & 0xFFFF) is None


def test_a_resend_after_a_skip_has_the_right_packet() -> None:
    source = Source()
    viewer = outlet(source.track)
    before = viewer.offer(source.frame(True), 0, 0.0)
    viewer.offer(source.frame(), 20_000, 0.0)
    after = viewer.offer(source.frame(True), 0, 0.0)
    assert before is not None
    assert after is not None
    last_before = viewer.resend((after.sequence - 1) & 0xFFFF)
    first_after = viewer.resend(after.sequence & 0xFFFF)
    assert last_before is not None
    assert first_after is not None
    assert last_before.payload is before.frame.payloads[-1]
    assert first_after.payload is after.frame.payloads[0]
    assert first_after.timestamp == after.timestamp


def test_sender_report_says_one_moment_in_both_clocks() -> None:
    source = Source()
    viewer = outlet(source.track)
    assert viewer.report(0.0) is None
    sending = viewer.offer(source.frame(True), 0, 0.0)
    assert sending is not None
    report = viewer.report(2.0)
    assert report is not None
    assert report.wall == pytest.approx(sending.frame.wall + 2)
    assert (report.timestamp - sending.timestamp) & 0xFFFFFFFF == 180_000
    assert (report.packets, report.octets, report.ssrc) == (5, sending.frame.size, viewer.ssrc)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30, unique=True))
def test_compressed_timestamps_keep_their_order_and_end_at_the_newest(stamps: list[int]) -> None:
    frames = [Frame(0, stamp, (b"x",), False, True, 0.0) for stamp in stamps]
    short = compress(frames, 90)
    assert max(short) == max(stamps)
    assert [sorted(stamps).index(stamp) for stamp in stamps] == [sorted(short).index(stamp) for stamp in short]
    assert all(new >= old for new, old in zip(short, stamps, strict=True))
    assert max(short) - min(short) <= 90 * (len(stamps) - 1)


def test_shared_packets_are_built_once_and_numbered_like_the_track() -> None:
    source = Source()
    shared = source.track.shared
    first, second = source.frame(True), source.frame()
    packets = shared.packets(first)
    assert shared.packets(first) is packets
    later = shared.packets(second)
    read = [rtp.parse(packet) for packet in packets + later]
    assert [p.payload for p in read if p] == [*first.payloads, *second.payloads]
    assert [p.marker for p in read if p] == [False] * 4 + [True] + [False] * 2 + [True]
    numbers = [p.sequence for p in read if p]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(8))
    assert numbers[0] == shared.sequence(first)
    assert {p.timestamp for p in read[5:] if p} == {shared.timestamp(second)}
    report = shared.report(second, (8, 100), second.arrived + 1, 90_000)
    assert (report.timestamp - shared.timestamp(second)) & 0xFFFFFFFF == 90_000
