"""AV1 in RTP: whatever is cut can be put together again, within the size, and starts are marked."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.pipelines.obu import Av1Error, payloads, units

KINDS = st.sampled_from([1, 3, 4, 5, 6])  # sequence header, frame header, tile group, metadata, frame
BODIES = st.integers(0, 3000).map(lambda size: bytes(index * 7 & 0xFF for index in range(size)))


def leb128(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + leb128(value >> 7)


def unit(kind: int, body: bytes, extension: bool = False, sized: bool = True) -> bytes:
    head = bytes([kind << 3 | (4 if extension else 0) | (2 if sized else 0)]) + (b"\x20" if extension else b"")
    return head + (leb128(len(body)) if sized else b"") + body


def put_together(packets: list[bytes]) -> list[bytes]:
    """The elements of a temporal unit from its payloads (section 4 of the format, W = 0)."""
    elements: list[bytes] = []
    for packet in packets:
        head, at = packet[0], 1
        assert head & 0x30 == 0
        first = True
        while at < len(packet):
            size = shift = 0
            while True:
                byte = packet[at]
                size |= (byte & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if not byte & 0x80:
                    break
            assert size > 0 and at + size <= len(packet)
            if first and head & 0x80:
                elements[-1] += packet[at : at + size]
            else:
                elements.append(packet[at : at + size])
            at, first = at + size, False
    return elements


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
