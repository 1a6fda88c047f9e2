"""Reference frames: how much memory they take, how many fit into a budget. Pure; sizes in bytes, pictures in pixels.

Both ends keep them: the encoder decoded pictures to predict from, each decoder the same ones.
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
