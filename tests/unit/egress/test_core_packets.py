"""Framing, RTP headers, and where keyframes start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.core import rtp
from steadycast.egress.core.framing import Deframer
from steadycast.egress.core.marks import HEAD, KEY, reader
from steadycast.model import Codec
from tests.support.bus_packets import frame

packets = st.lists(st.binary(max_size=300), max_size=20)


@given(packets, st.lists(st.integers(1, 100), max_size=40))
def test_deframer_gives_the_packets_however_the_stream_is_cut(written: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, written))
    deframer, read = Deframer(), []
    for cut in [*cuts, len(stream) + 1]:
        buffer = bytearray(stream[:cut])
        read += deframer.feed(memoryview(buffer))
        buffer[:] = bytes(len(buffer))  # what was read may be overwritten
        stream = stream[cut:]
    assert read == written


def test_deframer_holds_no_more_than_a_packet() -> None:
    deframer = Deframer()
    for _ in range(1000):
        deframer.feed(b"\xff\xff" + bytes(65_000))
        assert len(deframer._rest) < 65_537 + 65_002


@given(
    st.integers(0, 127), st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**32 - 1),
    st.integers(0, 40), st.booleans(),
)  # fmt: skip
def test_headers_are_read_back(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, count: int, marker: bool
) -> None:
    made = rtp.headers((payload_type, sequence, timestamp, ssrc), count, marker)
    assert len(made) == count
    for place, header in enumerate(made):
        read = rtp.parse(header + b"payload")
        assert read is not None
        assert read.payload == b"payload"
        assert (read.payload_type, read.ssrc) == (payload_type, ssrc)
        assert read.sequence == (sequence + place) & 0xFFFF
        assert read.timestamp == timestamp & 0xFFFFFFFF
        assert read.marker is (marker and place == count - 1)


def test_contributors_extension_and_padding_are_taken_off() -> None:
    fixed = bytes([0x80 | 0x20 | 0x10 | 2, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])
    extension = b"\xbe\xde\x00\x01" + b"abcd"
    read = rtp.parse(fixed + bytes(8) + extension + b"payload" + b"\0\0\3")
    assert read is not None
    assert read.payload == b"payload"


@given(st.binary(max_size=80))
def test_garbage_is_no_packet_or_has_a_payload_of_it(data: bytes) -> None:
    read = rtp.parse(data)
    if read is not None:
        assert read.payload in data


def stap(*units: bytes) -> bytes:
    return b"\x18" + b"".join(frame(unit) for unit in units)


@pytest.mark.parametrize(
    ("payload", "marks"),
    [
        (b"\x67\x42", KEY | HEAD),  # sequence parameter set
        (b"\x68\x42", 0),  # picture parameter set
        (b"\x65\x88", KEY),  # IDR slice
        (b"\x41\x9a", 0),  # other slice
        (b"\x09\xf0", HEAD),  # delimiter
        (stap(b"\x67\x42", b"\x68\x01", b"\x65\x01"), KEY | HEAD),
        (stap(b"\x09\xf0", b"\x67\x42"), KEY | HEAD),
        (stap(b"\x06\x01", b"\x65\x01"), KEY),
        (stap(b"\x06\x01", b"\x67\x01"), KEY),
        (stap(b"\x06\x01", b"\x41\x01"), 0),
        (b"\x7c\x85\x88", KEY),  # FU-A, start of an IDR slice
        (b"\x7c\x05\x88", 0),  # its middle
        (b"\x7c\x45\x88", 0),  # its end
        (b"\x7c\x81\x88", 0),  # start of another slice
        (b"\x7c", 0),
        (b"", 0),
        (b"\x18\x00", 0),
    ],
)
def test_h264(payload: bytes, marks: int) -> None:
    assert reader(Codec.H264)(payload) == marks


def unit(kind: int) -> bytes:
    return bytes([kind << 1, 1, 0x80])


@pytest.mark.parametrize(
    ("payload", "marks"),
    [
        (unit(32), KEY | HEAD),  # video parameter set
        (unit(35), HEAD),  # delimiter
        (unit(34), 0),  # picture parameter set
        (unit(19), KEY),  # IDR
        (unit(21), KEY),  # CRA
        (unit(1), 0),  # trailing picture
        (unit(48)[:2] + frame(unit(32)) + frame(unit(19)), KEY | HEAD),
        (unit(48)[:2] + frame(unit(39)) + frame(unit(19)), KEY),
        (unit(49)[:2] + bytes([0x80 | 19]), KEY),  # fragment, start
        (unit(49)[:2] + bytes([19]), 0),
        (unit(49)[:2] + bytes([0x80 | 1]), 0),
        (unit(49)[:2], 0),
    ],
)
def test_h265(payload: bytes, marks: int) -> None:
    assert reader(Codec.H265)(payload) == marks


@given(st.binary(max_size=60))
def test_any_payload_is_read_without_error(payload: bytes) -> None:
    for codec in Codec:
        assert reader(codec)(payload) in (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("codec", "payload", "expected"),
    [
        (Codec.VP8, "10 00", KEY | HEAD),  # start of partition 0; P is 0: a keyframe
        (Codec.VP8, "10 01", HEAD),
        (Codec.VP8, "00 00", 0),  # goes on with a partition
        (Codec.VP8, "11 00", 0),  # starts partition 1
        (Codec.VP8, "90 80 05 00", KEY | HEAD),  # a picture id of 7 bits
        (Codec.VP8, "90 80 85 05 01", HEAD),  # one of 15 bits
        (Codec.VP8, "b0 f0 85 05 07 60 00", KEY | HEAD),  # all of the extension
        (Codec.VP8, "90", HEAD),  # cut short: nothing is promised
        (Codec.VP9, "88 12", KEY | HEAD),  # B without P
        (Codec.VP9, "c8 12", HEAD),
        (Codec.VP9, "80 12", 0),
        (Codec.AV1, "08 0a", KEY | HEAD),  # N
        (Codec.AV1, "00 0a", 0),
        (Codec.AV1, "88 0a", 0),  # goes on with an element: no start, whatever N says
        (Codec.AV1, "", 0),
        (Codec.VP8, "", 0),
        (Codec.VP9, "", 0),
    ],
)
def test_marks_of_the_codecs_of_the_web(codec: Codec, payload: str, expected: int) -> None:
    assert reader(codec)(bytes.fromhex(payload)) == expected


@given(st.sampled_from(Codec), st.binary(max_size=12))
def test_no_payload_upsets_a_reader(codec: Codec, payload: bytes) -> None:
    assert reader(codec)(payload) in (0, HEAD, KEY, KEY | HEAD)
