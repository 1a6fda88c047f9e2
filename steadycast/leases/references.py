"""Reference frames: how much memory they take, how many fit into a budget. Pure; sizes in bytes, pictures in pixels.

Both ends keep them: the encoder decoded pictures to predict from, each decoder the same ones. What a stream may ask for
is bounded by its level; what is asked of an encoder is bounded by the budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steadycast.model import Codec

MB = 1_000_000
DEFAULT_BUDGET_MB = 50.0
MOST = 16  # H.264 and H.265 never use more (H.264 A.3.1, H.265 A.4.2)

# Pictures are kept in whole blocks: macroblocks (H.264 7.4.2.1.1, RFC 6386 2), coding tree blocks of 64 (H.265
# 7.4.3.2.1: 16 to 64), superblocks of 64 (VP9 and AV1; AV1 may use 128).
_BLOCK: Mapping[Codec, int] = MappingProxyType(
    {Codec.H264: 16, Codec.VP8: 16, Codec.H265: 64, Codec.VP9: 64, Codec.AV1: 64}
)
# Samples for each luma sample: 4:0:0, 4:2:0, 4:2:2, 4:4:4 (chroma_format_idc 0 to 3).
_SAMPLES = (1.0, 1.5, 2.0, 3.0)
# What the format itself keeps, whatever the encoder uses of it: last, golden and alternate picture (RFC 6386 9.7), and
# eight slots (VP9 specification 2.2 NUM_REF_FRAMES, AV1 specification 3 NUM_REF_FRAMES). Encoders in real time fill
# three of the eight.
SLOTS: Mapping[Codec, int] = MappingProxyType({Codec.VP8: 3, Codec.VP9: 8, Codec.AV1: 8})
LIVE_SLOTS = 3

# MaxDpbMbs by level_idc (H.264 table A-1); 9 is level 1b.
_H264_DPB_MACROBLOCKS: Mapping[int, int] = MappingProxyType(
    {
        9: 396, 10: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100, 31: 18000, 32: 20480,
        40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320, 52: 184320, 60: 696320, 61: 696320, 62: 696320,
    }
)  # fmt: skip
# MaxLumaPs by general_level_idc, which is 30 times the level (H.265 table A.8).
_H265_LUMA: Mapping[int, int] = MappingProxyType(
    {
        30: 36864, 60: 122880, 63: 245760, 90: 552960, 93: 983040, 120: 2228224, 123: 2228224, 150: 8912896,
        153: 8912896, 156: 8912896, 180: 35651584, 183: 35651584, 186: 35651584,
    }
)  # fmt: skip
_H265_DPB = 6  # maxDpbPicBuf (H.265 A.4.2)


@dataclass(frozen=True, slots=True)
class References:
    """What was chosen: `count` frames of `frame_bytes` each. `cut`: fewer than asked, because of the budget. `fixed`:
    the format keeps so many, whatever is asked."""

    count: int
    frame_bytes: int
    cut: bool = False
    fixed: bool = False

    @property
    def bytes(self) -> int:
        """All of them."""
        return self.count * self.frame_bytes


class ReferencesError(ValueError):
    """Not even the least that the codec needs fits into the budget."""


def frame_bytes(codec: Codec, width: int, height: int, bit_depth: int = 8, chroma: int = 1) -> int:
    """One decoded picture. `chroma` is chroma_format_idc (1: 4:2:0). More than 8 bits take two bytes a sample."""
    if width < 1 or height < 1:
        raise ValueError(f"a picture of {width}x{height} has no size")
    block = _BLOCK[codec]
    luma = math.ceil(width / block) * block * math.ceil(height / block) * block
    return round(luma * _SAMPLES[chroma]) * (1 if bit_depth <= 8 else 2)


def choose(codec: Codec, width: int, height: int, asked: int = 1, budget_mb: float = DEFAULT_BUDGET_MB) -> References:
    """As many as asked, or as the budget holds. Raises ReferencesError where the least that the codec needs does not
    fit, and ValueError for what makes no sense."""
    if not 1 <= asked <= MOST:
        raise ValueError(f"{asked} reference frames are asked for; it must be from 1 to {MOST}")
    size = frame_bytes(codec, width, height)
    fixed = codec in SLOTS
    least = min(LIVE_SLOTS, SLOTS[codec]) if fixed else 1
    fit = int(budget_mb * MB // size) if budget_mb > 0 else 0
    if fit < least:
        frames, verb = ("1 reference frame", "needs") if least == 1 else (f"{least} reference frames", "need")
        need = math.ceil(least * size / MB * 10) / 10
        raise ReferencesError(
            f"{frames} of {width}x{height} in {codec.value} {verb} {need:g} MB, and the budget is {budget_mb:g} MB"
        )
    count = least if fixed else min(asked, fit)
    return References(count, size, cut=not fixed and count < asked, fixed=fixed)


def most_at_level(codec: Codec, level: int, width: int, height: int) -> int | None:
    """Frames that a stream of this level may keep: `level` is level_idc (31: 3.1) or general_level_idc (93: 3.1). None
    for a level, or a codec, that no table names. 0: a picture of this size is not allowed at this level."""
    if codec is Codec.H264:
        blocks = math.ceil(width / 16) * math.ceil(height / 16)
        most = _H264_DPB_MACROBLOCKS.get(level)
        return None if most is None else min(MOST, most // blocks)
    if codec is Codec.H265:
        largest = _H265_LUMA.get(level)
        return None if largest is None else _h265_most(width * height, largest)
    return None


def _h265_most(luma: int, largest: int) -> int:
    """MaxDpbSize (H.265 A.4.2, formula A-2): the smaller the picture, the more of them."""
    if luma > largest:
        return 0
    for part, times in ((4, 4), (2, 2)):
        if luma <= largest // part:
            return min(MOST, times * _H265_DPB)
    return min(MOST, 4 * _H265_DPB // 3) if luma <= 3 * largest // 4 else _H265_DPB
