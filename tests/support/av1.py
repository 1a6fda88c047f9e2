"""AV1 as a receiver of RTP has it: payloads put together, and a file that decoders read. Shares nothing with the code
that cuts."""

from __future__ import annotations

from collections.abc import Iterable


def leb128(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + leb128(value >> 7)


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


def temporal_unit(packets: list[bytes]) -> bytes:
    """A temporal unit as files have it (AV1 specification 5.2): a delimiter first, and each unit with its size."""
    return b"\x12\x00" + b"".join(_sized(element) for element in put_together(packets))


def stream(units: Iterable[list[bytes]]) -> bytes:
    """Temporal units, one after the other."""
    return b"".join(temporal_unit(packets) for packets in units)


def _sized(element: bytes) -> bytes:
    head = 2 if element[0] & 0x04 else 1
    return bytes([element[0] | 0x02]) + element[1:head] + leb128(len(element) - head) + element[head:]
