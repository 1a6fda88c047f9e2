"""Where a picture and where a keyframe starts, read from RTP payloads: H.264 (RFC 6184), H.265 (RFC 7798), VP8
(RFC 7741), VP9 (RFC 9628), AV1 (RTP Payload Format For AV1 1.0, section 4)."""

from __future__ import annotations

from collections.abc import Callable

from steadycast.model import Codec

# What one payload says, as bits of an int (an IntFlag costs ten times as much to test, for every packet).
KEY = 1  # the picture can be decoded without those before it
HEAD = 2  # nothing of this access unit comes before: delimiter or parameter sets, which our payloaders put first

# H.264 NAL units: 5 IDR slice, 7 sequence parameter set, 9 delimiter; 24 STAP-A, 28 FU-A. A parameter set is sent where
# a decoder may begin, also by encoders that make no IDR pictures (open groups of pictures).
_H264 = {5: KEY, 7: KEY | HEAD, 9: HEAD}
_H264_STAP_A = 24
_H264_FU_A = 28

# H.265 NAL units: 16..23 random access pictures, 32 and 33 parameter sets, 35 delimiter; 48 aggregation, 49 fragment.
_H265 = {**dict.fromkeys(range(16, 24), KEY), 32: KEY | HEAD, 33: KEY | HEAD, 35: HEAD}
_H265_AGGREGATION = 48
_H265_FRAGMENT = 49


def h264(payload: bytes) -> int:
    """The marks of an H.264 payload."""
    if not payload:
        return 0
    kind = payload[0] & 0x1F
    if kind == _H264_FU_A:
        if len(payload) > 1 and payload[1] & 0x80:
            return _H264.get(payload[1] & 0x1F, 0)
        return 0
    if kind == _H264_STAP_A:
        return _aggregate(payload, 1, lambda first: _H264.get(first & 0x1F, 0))
    return _H264.get(kind, 0)


def h265(payload: bytes) -> int:
    """The marks of an H.265 payload."""
    if not payload:
        return 0
    kind = payload[0] >> 1 & 0x3F
    if kind == _H265_FRAGMENT:
        if len(payload) > 2 and payload[2] & 0x80:
            return _H265.get(payload[2] & 0x3F, 0)
        return 0
    if kind == _H265_AGGREGATION:
        return _aggregate(payload, 2, lambda first: _H265.get(first >> 1 & 0x3F, 0))
    return _H265.get(kind, 0)


def vp8(payload: bytes) -> int:
    """The marks of a VP8 payload: a picture starts with S set and partition 0 (RFC 7741 4.2)."""
    if not payload or payload[0] & 0x17 != 0x10:
        return 0
    at = 1
    if payload[0] & 0x80:  # extension: I picture id (two bytes with M), L one byte, T or K one byte
        flags = payload[1] if len(payload) > 1 else 0
        at = 2
        if flags & 0x80:
            at += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
        at += (flags >> 6 & 1) + (1 if flags & 0x30 else 0)
    if len(payload) <= at:
        return HEAD
    return HEAD if payload[at] & 0x01 else KEY | HEAD  # P: the inverse key frame flag (RFC 7741 4.3)


def vp9(payload: bytes) -> int:
    """The marks of a VP9 payload: B starts a frame, P says that it refers to others (RFC 9628 4.2)."""
    if not payload or not payload[0] & 0x08:
        return 0
    return HEAD if payload[0] & 0x40 else KEY | HEAD


def av1(payload: bytes) -> int:
    """The marks of an AV1 payload: N starts a coded video sequence. Other pictures do not tell where they start."""
    return KEY | HEAD if payload and payload[0] & 0x88 == 0x08 else 0


def sound(payload: bytes) -> int:
    """Each packet of Opus stands for itself."""
    return KEY | HEAD


def reader(codec: Codec) -> Callable[[bytes], int]:
    """The function that reads payloads of a codec."""
    return _READERS[codec]


def _aggregate(payload: bytes, start: int, mark: Callable[[int], int]) -> int:
    """Marks of NAL units that each have a 16-bit length before them: HEAD by the first, KEY by any."""
    marks = 0
    size = len(payload)
    first = True
    while start + 2 < size:
        found = mark(payload[start + 2])
        marks |= found if first else found & KEY
        first = False
        start += 2 + (payload[start] << 8 | payload[start + 1])
    return marks


_READERS = {
    Codec.H264: h264,
    Codec.H265: h265,
    Codec.VP8: vp8,
    Codec.VP9: vp9,
    Codec.AV1: av1,
    Codec.OPUS: sound,
}
