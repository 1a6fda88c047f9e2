"""Numbers as bytes that compress well. Pure.

The bytes of 64-bit floats are sorted by their place in the number first: neighbours in a series share sign, exponent
and the first digits, so that most of the eight planes are almost constant.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence

from steadycast.tracking.history.buckets import Bucket

_WIDTH = 8  # bytes of a number
_FIELDS = 5  # offset, count, low, median, high
_LEVEL = 6  # of zlib; 9 took twice the time for 1 % less
MOST_BYTES = 8 * 1024 * 1024  # of numbers in one piece: more is refused as not ours


class BrokenPieceError(ValueError):
    """Bytes that were not written here, or were damaged."""


def pack(columns: Sequence[array[float]]) -> bytes:
    """Columns of one length, one after the other."""
    raw = b"".join(column.tobytes() for column in columns)
    return zlib.compress(b"".join(raw[place::_WIDTH] for place in range(_WIDTH)), _LEVEL)


def unpack(piece: bytes, columns: int) -> list[array[float]]:
    """Raises BrokenPieceError."""
    inflater = zlib.decompressobj()
    try:
        planes = inflater.decompress(piece, MOST_BYTES)
    except zlib.error as error:
        raise BrokenPieceError(str(error)) from error
    if inflater.unconsumed_tail or not inflater.eof or len(planes) % (_WIDTH * columns):
        raise BrokenPieceError("it has another length than what was written")
    numbers = len(planes) // _WIDTH
    raw = bytearray(len(planes))
    for place in range(_WIDTH):
        raw[place::_WIDTH] = planes[place * numbers : (place + 1) * numbers]
    each = numbers // columns
    values = array("d")
    values.frombytes(bytes(raw))
    return [values[number * each : (number + 1) * each] for number in range(columns)]


def pack_buckets(buckets: Sequence[Bucket], start: float) -> bytes:
    """Buckets of one width, told by their distance from `start`."""
    columns = (
        array("d", [bucket.at - start for bucket in buckets]),
        array("d", [bucket.count for bucket in buckets]),
        array("d", [bucket.low for bucket in buckets]),
        array("d", [bucket.median for bucket in buckets]),
        array("d", [bucket.high for bucket in buckets]),
    )
    return pack(columns)


def unpack_buckets(piece: bytes, start: float, width: float) -> list[Bucket]:
    """Raises BrokenPieceError."""
    rows = zip(*unpack(piece, _FIELDS), strict=True)
    return [Bucket(start + offset, width, int(count), low, middle, high) for offset, count, low, middle, high in rows]
