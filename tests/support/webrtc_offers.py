"""Offers as browsers write them, shortened, for tests."""

from __future__ import annotations

FINGERPRINT = "AB:CD:" + ":".join(["00"] * 30)

_TRANSPORT = f"""a=ice-ufrag:4ZcD
a=ice-pwd:2/1muCWoOi3uLifh0NuRHlbq
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass"""

# Chromium 130: several H.264 profiles, each with both packetization modes, and retransmission formats between them.
CHROME = f"""v=0
o=- 4215775240449105457 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108 109 114 115 116 117 39
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 0e0ea1f8-6a1f-4cbb-a5b7-9b7ac0b7b0bb.local 56432 typ host generation 0 network-cost 999
a=candidate:2 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active generation 0
a=candidate:3 1 udp 1677729535 198.51.100.9 61234 typ srflx raddr 0.0.0.0 rport 0 generation 0
{_TRANSPORT}
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:toffset
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:103 H264/90000
a=rtcp-fb:103 goog-remb
a=rtcp-fb:103 transport-cc
a=rtcp-fb:103 ccm fir
a=rtcp-fb:103 nack
a=rtcp-fb:103 nack pli
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:104 rtx/90000
a=fmtp:104 apt=103
a=rtpmap:107 H264/90000
a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:108 rtx/90000
a=fmtp:108 apt=107
a=rtpmap:109 H264/90000
a=rtcp-fb:109 ccm fir
a=rtcp-fb:109 nack
a=rtcp-fb:109 nack pli
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:114 H264/90000
a=rtcp-fb:114 nack
a=fmtp:114 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f
a=rtpmap:115 rtx/90000
a=fmtp:115 apt=114
a=rtpmap:116 H264/90000
a=rtcp-fb:116 nack
a=fmtp:116 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f
a=rtpmap:117 H265/90000
a=rtcp-fb:117 nack pli
a=fmtp:117 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST
a=rtpmap:39 AV1/90000
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0
c=IN IP4 0.0.0.0
{_TRANSPORT}
a=mid:1
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
"""

DATA_SECTION = f"""m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
{_TRANSPORT}
a=mid:2
a=sctp-port:5000
"""
