"""A viewer that speaks the whole protocol and decodes nothing: it counts packets, loses some, moves, vanishes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pylibsrtp

from steadycast.egress.webrtc.aioice_parts import binding_request, binding_response, read_stun
from steadycast.egress.webrtc.dtls import DtlsIdentity, DtlsSession
from steadycast.egress.webrtc.sdp import TRANSPORT_NUMBERS
from steadycast.egress.webrtc.srtp import RtcpProtection
from tests.support.narrow_link import feedback

IDENTITY = DtlsIdentity()
_KNOCK_S = 0.1
EXTENSION = 5  # id of the header extension


def padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % 4)


@dataclass(frozen=True)
class Packet:
    ssrc: int
    payload_type: int
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    number: int | None = None  # in the extension for transport-wide feedback


class Socket(asyncio.DatagramProtocol):
    def __init__(self, viewer: LightViewer) -> None:
        self._viewer = viewer

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._viewer.received(data)


@dataclass
class LightViewer:
    """`lose_every` drops each n-th packet that comes; 0 none."""

    setup: str = "actpass"
    packets: list[Packet] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    ufrag: str = field(default_factory=lambda: os.urandom(4).hex())
    pwd: str = field(default_factory=lambda: os.urandom(16).hex())
    came: int = 0
    lose_every: int = 0
    closed: bool = False
    _free: float = 0.0
    _through: list[tuple[int, float]] = field(default_factory=list)
    on_bound: Callable[[tuple[str, int]], Awaitable[object]] | None = None
    path: str = "host"  # kind of the candidate that is used
    video: str = "H264/90000"  # the only encoding of pictures that it takes
    video_fmtp: str | None = "packetization-mode=1;profile-level-id=42e01f"
    narrow_bps: float | None = (
        None  # what the way to it is said to carry, in transport-wide feedback; None: it says none
    )

    def offer(self) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
        for mid, media in enumerate(("video 9 UDP/TLS/RTP/SAVPF 102", "audio 9 UDP/TLS/RTP/SAVPF 111")):
            lines += [f"m={media}", "c=IN IP4 0.0.0.0", f"a=ice-ufrag:{self.ufrag}", f"a=ice-pwd:{self.pwd}"]
            lines += [f"a=fingerprint:sha-256 {IDENTITY.fingerprint}", f"a=setup:{self.setup}", f"a=mid:{mid}"]
            lines += ["a=recvonly", "a=rtcp-mux"]
        lines[14:14] = [f"a=rtpmap:102 {self.video}", *([f"a=fmtp:102 {self.video_fmtp}"] if self.video_fmtp else [])]
        if self.narrow_bps is not None:
            lines[14:14] = [f"a=extmap:{EXTENSION} {TRANSPORT_NUMBERS}", "a=rtcp-fb:102 transport-cc"]
        return "\r\n".join([*lines, "a=rtpmap:111 opus/48000/2"]) + "\r\n"

    async def start(self, answer: str) -> None:
        """Connect as the answer says; raises TimeoutError."""
        self._loop = asyncio.get_running_loop()
        self.learn(answer)
        ssrcs = [int(value) for value in re.findall(r"a=ssrc:(\d+) cname", answer)]
        self.video_ssrc, self.audio_ssrc = ssrcs[0], ssrcs[-1]  # the same where there is no sound
        (fingerprint,) = set(re.findall(r"a=fingerprint:sha-256 (\S+)", answer))
        active = "a=setup:passive" in answer
        self._dtls = DtlsSession(IDENTITY, active=active, fingerprints=(("sha-256", fingerprint),))
        self._active = active
        self._rtcp: RtcpProtection | None = None
        self.ready = asyncio.Event()
        await self.move()
        if active:
            self._send_all(self._dtls.start())
        async with asyncio.timeout(30):
            await self.ready.wait()

    def learn(self, answer: str) -> None:
        """Take the other side's candidate and secrets: from the answer, or from the fragment of a restart."""
        found = re.search(rf"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ {self.path}", answer)
        assert found is not None
        self.host = (found[1], int(found[2]))
        self.their_ufrag = re.findall(r"a=ice-ufrag:(\S+)", answer)[0]
        self.their_pwd = re.findall(r"a=ice-pwd:(\S+)", answer)[0]

    async def move(self) -> None:
        """Nominate a new socket; the old one is closed."""
        old = getattr(self, "_transport", None)
        self._transport, _ = await self._loop.create_datagram_endpoint(
            lambda: Socket(self), local_addr=("::1" if ":" in self.host[0] else "127.0.0.1", 0)
        )
        if old is not None:
            old.close()
        if self.on_bound is not None:
            await self.on_bound(self.address)
        await self.knock()

    async def knock(self) -> None:
        """Check and nominate until it is answered."""
        self._valid = asyncio.Event()
        async with asyncio.timeout(30):
            while not self._valid.is_set():
                self._send(self.check(nominate=True))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._valid.wait(), _KNOCK_S)

    def check(self, *, nominate: bool) -> bytes:
        attributes = {"USERNAME": f"{self.their_ufrag}:{self.ufrag}", "PRIORITY": 1, "ICE-CONTROLLING": 1}
        if nominate:
            attributes["USE-CANDIDATE"] = 1
        return binding_request(os.urandom(12), attributes, self.their_pwd)

    @property
    def address(self) -> tuple[str, int]:
        host, port, *_ = self._transport.get_extra_info("sockname")
        return host, port

    def _send(self, data: bytes) -> None:
        self._transport.sendto(data, self.host)

    def _send_all(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self._send(datagram)

    def received(self, data: bytes) -> None:
        if data[0] < 4:
            self._take_stun(data)
        elif data[0] < 64:
            self._send_all(self._dtls.receive(data))
            self.closed = self.closed or self._dtls.closed
            if self._dtls.keys is not None and self._rtcp is None:
                keys = self._dtls.keys
                self._rtcp = RtcpProtection(keys)
                policy = pylibsrtp.Policy(keys.receiving, pylibsrtp.Policy.SSRC_ANY_INBOUND, 0, keys.profile.libsrtp)
                policy.window_size = 4096
                self._srtp = pylibsrtp.Session(policy)
                self.ready.set()
        elif self._rtcp is not None:
            self._take_media(data, self._rtcp)

    def _take_stun(self, data: bytes) -> None:
        message = read_stun(data)
        assert message is not None
        if message.is_response:
            self._valid.set()
        elif message.is_request and message.is_signed_with(self.pwd):
            self._send(binding_response(message.transaction, self.host, self.pwd))

    def _take_media(self, data: bytes, rtcp: RtcpProtection) -> None:
        if 192 <= data[1] <= 223:
            plain = rtcp.unprotect(data)
            assert plain is not None
            self.reports.append(plain)
            return
        self.came += 1
        if self.lose_every and self.came % self.lose_every == 0:
            return
        plain = bytes(self._srtp.unprotect(data))
        first, second, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", plain)
        number, start = None, 12
        if first & 0x10:
            profile, words, element, number = struct.unpack_from(">HHBH", plain, 12)
            assert (profile, words, element) == (0xBEDE, 1, EXTENSION << 4 | 1)
            start = 20
        self.packets.append(Packet(ssrc, second & 127, sequence, timestamp, second > 127, plain[start:], number))
        if number is not None and self.narrow_bps is not None:
            self._pass(number, len(data), self.narrow_bps)

    def _pass(self, number: int, size: int, bps: float) -> None:
        """Through the narrow part of the way: what comes later than now is told of then."""
        self._free = max(self._free, self._loop.time()) + size * 8 / bps
        self._through.append((number, self._free))

    def tell(self) -> None:
        """Transport-wide feedback of what is through now, as a browser sends some times a second."""
        now = self._loop.time()
        told = [one for one in self._through if one[1] <= now]
        del self._through[: len(told)]
        if told:
            first = told[0][0]
            times: list[float | None] = [None] * (((told[-1][0] - first) & 0xFFFF) + 1)
            for number, came in told:
                times[(number - first) & 0xFFFF] = came
            self.feedback(205, 15, self.video_ssrc, padded(feedback(first, times, int(told[0][1] / 0.064))[8:]))

    def feedback(self, kind: int, form: int, media: int, body: bytes = b"") -> None:
        """Send an RTCP feedback message: 205/1 NACK, 206/1 PLI."""
        assert self._rtcp is not None
        head = struct.pack(">BBHII", 0x80 | form, kind, 2 + len(body) // 4, 1, media)
        self._send(self._rtcp.protect(struct.pack(">BBHI", 0x80, 201, 1, 1) + head + body))

    def nack(self, media: int, lost: list[int]) -> None:
        self.feedback(205, 1, media, b"".join(struct.pack(">HH", number, 0) for number in lost))

    def of(self, ssrc: int) -> list[Packet]:
        return [packet for packet in self.packets if packet.ssrc == ssrc]

    def missing(self, ssrc: int) -> list[int]:
        """Sequence numbers between the first and the newest packet that did not come."""
        numbers = [packet.sequence for packet in self.of(ssrc)]
        have, first = set(numbers), numbers[0]
        newest = max((number - first) & 0xFFFF for number in numbers)
        return [number for number in ((first + i) & 0xFFFF for i in range(newest)) if number not in have]

    def say_goodbye(self) -> None:
        self._send_all(self._dtls.close())

    def vanish(self) -> None:
        """Close the socket without a word."""
        self._transport.close()
