"""What a stream says of itself: profile, level, size, bit depth and reference frames, by its own parameter sets. Pure.

ITU-T H.264 (08/2021) 7.3.2.1.1; ITU-T H.265 (08/2021) 7.3.2.2.1. AV1 has eight reference slots in any case, and VP8 and
VP9 send nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steadycast.leases.references import MB, frame_bytes
from steadycast.model import Codec
from steadycast.pipelines.sps import Bits, SpsError, chroma_and_depth, decode, read_h265, skip_order_count, unescape

_H264_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2"}
_H265_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range extensions"}
_AV1_PROFILES = {"0": "Main", "1": "High", "2": "Professional"}
_CONSTRAINED = 0x40  # constraint_set1_flag


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """Unknown is None. `references` are frames that a decoder keeps to predict from, `reference_bytes` their
    memory. Sizes in pixels as coded, with what is cropped away."""

    profile: str
    level: str | None = None
    width: int | None = None
    height: int | None = None
    bit_depth: int | None = None
    references: int | None = None
    reference_bytes: int | None = None


def in_force(codec: Codec, fmtp: Mapping[str, str]) -> StreamParameters | None:
    """By the parameter sets as SDP spells them; None where it tells none, or they cannot be read."""
    try:
        if codec is Codec.H264:
            first = fmtp.get("sprop-parameter-sets", "").split(",")[0]
            return h264_parameters(decode(first)) if first else None
        if codec is Codec.H265:
            first = fmtp.get("sprop-sps", "").split(",")[0]
            return h265_parameters(decode(first)) if first else None
    except SpsError:
        return None
    if codec is Codec.AV1 and "profile" in fmtp:
        index = fmtp.get("level-idx", "")
        level = f"{2 + int(index) // 4}.{int(index) % 4}" if index.isdecimal() else None  # AV1 specification A.3
        return StreamParameters(_AV1_PROFILES.get(fmtp["profile"], fmtp["profile"]), level)
    return None


def exceeds(found: StreamParameters | None, budget_mb: float) -> bool:
    """Whether its reference frames are known to take more."""
    return found is not None and (found.reference_bytes or 0) > budget_mb * MB


def h264_parameters(nal: bytes) -> StreamParameters:
    """From an SPS with its NAL header. Raises SpsError."""
    if len(nal) < 4 or nal[0] & 0x1F != 7:
        raise SpsError("no H.264 sequence parameter set")
    profile, constraints, level = nal[1], nal[2], nal[3]
    bits = Bits(unescape(nal[4:]))
    bits.ue()  # seq_parameter_set_id
    chroma, depth = chroma_and_depth(bits, profile)
    bits.ue()  # log2_max_frame_num_minus4
    skip_order_count(bits)
    references = bits.ue()
    bits.flag()
    width, units = 16 * (bits.ue() + 1), bits.ue() + 1
    height = 16 * units * (1 if bits.flag() else 2)  # frame_mbs_only_flag: else in pairs of fields
    name = _H264_PROFILES.get(profile, str(profile))
    if profile == 66 and constraints & _CONSTRAINED:
        name = "Constrained Baseline"
    return _parameters(Codec.H264, name, f"{level // 10}.{level % 10}", (width, height), (chroma, depth), references)


def h265_parameters(nal: bytes) -> StreamParameters:
    """From an SPS with its two-byte NAL header. Raises SpsError."""
    one, whole = read_h265(nal), unescape(nal[2:])
    profile, level = whole[1] & 0x1F, whole[12]
    name, spelled = _H265_PROFILES.get(profile, str(profile)), f"{level // 30}.{level % 30 // 3}"
    size, samples = (one.width, one.height), (one.chroma, one.bit_depth)
    return _parameters(Codec.H265, name, spelled, size, samples, one.references)


def _parameters(
    codec: Codec, profile: str, level: str, size: tuple[int, int], samples: tuple[int, int], references: int
) -> StreamParameters:
    width, height = size
    chroma, depth = samples
    if not (0 < width <= 1 << 16 and 0 < height <= 1 << 16 and 0 <= chroma <= 3 and depth <= 16 and references <= 16):
        raise SpsError("no picture has such numbers")
    memory = references * frame_bytes(codec, width, height, depth, chroma)
    return StreamParameters(profile, level, width, height, depth, references, memory)
