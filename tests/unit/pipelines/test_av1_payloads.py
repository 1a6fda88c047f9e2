"""AV1 in RTP: whatever is cut can be put together again, within the size, and starts are marked."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.pipelines.obu import Av1Error, parameters, payloads, units
from tests.support.av1 import leb128, put_together

KINDS = st.sampled_from([1, 3, 4, 5, 6])  # sequence header, frame header, tile group, metadata, frame
BODIES = st.integers(0, 3000).map(lambda size: bytes(index * 7 & 0xFF for index in range(size)))


def unit(kind: int, body: bytes, extension: bool = False, sized: bool = True) -> bytes:
    head = bytes([kind << 3 | (4 if extension else 0) | (2 if sized else 0)]) + (b"\x20" if extension else b"")
    return head + (leb128(len(body)) if sized else b"") + body


@given(st.lists(st.tuples(KINDS, BODIES, st.booleans()), min_size=1, max_size=6), st.integers(52, 1400), st.booleans())
def test_what_is_cut_can_be_put_together(parts: list[tuple[int, bytes, bool]], room: int, keyframe: bool) -> None:
    data = unit(2, b"") + b"".join(unit(*part) for part in parts)
    packets = payloads(data, room, keyframe)
    assert all(len(packet) <= room for packet in packets)
    assert put_together(packets) == [unit(kind, body, extension, sized=False) for kind, body, extension in parts]
    continued = [bool(packet[0] & 0x80) for packet in packets]
    goes_on = [bool(packet[0] & 0x40) for packet in packets]
    assert continued == [False, *goes_on[:-1]] and not goes_on[-1]
    starts = [bool(packet[0] & 0x08) for packet in packets]
    assert starts == [keyframe and any(kind == 1 for kind, _, _ in parts), *[False] * (len(packets) - 1)]


def test_delimiters_and_padding_are_not_sent() -> None:
    assert payloads(unit(2, b"") + unit(15, bytes(500)), 1188, True) == []
    assert [kind for kind, _ in units(unit(2, b"") + unit(6, b"x") + unit(15, b""))] == [6]


def test_the_last_unit_may_have_no_size() -> None:
    assert list(units(unit(2, b"") + unit(6, b"frame", sized=False))) == [(6, unit(6, b"frame", sized=False))]


@pytest.mark.parametrize("data", [b"\x32", b"\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x32\x05ab", b"\x36"])
def test_what_cannot_be_read_is_said(data: bytes) -> None:
    with pytest.raises(Av1Error):
        payloads(data, 1188, True)


@given(st.binary(max_size=40))
def test_garbage_is_cut_or_refused(data: bytes) -> None:
    with contextlib.suppress(Av1Error):
        assert all(len(packet) <= 1188 for packet in payloads(data, 1188, False))


# Of av1enc: 640x360, level 2.1, main tier.
SEQUENCE = bytes.fromhex("080000000cc4ff67e06d7c8020")


def sequence(*fields: tuple[int, int]) -> bytes:
    """A unit of type 1 that begins with these (value, bits)."""
    text = "".join(f"{value:0{size}b}" for value, size in fields)
    body = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    return unit(1, body)


def test_a_stream_tells_profile_level_and_tier() -> None:
    assert parameters(unit(2, b"") + SEQUENCE) == {"profile": "0", "level-idx": "1", "tier": "0"}
    timing = ((1, 1), (1, 32), (30, 32), (1, 1), (0b00101, 5), (1, 1), (0, 47))  # equal intervals of 4 + 1 - 1 ticks
    full = sequence((2, 3), (0, 1), (0, 1), *timing, (0, 1), (0, 5), (0, 12), (13, 5), (1, 1))
    assert parameters(full) == {"profile": "2", "level-idx": "13", "tier": "1"}
    still = sequence((1, 3), (1, 1), (1, 1), (9, 5))
    assert parameters(still) == {"profile": "1", "level-idx": "9", "tier": "0"}


def test_without_a_whole_sequence_header_nothing_is_told() -> None:
    assert parameters(unit(2, b"") + unit(6, b"frame")) is None
    assert parameters(unit(1, b"")) is None
