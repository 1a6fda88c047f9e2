"""Reading H.264 and H.265 sequence parameter sets: their syntax, and whether frames are reordered. Pure.

ITU-T H.264 (08/2021) 7.3.2.1.1 and E.1.1; ITU-T H.265 (08/2021) 7.3.2.2.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from steadycast.model import Codec

_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # these carry chroma_format_idc
_CONSTRAINED_INTRA = 0x10  # constraint_set3_flag
_EXTENDED_SAR = 255
_SYNTAX_MAX = 32  # bits of an Exp-Golomb prefix
_CYCLE_MAX = 255  # num_ref_frames_in_pic_order_cnt_cycle


class SpsError(ValueError):
    """These bytes are no sequence parameter set, or end too early."""


class Bits:
    """Reads bits, most significant first; raises SpsError at the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def u(self, count: int) -> int:
        if count > self._left:
            raise SpsError("it ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.u(1) == 1

    def ue(self) -> int:
        """Unsigned Exp-Golomb (H.264 9.1)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > _SYNTAX_MAX:
                raise SpsError("a number is too long")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Signed Exp-Golomb (H.264 9.1.1)."""
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def reorders(codec: Codec, fmtp: Mapping[str, str]) -> bool | None:
    """Whether frames are sent in another order than shown, by its parameter sets as SDP spells them; None: unknown."""
    try:
        if codec is Codec.H264:
            first = fmtp.get("sprop-parameter-sets", "").split(",")[0]
            return h264_reorders(decode(first)) if first else None
        first = fmtp.get("sprop-sps", "").split(",")[0]
        return h265_reorders(decode(first)) if first else None
    except SpsError:
        return None


def complete(codec: Codec, fmtp: dict[str, str]) -> dict[str, str]:
    """With the profile and level, which the payloaders leave out where they only pass on (RFC 6184, 8.1; RFC 7798,
    7.1): whether a browser can play what a camera sends hangs on them."""
    try:
        if codec is Codec.H264 and "profile-level-id" not in fmtp:
            sps = decode(fmtp.get("sprop-parameter-sets", "").split(",")[0])
            return {**fmtp, "profile-level-id": sps[1:4].hex()} if len(sps) >= 4 else fmtp
        if codec is Codec.H265:
            return {**_h265_profile(decode(fmtp.get("sprop-sps", "").split(",")[0])), **fmtp}
    except SpsError:
        pass
    return fmtp


def _h265_profile(nal: bytes) -> dict[str, str]:
    """From an SPS with its two-byte NAL header (H.265 7.3.2.2 and 7.3.3). Raises SpsError."""
    if len(nal) < 3 or (nal[0] >> 1) & 0x3F != 33:
        raise SpsError("no H.265 sequence parameter set")
    bits = Bits(unescape(nal[2:]))
    bits.u(8)  # ids and sub-layers
    space, tier, profile = bits.u(2), bits.u(1), bits.u(5)
    bits.u(32)  # compatibility flags
    bits.u(48)  # constraints
    level = bits.u(8)
    named = {"profile-space": space, "profile-id": profile, "tier-flag": tier, "level-id": level}
    return {name: str(value) for name, value in named.items() if value or name != "profile-space"}


def decode(text: str) -> bytes:
    """A parameter set as SDP spells it. Raises SpsError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SpsError("no base64") from None


def unescape(nal: bytes) -> bytes:
    """Without the emulation prevention bytes (H.264 7.4.1): 00 00 03 means 00 00."""
    out = bytearray()
    zeros = 0
    for byte in nal:
        if zeros >= 2 and byte == 3:
            zeros = 0
            continue
        zeros = zeros + 1 if byte == 0 else 0
        out.append(byte)
    return bytes(out)


def h264_reorders(nal: bytes) -> bool | None:
    """From an SPS with its NAL header. None where it does not say."""
    if len(nal) < 4 or nal[0] & 0x1F != 7:
        raise SpsError("no H.264 sequence parameter set")
    profile, constraints = nal[1], nal[2]
    bits = Bits(unescape(nal[4:]))
    bits.ue()  # seq_parameter_set_id
    chroma_and_depth(bits, profile)
    bits.ue()  # log2_max_frame_num_minus4
    order_type = skip_order_count(bits)
    if profile == 66 or order_type == 2:  # Baseline has no B slices; type 2 is "decoding order is output order"
        return False
    if profile in (44, 100, 110, 122, 244) and constraints & _CONSTRAINED_INTRA:
        return False  # intra profiles: max_num_reorder_frames is inferred as 0 (E.2.1)
    bits.ue()  # max_num_ref_frames
    bits.flag()
    bits.ue()
    bits.ue()  # size in macroblocks
    if not bits.flag():  # frame_mbs_only_flag
        bits.flag()
    bits.flag()
    if bits.flag():  # frame_cropping_flag
        for _ in range(4):
            bits.ue()
    if not bits.flag():  # vui_parameters_present_flag
        return None
    return _h264_vui_reorders(bits)


def chroma_and_depth(bits: Bits, profile: int) -> tuple[int, int]:
    """chroma_format_idc and the bits of a luma sample, of an H.264 SPS from behind its id; 1 and 8 where the profile
    has no other."""
    if profile not in _HIGH_PROFILES:
        return 1, 8
    chroma = bits.ue()
    if chroma == 3:
        bits.flag()
    depth = 8 + bits.ue()
    bits.ue()
    bits.flag()
    if bits.flag():  # seq_scaling_matrix_present_flag
        for index in range(8 if chroma != 3 else 12):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma, depth


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se() + 256) % 256
        last = following or last


def skip_order_count(bits: Bits) -> int:
    """Reads over how pictures are put in order; answers with pic_order_cnt_type."""
    order_type = bits.ue()
    if order_type == 0:
        bits.ue()
    elif order_type == 1:
        bits.flag()
        bits.se()
        bits.se()
        count = bits.ue()
        if count > _CYCLE_MAX:
            raise SpsError("too many reference frames in a cycle")
        for _ in range(count):
            bits.se()
    return order_type


def _h264_vui_reorders(bits: Bits) -> bool | None:
    if bits.flag() and bits.u(8) == _EXTENDED_SAR:
        bits.u(32)
    if bits.flag():
        bits.flag()  # overscan
    if bits.flag():  # video_signal_type_present_flag
        bits.u(4)
        if bits.flag():
            bits.u(24)
    if bits.flag():  # chroma_loc_info_present_flag
        bits.ue()
        bits.ue()
    if bits.flag():  # timing_info_present_flag
        bits.u(65)
    hrd = False
    for _ in range(2):  # nal_hrd, vcl_hrd
        if bits.flag():
            hrd = True
            _skip_hrd(bits)
    if hrd:
        bits.flag()
    bits.flag()  # pic_struct_present_flag
    if not bits.flag():  # bitstream_restriction_flag
        return None
    bits.flag()
    for _ in range(4):
        bits.ue()
    return bits.ue() > 0  # max_num_reorder_frames


def _skip_hrd(bits: Bits) -> None:
    count = bits.ue() + 1
    if count > 32:
        raise SpsError("too many buffers")
    bits.u(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.flag()
    bits.u(20)


def h265_reorders(nal: bytes) -> bool | None:
    """From an SPS with its two-byte NAL header: sps_max_num_reorder_pics of the highest sub-layer."""
    return read_h265(nal).reordered > 0


@dataclass(frozen=True, slots=True)
class H265Set:
    """What stands in an H.265 SPS, of the highest sub-layer. `references`: sps_max_dec_pic_buffering_minus1, which is
    without the picture that is being decoded."""

    chroma: int
    width: int
    height: int
    bit_depth: int
    references: int
    reordered: int


def read_h265(nal: bytes) -> H265Set:
    """An SPS with its two-byte NAL header. Raises SpsError."""
    if len(nal) < 3 or (nal[0] >> 1) & 0x3F != 33:
        raise SpsError("no H.265 sequence parameter set")
    bits = Bits(unescape(nal[2:]))
    bits.u(4)
    layers = bits.u(3)  # sps_max_sub_layers_minus1
    bits.flag()
    _skip_profile(bits, layers)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.flag()
    width, height = bits.ue(), bits.ue()
    if bits.flag():  # conformance_window_flag
        for _ in range(4):
            bits.ue()
    depth = 8 + bits.ue()
    bits.ue()
    bits.ue()  # bit depth of chroma, log2_max_pic_order_cnt_lsb_minus4
    references = reordered = 0
    for _ in range(layers + 1 if bits.flag() else 1):  # sps_sub_layer_ordering_info_present_flag
        references, reordered = bits.ue(), bits.ue()
        bits.ue()
    return H265Set(chroma, width, height, depth, references, reordered)


def _skip_profile(bits: Bits, layers: int) -> None:
    """Reads over profile_tier_level of H.265, with so many sub-layers more."""
    bits.u(88)  # general profile
    bits.u(8)  # general_level_idc
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.u(2 * (8 - layers))
    for profile, level in present:
        bits.u(88 if profile else 0)
        bits.u(8 if level else 0)
