"""The header of RTP (RFC 3550 5.1), read and written."""

from __future__ import annotations

import struct
from collections.abc import Sequence

HEADER = struct.Struct(">BBHII")
HEADER_BYTES = 12
_VERSION = 0x80  # version 2, no padding, no extension, no contributing sources
_MARKER = 0x80
_EXTENDED = bytes([_VERSION | 0x10])
_NUMBER = struct.Struct(">HHBHx")  # one element of two bytes, with one byte of padding, in a block of one word
_ONE_BYTE = 0xBEDE  # profile of RFC 8285 4.2
EXTENSION_BYTES = 8


class RtpPacket:
    """A packet that was read. `payload` has neither header nor padding."""

    __slots__ = ("marker", "payload", "payload_type", "sequence", "ssrc", "timestamp")

    def __init__(self, first: tuple[int, int, int, int, int], payload: bytes) -> None:
        _, second, self.sequence, self.timestamp, self.ssrc = first
        self.marker = second > 127
        self.payload_type = second & 127
        self.payload = payload


def parse(data: bytes) -> RtpPacket | None:
    """The packet in `data`, or None if this is not RTP."""
    size = len(data)
    if size < HEADER_BYTES or data[0] & 0xC0 != _VERSION:
        return None
    fields = HEADER.unpack_from(data)
    if fields[0] == _VERSION:
        return RtpPacket(fields, data[HEADER_BYTES:])
    start = HEADER_BYTES + 4 * (fields[0] & 0x0F)
    if fields[0] & 0x10:  # header extension: profile word, length in 32-bit words without these four bytes
        if size < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = size
    if fields[0] & 0x20:  # the last byte says how many bytes of padding there are, itself included
        end -= data[-1]
        if data[-1] == 0:
            return None
    if end < start:
        return None
    return RtpPacket(fields, data[start:end])


def headers(numbers: tuple[int, int, int, int], count: int, marker: bool) -> list[bytes]:
    """Headers for the `count` packets of one frame; the last has the marker bit if `marker`.

    `numbers` are payload type, sequence number of the first packet, timestamp and SSRC; wrapped here as needed.
    """
    payload_type, sequence, timestamp, ssrc = numbers
    pack = HEADER.pack
    timestamp &= 0xFFFFFFFF
    made = [
        pack(_VERSION, payload_type, number & 0xFFFF, timestamp, ssrc) for number in range(sequence, sequence + count)
    ]
    if marker and count:
        last = (sequence + count - 1) & 0xFFFF
        made[-1] = pack(_VERSION, payload_type | _MARKER, last, timestamp, ssrc)
    return made


def numbered(made: Sequence[bytes], sequence: int, extension: int) -> list[bytes]:
    """The same headers with a transport-wide number each, from `sequence` on, as the extension of this id (1 to 14)."""
    pack, element = _NUMBER.pack, extension << 4 | 1
    return [
        b"".join((_EXTENDED, header[1:], pack(_ONE_BYTE, 1, element, number & 0xFFFF)))
        for number, header in enumerate(made, sequence)
    ]
