"""What a viewer's feedback tells of the way to it: narrow, wide again, uneven, lossy, and told in bad faith."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.core.arrivals import MOST_PACKETS, Arrivals, read_arrivals
from steadycast.egress.core.link import CEILING_BPS, FLOOR_BPS, Link
from tests.support.narrow_link import NarrowLink, feedback


def test_feedback_is_read_as_it_was_written() -> None:
    times: list[float | None] = [10.0, None, 10.01, 10.3, 10.25, None, None, 10.26, 10.5]
    read = read_arrivals(feedback(65_534, times, 156))
    assert read is not None and read.first == 65_534
    assert [one is None for one in read.times] == [one is None for one in times]
    pairs = zip(read.times, times, strict=True)
    assert all(a is None or abs(a - (b or 0)) < 0.0002 for a, b in pairs)


def test_runs_and_single_bits_are_read() -> None:
    head = struct.pack(">IIHHI", 1, 2, 5, 20, 100 << 8)
    run = struct.pack(">H", 0x2000 | 6)  # six small deltas
    bits = struct.pack(">H", 0x8000 | 0b10000000000001)  # the first and the last of fourteen
    read = read_arrivals(head + run + bits + bytes([4] * 8))
    assert read is not None
    assert [place for place, one in enumerate(read.times) if one is not None] == [0, 1, 2, 3, 4, 5, 6, 19]
    assert read.times[0] == pytest.approx(6.401)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    read = read_arrivals(body)
    if read is not None:
        assert 0 < len(read.times) <= MOST_PACKETS
        Link().arrived(read, 1.0)


def test_a_count_that_nothing_bears_out_is_refused() -> None:
    for count, chunks in ((65_535, b"\x3f\xff" * 9), (MOST_PACKETS + 1, b"\x1f\xff"), (8, b""), (3, b"\x00\x00" * 9)):
        assert read_arrivals(struct.pack(">IIHHI", 1, 2, 5, count, 0) + chunks) is None
    whole = feedback(1, [1.0, 1.1, 1.2], 15)
    assert all(read_arrivals(whole[:size]) is None for size in range(len(whole)))


def test_a_wide_way_limits_nothing() -> None:
    way = NarrowLink(20_000_000)
    way.run(30)
    assert way.link.estimate_bps is None and way.link.loss == 0.0 and way.link.fresh(way.now)


def test_a_way_that_is_narrow_from_the_start_is_found() -> None:
    way = NarrowLink(800_000, queue_s=2.0)
    way.run(6)
    settled = way.rates[-60:]
    assert all(350_000 < rate < 850_000 for rate in settled), settled
    way.run(30)
    late = way.rates[-600:]
    assert 500_000 < sum(late) / len(late) < 820_000


def test_it_follows_down_and_up_again() -> None:
    way = NarrowLink(5_000_000)
    way.run(5)
    way.bps = 700_000
    way.run(4)
    assert way.rate < 700_000
    way.bps = 5_000_000
    way.run(40)
    assert way.rate == way.most, "it does not recover"


def test_jitter_is_no_congestion() -> None:
    way = NarrowLink(20_000_000, jitter_s=0.03)
    way.run(60)
    assert min(way.rates) > 0.7 * way.most


def test_losses_without_a_queue_lower_it_and_few_do_not() -> None:
    few = NarrowLink(20_000_000, loss=0.01)
    few.run(20)
    assert few.rate == few.most and few.link.loss is not None and 0 < few.link.loss < 0.05
    many = NarrowLink(20_000_000, loss=0.3)
    many.run(20)
    assert many.rate < 0.5 * many.most


def test_reports_alone_tell_of_losses_and_the_round_trip() -> None:
    link, now = Link(), 50.0
    for second in range(10):
        for frame in range(30):
            link.sent(frame * 5 + second * 150, 5, 6000, now + frame / 30)
        now += 1
        link.report_sent(77 + second, now - 0.5)
        link.reported(0.2 if second < 5 else 0.0, 77 + second, round(0.4 * 65536), now)
        if second == 4:
            lowest = link.estimate_bps
    assert lowest is not None and lowest < 1_300_000
    assert link.estimate_bps is not None and link.estimate_bps > lowest * 1.2
    assert link.rtt_s == pytest.approx(0.1, abs=0.001)


def test_a_bound_of_the_viewer_counts() -> None:
    link = Link()
    link.bounded(300_000, 1.0)
    assert link.estimate_bps == 300_000
    link.bounded(1e30, 2.0)
    assert link.estimate_bps == CEILING_BPS
    link.bounded(-5, 3.0)
    assert link.estimate_bps == FLOOR_BPS
    assert link.fresh(7.0) and not link.fresh(9.0)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_that_is_told_leads_out_of_the_bounds(seed: int) -> None:
    dice, link, now, number = random.Random(seed), Link(), 0.0, 0
    for _ in range(2000):
        now += dice.choice((0, 0.001, 0.03, 1.0))
        act = dice.randrange(6)
        if act < 2:
            count = dice.randrange(1, 400)
            link.sent(number, count, dice.randrange(1, 10**6), now)
            number = 0 if dice.random() < 0.002 else number + count
        elif act < 4:
            size = dice.randrange(1, 300)
            clock = dice.choice((0.0, now, 1e6, -1e6))
            times = tuple(None if dice.random() < 0.3 else clock + dice.uniform(-9, 9) for _ in range(size))
            link.arrived(Arrivals(dice.choice((dice.randrange(1 << 16), number & 0xFFFF)), times), now)
        elif act == 4:
            link.reported(dice.choice((-1.0, 0.0, 0.5, 1.0, 7.0)), dice.getrandbits(32), dice.getrandbits(32), now)
        else:
            link.report_sent(dice.getrandbits(32), now)
        estimate = link.estimate_bps
        assert estimate is None or FLOOR_BPS <= estimate <= CEILING_BPS
        assert link.rtt_s is None or 0 <= link.rtt_s <= 10
    assert len(link._sent) <= 512 and len(link._came) <= 256
