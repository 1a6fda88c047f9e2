"""RTCP: what is written reads back, what comes is understood, garbage harms nothing."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.core import rtcp
from steadycast.egress.core.keyframes import KeyframeLimit
from steadycast.egress.core.outlet import SenderInfo


def packets(data: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    while data:
        first, kind, words = struct.unpack_from(">BBH", data)
        assert first & 0xC0 == 0x80
        found.append((first & 31, kind, data[4 : 4 + 4 * words]))
        assert len(found[-1][2]) == 4 * words
        data = data[4 + 4 * words :]
    return found


def made(count: int, kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body


@given(st.text(max_size=300))
def test_sender_report_and_name(cname: str) -> None:
    info = SenderInfo(ssrc=7, wall=1_700_000_000.5, timestamp=90_000, packets=2**32 + 3, octets=1000)
    (count, kind, report), (sources, sdes, names) = packets(rtcp.compound(info, cname))
    assert (count, kind, sources, sdes) == (0, 200, 1, 202)
    ssrc, seconds, fraction, stamp, sent, octets = struct.unpack(">IIIIII", report)
    assert (ssrc, stamp, sent, octets) == (7, 90_000, 3, 1000)
    assert (seconds, fraction) == (1_700_000_000 + 2_208_988_800, 2**31)
    assert names[:5] == b"\0\0\0\7\1"
    assert names[6 : 6 + names[5]] == cname.encode()[:255]
    assert names[6 + names[5]] == 0


def test_bye_is_read_back() -> None:
    data = rtcp.bye([5, 6], "name")
    assert [kind for _, kind, _ in packets(data)] == [201, 202, 203]
    assert rtcp.parse(data) == [rtcp.Bye((5, 6))]


def test_report_of_a_receiver() -> None:
    block = struct.pack(">IIIIII", 9, 64 << 24 | 0xFFFFFE, 70_000, 12, 0xAABBCCDD, 65_536)
    assert rtcp.parse(made(1, 201, struct.pack(">I", 3) + block)) == [
        rtcp.ReceiverReport(3, 9, 0.25, -2, 70_000, 12, 0xAABBCCDD, 65_536)
    ]


def test_nack_is_expanded_over_the_wrap() -> None:
    body = struct.pack(">IIHHHH", 1, 2, 65_535, 0b101, 100, 0)
    assert rtcp.parse(made(1, 205, body)) == [rtcp.Nack(2, (65_535, 0, 2, 100))]


def test_keyframe_requests() -> None:
    fir = struct.pack(">IIIIII", 1, 0, 8, 1 << 24, 9, 2 << 24)
    data = made(1, 206, struct.pack(">II", 1, 7)) + made(4, 206, fir) + made(15, 206, b"REMB" * 3)
    assert rtcp.parse(data) == [rtcp.KeyframeRequest(7), rtcp.KeyframeRequest(8), rtcp.KeyframeRequest(9)]


def test_one_compound_cannot_ask_for_too_much() -> None:
    nack = made(1, 205, struct.pack(">II", 1, 2) + struct.pack(">HH", 0, 0xFFFF) * 16_000)
    said = rtcp.parse(nack + nack)
    assert sum(len(nack.lost) for nack in said if isinstance(nack, rtcp.Nack)) == 1024
    assert len(rtcp.parse(made(31, 203, bytes(124)) * 1000)) == 64


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(192, 210), st.binary(max_size=60)), max_size=5), st.binary())
def test_garbage_harms_nothing(parts: list[tuple[int, int, bytes]], tail: bytes) -> None:
    rtcp.parse(b"".join(made(count, kind, body) for count, kind, body in parts) + tail)
    for count, kind, body in parts:
        rtcp.parse(made(count, kind, body)[:-1])


@given(st.lists(st.tuples(st.floats(0, 0.3), st.booleans()), max_size=60))
def test_keyframes_are_asked_for_twice_a_second_at_most_and_no_wish_is_lost(steps: list[tuple[float, bool]]) -> None:
    limit, now, taken, wanted = KeyframeLimit(0.5), 0.0, [], False
    for step, wants in steps:
        now += step
        if wants:
            limit.want(now)
            wanted = True
        wait = limit.due_in(now)
        assert (wait is not None) == wanted
        if limit.take(now):
            taken.append(now)
            wanted = False
        elif wanted:
            assert wait is not None
            assert 0 < wait <= 0.5 + 1e-9
    assert all(later - earlier >= 0.5 - 1e-9 for earlier, later in pairwise(taken))
    if wanted:
        assert limit.take(now + 0.5 + 1e-6)


def test_a_keyframe_answers_who_waited() -> None:
    limit = KeyframeLimit()
    limit.want(0.0)
    limit.arrived()
    assert limit.due_in(0.0) is None
