"""RTCP, written and read (RFC 3550 6, RFC 4585 6, RFC 5104 4.3.1, draft-alvestrand-rmcat-remb-03)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from steadycast.egress.core.arrivals import Arrivals, read_arrivals
from steadycast.egress.core.outlet import SenderInfo

_SENDER_REPORT, _RECEIVER_REPORT, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_NACK = 1  # formats of RTPFB and PSFB
_PLI = 1
_FIR = 4
_TRANSPORT = 15  # format of RTPFB: transport-wide feedback
_APPLICATION = 15  # format of PSFB
_REMB = b"REMB"
_CNAME = 1
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_REPORT_BLOCK = struct.Struct(">IIIIII")
_PACKETS = 64  # RTCP packets looked at in one compound
_LOST = 1024  # sequence numbers taken from one compound


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """One report block. `lost_fraction` is 0..1 since the last report, `jitter` in timestamp units, `last_report` and
    `delay` in 1/65536 s (RFC 3550 6.4.1)."""

    reporter: int
    ssrc: int
    lost_fraction: float
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class Nack:
    """Lost packets of `ssrc`, sequence numbers expanded."""

    ssrc: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    """PLI or FIR for `ssrc`."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a viewer says it can take (REMB), of all that it is sent. Bits a second."""

    bps: int


Feedback = ReceiverReport | Nack | KeyframeRequest | Bye | Bound | Arrivals


def compound(info: SenderInfo, cname: str) -> bytes:
    """A sender report and an SDES with the cname. Tracks that are shown in step have the same cname."""
    packets, octets = info.packets & 0xFFFF_FFFF, info.octets & 0xFFFF_FFFF
    body = struct.pack(">IQIII", info.ssrc, _ntp(info), info.timestamp, packets, octets)
    return _packet(_SENDER_REPORT, 0, body) + _sdes(info.ssrc, cname)


def bye(ssrcs: Sequence[int], cname: str) -> bytes:
    """An empty receiver report, SDES and BYE for 1 to 31 sources: the streams end."""
    first = ssrcs[0]
    goodbye = _packet(_BYE, len(ssrcs), struct.pack(f">{len(ssrcs)}I", *ssrcs))
    return _packet(_RECEIVER_REPORT, 0, struct.pack(">I", first)) + _sdes(first, cname) + goodbye


def parse(data: bytes) -> list[Feedback]:
    """What a compound packet says, as far as it is known and whole; the rest is passed over. Never raises."""
    found: list[Feedback] = []
    start = 0
    room = _LOST
    for _ in range(_PACKETS):
        if start + 4 > len(data) or data[start] & 0xC0 != 0x80:
            break
        end = start + 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        if end > len(data):
            break
        count, kind = data[start] & 0x1F, data[start + 1]
        body = data[start + 4 : end]
        if kind in (_SENDER_REPORT, _RECEIVER_REPORT):
            found += _reports(count, body, 24 if kind == _SENDER_REPORT else 4)
        elif kind == _BYE:
            count = min(count, len(body) // 4)
            found.append(Bye(struct.unpack_from(f">{count}I", body)))
        elif kind == _RTPFB and count == _NACK and len(body) >= 12:
            lost = _lost(body[8:], room)
            room -= len(lost)
            found.append(Nack(int.from_bytes(body[4:8], "big"), lost))
        elif kind == _RTPFB and count == _TRANSPORT:
            found += _arrivals(body)
        elif kind == _PSFB and count == _APPLICATION:
            found += _bounds(body)
        elif kind == _PSFB:
            found += _keyframe_requests(count, body)
        start = end
    return found


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body


def _sdes(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    items = struct.pack(">IBB", ssrc, _CNAME, len(name)) + name
    return _packet(_SDES, 1, items + bytes(4 - len(items) % 4))  # at least one zero ends the list


def _reports(count: int, body: bytes, start: int) -> list[Feedback]:
    reports: list[Feedback] = []
    reporter = int.from_bytes(body[:4], "big")
    for _ in range(count):
        if start + _REPORT_BLOCK.size > len(body):
            break
        ssrc, loss, highest, jitter, last, delay = _REPORT_BLOCK.unpack_from(body, start)
        lost = loss & 0xFF_FFFF
        lost -= (lost & 0x80_0000) << 1  # 24 bits, signed
        reports.append(ReceiverReport(reporter, ssrc, (loss >> 24) / 256, lost, highest, jitter, last, delay))
        start += _REPORT_BLOCK.size
    return reports


def _lost(pairs: bytes, room: int) -> tuple[int, ...]:
    """Packet id and bitmask of the 16 after it, expanded (RFC 4585 6.2.1)."""
    lost: list[int] = []
    for start in range(0, len(pairs) - 3, 4):
        first, mask = struct.unpack_from(">HH", pairs, start)
        lost.append(first)
        lost += [(first + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1]
        if len(lost) >= room:
            break
    return tuple(lost[:room])


def _arrivals(body: bytes) -> list[Feedback]:
    told = read_arrivals(body)
    return [] if told is None else [told]


def _bounds(body: bytes) -> list[Feedback]:
    """Six bits of exponent and eighteen of mantissa, behind the name and a count of sources."""
    if len(body) < 16 or body[8:12] != _REMB:
        return []
    value = int.from_bytes(body[13:16], "big")
    return [Bound((value & 0x3FFFF) << (value >> 18))]


def mark_of(info: SenderInfo) -> int:
    """What reports of receivers repeat of the sender report of `info`: the middle of its NTP time (RFC 3550 6.4.1)."""
    return _ntp(info) >> 16 & 0xFFFF_FFFF


def _ntp(info: SenderInfo) -> int:
    return round((info.wall + _NTP_EPOCH) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF


def _keyframe_requests(count: int, body: bytes) -> list[Feedback]:
    if count == _PLI and len(body) >= 8:
        return [KeyframeRequest(int.from_bytes(body[4:8], "big"))]
    if count == _FIR:  # entries of SSRC, command number and three reserved bytes
        starts = range(8, min(len(body) - 7, 8 + 8 * _PACKETS), 8)
        return [KeyframeRequest(int.from_bytes(body[start : start + 4], "big")) for start in starts]
    return []
