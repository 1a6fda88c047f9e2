"""Whether what an encoder made can be decoded at all, by its first bytes: it begins with a keyframe and what a decoder
needs before it. Pure; a decoder would find more, and cost a decoder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from steadycast.model import Codec
from steadycast.pipelines.obu import Av1Error, units

_START = re.compile(b"\x00\x00\x01")
# Types of NAL units: ITU-T H.264 (08/2021) table 7-1, ITU-T H.265 (08/2021) table 7-1.
_H264 = {7: "sequence parameter set", 8: "picture parameter set", 5: "IDR picture"}
_H265 = {32: "video parameter set", 33: "sequence parameter set", 34: "picture parameter set"}
_H265_KEYFRAMES = range(16, 22)
_AV1_SEQUENCE_HEADER, _AV1_FRAMES = 1, (3, 6)  # AV1 specification 6.2.2
_VP8_START = b"\x9d\x01\x2a"  # RFC 6386, 9.1
_VP9_MARKER, _VP9_SYNC = 0b10, b"\x49\x83\x42"  # VP9 specification 6.2


def flaw(codec: Codec, units_made: Sequence[bytes]) -> str | None:
    """What is wrong with the first access units; None where nothing is."""
    if not units_made or not any(units_made):
        return "it made nothing"
    return _FLAWS[codec](units_made)


def _h264(made: Sequence[bytes]) -> str | None:
    return _missing({unit[0] & 0x1F for unit in _nal_units(made)}, _H264)


def _h265(made: Sequence[bytes]) -> str | None:
    kinds = {unit[0] >> 1 & 0x3F for unit in _nal_units(made)}
    return _missing(kinds, _H265) or (None if kinds & set(_H265_KEYFRAMES) else "there is no keyframe in it")


def _missing(kinds: set[int], needed: dict[int, str]) -> str | None:
    lacks = [name for kind, name in needed.items() if kind not in kinds]
    return f"there is no {lacks[0]} in it" if lacks else None


def _nal_units(made: Sequence[bytes]) -> Iterator[bytes]:
    """Units, each with its first byte at least: behind start codes, or behind their lengths (4 bytes), as a payloader
    likes them."""
    for data in made:
        if data.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):
            starts = [match.end() for match in _START.finditer(data)]
            yield from (data[start:] for start in starts if start < len(data))
            continue
        at = 0
        while at + 4 < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            yield data[at + 4 : at + 4 + max(1, size)]
            at += 4 + size


def _av1(made: Sequence[bytes]) -> str | None:
    try:
        kinds = {kind for data in made for kind, _ in units(data)}
    except (Av1Error, IndexError):
        return "it is no sequence of open bitstream units"
    if _AV1_SEQUENCE_HEADER not in kinds:
        return "there is no sequence header in it"
    return None if kinds & set(_AV1_FRAMES) else "there is no frame in it"


def _vp8(made: Sequence[bytes]) -> str | None:
    first = made[0]
    is_key = len(first) >= 10 and not first[0] & 1 and first[3:6] == _VP8_START
    return None if is_key else "it does not begin with a keyframe"


def _vp9(made: Sequence[bytes]) -> str | None:
    first = made[0]
    is_key = len(first) >= 4 and first[0] >> 6 == _VP9_MARKER and first[1:4] == _VP9_SYNC
    return None if is_key else "it does not begin with a keyframe"


_FLAWS: dict[Codec, Callable[[Sequence[bytes]], str | None]] = {
    Codec.H264: _h264,
    Codec.H265: _h265,
    Codec.AV1: _av1,
    Codec.VP8: _vp8,
    Codec.VP9: _vp9,
}
