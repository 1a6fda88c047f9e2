"""Offers as a browser sends them, as text: enough to become a viewer, without a browser behind."""

from __future__ import annotations

_COMMON = (
    "c=IN IP4 0.0.0.0",
    "a=recvonly",
    "a=rtcp-mux",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx",
    "a=setup:actpass",
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
)


def h264_offer() -> str:
    """H.264 and Opus, both to receive."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    lines += ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", *_COMMON, "a=rtpmap:96 H264/90000"]
    lines += ["a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"]
    lines += ["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli"]
    lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:1", *_COMMON, "a=rtpmap:111 opus/48000/2"]
    return "\r\n".join(lines) + "\r\n"
