"""Which offered payload type fits a track best: profiles of H.264 and H.265. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from steadycast.egress.webrtc.sdp import OfferedCodec
from steadycast.model import Codec, TrackInfo

# RFC 6184 section 8.1: what an absent profile-level-id means.
_DEFAULT_PROFILE_LEVEL = "420010"


class H264Profile(StrEnum):
    CONSTRAINED_BASELINE = "constrained-baseline"
    BASELINE = "baseline"
    MAIN = "main"
    CONSTRAINED_HIGH = "constrained-high"
    HIGH = "high"


# Decoders of a profile that also decode another one, the nearest first.
_SUPERSETS: dict[H264Profile, tuple[H264Profile, ...]] = {
    H264Profile.CONSTRAINED_BASELINE: (
        H264Profile.BASELINE,
        H264Profile.MAIN,
        H264Profile.CONSTRAINED_HIGH,
        H264Profile.HIGH,
    ),
    H264Profile.BASELINE: (),
    H264Profile.MAIN: (H264Profile.HIGH,),
    H264Profile.CONSTRAINED_HIGH: (H264Profile.HIGH,),
    H264Profile.HIGH: (),
}


def h264_profile(profile_level_id: str) -> H264Profile | None:
    """The profile of a profile-level-id (RFC 6184 table 5); None for one that browsers do not know, or garbage."""
    try:
        value = bytes.fromhex(profile_level_id)
    except ValueError:
        return None
    if len(value) != 3:
        return None
    idc, constraints = value[0], value[1]
    if idc == 0x42:
        return H264Profile.CONSTRAINED_BASELINE if constraints & 0x40 else H264Profile.BASELINE
    if idc == 0x4D:
        return H264Profile.CONSTRAINED_BASELINE if constraints & 0x80 else H264Profile.MAIN
    if idc == 0x58 and constraints & 0xC0 == 0xC0:
        return H264Profile.CONSTRAINED_BASELINE
    if idc == 0x64:
        return H264Profile.CONSTRAINED_HIGH if constraints & 0x0C == 0x0C else H264Profile.HIGH
    return None


def browsers_play(track: TrackInfo) -> bool:
    """Whether browsers play the profile of a track: 8 bits, 4:2:0. A track that names none is taken at its word."""
    if track.codec is Codec.H264:
        named = track.fmtp.get("profile-level-id")
        return named is None or h264_profile(named) is not None
    if track.codec is Codec.H265:
        return track.fmtp.get("profile-id", "1") == "1"  # Main (RFC 7798 section 7.1)
    return True


def best_codec(track: TrackInfo, offered: Iterable[OfferedCodec]) -> OfferedCodec | None:
    """The payload type that fits a track best, the earlier one among equals; None where there is none of its codec.

    A profile that is offered too low is still taken when there is no better one: browsers list less than they decode.
    """
    fitting = [codec for codec in offered if codec.codec is track.codec]
    if not fitting:
        return None
    if track.codec is Codec.H264:
        return min(fitting, key=lambda codec: _h264_distance(track, codec))
    if track.codec is Codec.H265:
        wanted = track.fmtp.get("profile-id", "1")
        return min(fitting, key=lambda codec: codec.fmtp.get("profile-id", "1") != wanted)
    return fitting[0]


def _h264_distance(track: TrackInfo, codec: OfferedCodec) -> int:
    sent = h264_profile(track.fmtp.get("profile-level-id", "42e01f"))
    taken = h264_profile(codec.fmtp.get("profile-level-id", _DEFAULT_PROFILE_LEVEL))
    if sent is None or taken is None:
        return 10
    if sent is taken:
        return 0
    above = _SUPERSETS[sent]
    return 1 + above.index(taken) if taken in above else 9
