"""The SDP (RFC 8866, RFC 2326 appendix C) of a lobby's tracks. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steadycast.egress.rtsp.address import TRACK_PREFIX
from steadycast.egress.rtsp.protocol import one_line
from steadycast.model import Codec, TrackInfo, TrackKind

_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]{1,4096}\Z")  # printable, without blanks and semicolons

# What a sender may say of its stream (RFC 6184, 7798, 7741, 9628, 7587, and AV1's RTP format); other keys are not for
# viewers.
_PARAMETERS = {
    Codec.H264: ("packetization-mode", "profile-level-id", "sprop-parameter-sets"),
    Codec.H265: ("profile-space", "profile-id", "tier-flag", "level-id", "interop-constraints",
                 "sprop-vps", "sprop-sps", "sprop-pps", "sprop-max-don-diff"),
    Codec.AV1: ("profile", "level-idx", "tier"),
    Codec.VP8: ("max-fr", "max-fs"),
    Codec.VP9: ("profile-id", "max-fr", "max-fs"),
    Codec.OPUS: ("sprop-maxcapturerate", "sprop-stereo", "stereo", "useinbandfec", "minptime"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Described:
    """A track as offered to a client: its payload type, and what it carries."""

    payload_type: int
    info: TrackInfo


def session_description(name: str, tracks: Sequence[Described], host: str, session: int) -> bytes:
    """The SDP. `host` is the server's own address as the client reached it; `session` a number that names this SDP."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- {session} 1 IN {family} {host}",
        f"s={one_line(name).strip() or '-'}",
        f"c=IN {family} {'::' if family == 'IP6' else '0.0.0.0'}",
        "t=0 0",
        "a=tool:Steadycast",
        "a=type:broadcast",
        "a=control:*",
        "a=range:npt=now-",
    ]
    for index, track in enumerate(tracks):
        lines += _media(index, track)
    return ("\r\n".join(lines) + "\r\n").encode()


def _media(index: int, track: Described) -> list[str]:
    info, number = track.info, track.payload_type
    encoding = f"{info.codec.name}/{info.clock_rate}"
    if info.kind is TrackKind.AUDIO:
        # RFC 7587: always two channels in the SDP of Opus, whatever it carries.
        encoding += "/2" if info.codec is Codec.OPUS else f"/{info.channels or 1}"
    lines = [f"m={info.kind.value} 0 RTP/AVP {number}", f"a=rtpmap:{number} {encoding}"]
    if parameters := _parameters(info):
        lines.append(f"a=fmtp:{number} {parameters}")
    if info.fps is not None and info.fps > 0:
        lines.append(f"a=framerate:{info.fps:g}")
    if info.width is not None and info.height is not None:
        lines.append(f"a=framesize:{number} {info.width}-{info.height}")
    lines.append(f"a=control:{TRACK_PREFIX}{index}")
    return lines


def _parameters(info: TrackInfo) -> str:
    known = dict(info.fmtp)
    if info.codec is Codec.H264:
        known.setdefault("packetization-mode", "1")  # fragments of pictures (FU-A) are sent
    if info.codec is Codec.OPUS and info.channels == 2:
        known.setdefault("sprop-stereo", "1")
    return "; ".join(
        f"{name}={known[name]}" for name in _PARAMETERS[info.codec] if name in known and _VALUE.match(known[name])
    )
