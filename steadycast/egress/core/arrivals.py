"""Transport-wide feedback: when a viewer got which packet (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MOST_PACKETS = (
    4096  # told of in one message: more than a second of the fastest stream; browsers tell every 50 to 250 ms
)
REFERENCE_S = 0.064  # unit of the reference time
PERIOD_S = (1 << 24) * REFERENCE_S  # after which the viewer's clock begins again
_DELTA_S = 0.000_25
_HEAD = struct.Struct(">IIHHI")
_SMALL, _LARGE = 1, 2  # symbols: a delta of one byte, of two bytes (signed)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`first` is the number of the first packet (16 bits); `times` say of each packet from there on when it came, in
    seconds of the viewer's clock, which begins anew after `PERIOD_S`; None: it did not come."""

    first: int
    times: tuple[float | None, ...]


def read_arrivals(body: bytes) -> Arrivals | None:
    """The message behind an RTCP header; None for one that is cut off, too long or makes no sense. Never raises."""
    if len(body) < _HEAD.size:
        return None
    _, _, first, count, reference = _HEAD.unpack_from(body)
    if not 0 < count <= MOST_PACKETS:
        return None
    symbols: list[int] = []
    place = _HEAD.size
    while len(symbols) < count:
        if place + 2 > len(body):
            return None
        symbols += _symbols(int.from_bytes(body[place : place + 2], "big"), count - len(symbols))
        place += 2
    times = _times(symbols, body, place, (reference >> 8) * REFERENCE_S)
    return Arrivals(first, tuple(times)) if len(times) == count else None


def _symbols(chunk: int, left: int) -> list[int]:
    """Of one chunk: a run of one symbol, 14 of one bit, or 7 of two bits."""
    if not chunk & 0x8000:
        return [chunk >> 13 & 3] * min(chunk & 0x1FFF, left) if chunk & 0x1FFF else [-1] * left
    if not chunk & 0x4000:
        return [chunk >> (13 - bit) & 1 for bit in range(min(14, left))]
    return [chunk >> (12 - 2 * pair) & 3 for pair in range(min(7, left))]


def _times(symbols: list[int], body: bytes, place: int, clock: float) -> list[float | None]:
    """One for each symbol; fewer where the deltas are cut off or a symbol is none."""
    times: list[float | None] = []
    for symbol in symbols:
        if symbol == _SMALL and place < len(body):
            clock += body[place] * _DELTA_S
            place += 1
            times.append(clock)
        elif symbol == 0:
            times.append(None)
        elif symbol == _LARGE and place + 1 < len(body):
            clock += int.from_bytes(body[place : place + 2], "big", signed=True) * _DELTA_S
            place += 2
            times.append(clock)
        else:
            break
    return times
