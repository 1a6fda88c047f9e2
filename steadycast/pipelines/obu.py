"""AV1's open bitstream units, and how they are cut into RTP payloads. Pure.

After "RTP Payload Format For AV1" 1.0 (Alliance for Open Media), sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator

from steadycast.pipelines.sps import Bits, SpsError

# Types of open bitstream units (AV1 specification 6.2.2) that are not sent: temporal delimiter, tile list, padding.
_NOT_SENT = frozenset({2, 8, 15})
_SEQUENCE_HEADER = 1
_LEAST = 16  # a fragment smaller than this is not worth its header


class Av1Error(ValueError):
    """A temporal unit that cannot be read."""


def units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each open bitstream unit to be sent, without its size field (section 5 of the format)."""
    at, end = 0, len(data)
    while at < end:
        first = data[at]
        head = 2 if first & 0x04 else 1
        body = at + head
        if first & 0x02:
            size, body = _leb128(data, body)
        else:
            size = end - body
        if size < 0 or body + size > end:
            raise Av1Error("an open bitstream unit is longer than its temporal unit")
        kind = first >> 3 & 0x0F
        if kind not in _NOT_SENT:
            yield kind, bytes((first & 0xFD,)) + data[at + 1 : at + head] + data[body : body + size]
        at = body + size


def parameters(data: bytes) -> dict[str, str] | None:
    """Profile, level and tier of a temporal unit's first operating point as SDP spells them (section 7.2 of the
    format); None where no sequence header is in it, or one that ends too early. Raises Av1Error."""
    header = next((element for kind, element in units(data) if kind == _SEQUENCE_HEADER), None)
    if header is None:
        return None
    try:
        profile, level, tier = _operating_point(Bits(header[2 if header[0] & 0x04 else 1 :]))
    except SpsError:
        return None
    return {"profile": str(profile), "level-idx": str(level), "tier": str(tier)}


def _operating_point(bits: Bits) -> tuple[int, int, int]:
    """The beginning of a sequence header (AV1 specification 5.5.1)."""
    profile = bits.u(3)
    bits.flag()  # still_picture
    if bits.flag():  # reduced_still_picture_header
        return profile, bits.u(5), 0
    if bits.flag():  # timing_info_present_flag
        bits.u(64)
        if bits.flag():  # equal_picture_interval
            bits.ue()  # uvlc is an unsigned Exp-Golomb number, too
        if bits.flag():  # decoder_model_info_present_flag
            bits.u(47)
    bits.flag()  # initial_display_delay_present_flag
    bits.u(5 + 12)  # operating_points_cnt_minus_1, operating_point_idc[0]
    level = bits.u(5)
    return profile, level, bits.u(1) if level > 7 else 0


def payloads(data: bytes, room: int, keyframe: bool) -> list[bytes]:
    """A temporal unit as payloads of at most `room` bytes. N marks the first where it starts a coded video sequence.

    Every element has its length before it (W is 0), so that each packet is cut the same way.
    """
    elements = list(units(data))
    starts = keyframe and any(kind == _SEQUENCE_HEADER for kind, _ in elements)
    made: list[bytes] = []
    packet = bytearray(1)
    for _, element in elements:
        at = 0
        while at < len(element):
            left = room - len(packet)
            rest = len(element) - at
            size = min(rest, left - len(_to_leb128(left)))
            if size < min(rest, _LEAST) and len(packet) > 1:
                made.append(bytes(packet))
                packet = bytearray((0x80 if at else 0,))
                continue
            packet += _to_leb128(size) + element[at : at + size]
            at += size
            if at < len(element):
                packet[0] |= 0x40  # Y: goes on in the next packet
                made.append(bytes(packet))
                packet = bytearray((0x80,))  # Z: goes on from the packet before
    if len(packet) > 1:
        made.append(bytes(packet))
    if made and starts:
        made[0] = bytes((made[0][0] | 0x08,)) + made[0][1:]
    return made


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at
    raise Av1Error("a length does not end")


def _to_leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
