"""WebRTC viewers that only count and check.

`python -m benchmarks.receivers.webrtc (--whep URL | --janus URL) --count N`
Prints one JSON line when all are connected and one for each line that comes on standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import urllib.request
from dataclasses import dataclass

import pylibsrtp

from benchmarks.receivers.counting import StreamCount, datagrams, report, udp_socket
from steadycast.egress.webrtc.aioice_parts import binding_request, binding_response, read_stun
from steadycast.egress.webrtc.dtls import DtlsIdentity, DtlsSession

CONNECT_DEADLINE_S = 60.0
CHECK_EVERY = 64  # packets from one decryption to the next
CONSENT_S = 5.0


@dataclass(frozen=True)
class Remote:
    """What the server's SDP says."""

    ufrag: str
    pwd: str
    fingerprint: tuple[str, str]
    address: tuple[str, int]
    is_active: bool
    mid: str


def read_sdp(sdp: str) -> Remote:
    """The parts of an SDP that a receiver needs; loopback's candidate counts, else the first of IPv4."""
    values: dict[str, str] = {}
    address: tuple[str, int] | None = None
    for line in sdp.splitlines():
        name, _, value = line.removeprefix("a=").partition(":")
        values.setdefault(name, value)
        words = value.split()
        is_udp = name == "candidate" and words[2].lower() == "udp" and ":" not in words[4]
        if is_udp and (address is None or words[4] == "127.0.0.1"):
            address = (words[4], int(words[5]))
    if address is None:
        raise ValueError("no UDP candidate in the answer")
    algorithm, _, digest = values["fingerprint"].partition(" ")
    is_active = values.get("setup", "passive") == "active"
    ufrag, pwd = values["ice-ufrag"], values["ice-pwd"]
    return Remote(ufrag, pwd, (algorithm, digest), address, is_active, values.get("mid", "0"))


class WebrtcReceiver:
    """One viewer: its socket, its ICE checks, its DTLS, its counts."""

    def __init__(self, identity: DtlsIdentity) -> None:
        self.ufrag, self.pwd = secrets.token_hex(4), secrets.token_hex(12)
        self.count = StreamCount()
        self.connected = asyncio.Event()
        self._identity = identity
        self._socket = udp_socket("0.0.0.0")
        self._loop = asyncio.get_running_loop()
        self._remote: Remote | None = None
        self._dtls: DtlsSession | None = None
        self._srtp: pylibsrtp.Session | None = None
        self._payload_type: int | None = None
        self._controlling = True
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def describe(self, setup: str, payload_type: int = 96, mid: str = "0", host: str = "127.0.0.1") -> str:
        """An SDP that receives H.264 and nothing else; `host` is the server's own address."""
        port = self._socket.getsockname()[1]
        lines = ["v=0", f"o=- {secrets.randbits(40)} 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mid}"]
        lines += ["a=msid-semantic: WMS *", f"m=video 9 UDP/TLS/RTP/SAVPF {payload_type}", "c=IN IP4 0.0.0.0"]
        lines += [
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.pwd}",
            f"a=fingerprint:sha-256 {self._identity.fingerprint}",
        ]
        lines += [f"a=setup:{setup}", f"a=mid:{mid}", "a=recvonly", "a=rtcp-mux", f"a=rtpmap:{payload_type} H264/90000"]
        fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
        lines += [
            f"a=fmtp:{payload_type} {fmtp}",
            f"a=rtcp-fb:{payload_type} nack",
            f"a=rtcp-fb:{payload_type} nack pli",
        ]
        lines += [f"a=candidate:1 1 udp 2130706431 {host} {port} typ host", "a=end-of-candidates"]
        return "\r\n".join(lines) + "\r\n"

    def connect(self, sdp: str, *, offered: bool = True) -> None:
        """Begin, with the server's answer, or with its offer where it `offered` and not we."""
        self._remote = read_sdp(sdp)
        self._controlling = offered  # the side that offers nominates (RFC 8445 section 6.1.1)
        active = not self._remote.is_active
        self._dtls = DtlsSession(self._identity, active=active, fingerprints=(self._remote.fingerprint,))
        self._check()

    def _check(self) -> None:
        """A nominating check now and for consent later; quicker until the handshake is done."""
        assert self._remote is not None
        attributes: dict[str, str | int | None] = {
            "USERNAME": f"{self._remote.ufrag}:{self.ufrag}",
            "PRIORITY": 1853824767,
            "ICE-CONTROLLING" if self._controlling else "ICE-CONTROLLED": secrets.randbits(64),
        }
        if self._controlling:
            attributes["USE-CANDIDATE"] = None
        self._send([binding_request(secrets.token_bytes(12), attributes, self._remote.pwd)])
        if self._dtls is not None and self._dtls.keys is None and (self._dtls.timeout() or 1) <= 0:
            self._send(self._dtls.retransmit())
        self._loop.call_later(CONSENT_S if self.connected.is_set() else 0.3, self._check)

    def leave(self) -> None:
        """Say goodbye, so that the server need not wait for our silence."""
        if self._dtls is not None:
            self._send(self._dtls.close())

    def _send(self, flight: list[bytes]) -> None:
        assert self._remote is not None
        for datagram in flight:
            self._socket.sendto(datagram, self._remote.address)

    def _readable(self) -> None:
        for data, address in datagrams(self._socket):
            first = data[0] if data else 0
            if first < 4:
                self._take_stun(data, address)
            elif 20 <= first < 64 and self._dtls is not None:
                self._take_dtls(data)
            elif first >= 128 and not 64 <= (data[1] & 0x7F) < 96:
                self._take_rtp(data)

    def _take_stun(self, data: bytes, address: tuple[str, int]) -> None:
        message = read_stun(data)
        if message is None or self._remote is None:
            return
        if message.is_request:
            self._send([binding_response(message.transaction, address, self.pwd)])
        begins = message.is_response if self._controlling else message.nominates
        if begins and self._dtls is not None and self._dtls.keys is None:
            self._send(self._dtls.start())

    def _take_dtls(self, data: bytes) -> None:
        assert self._dtls is not None
        self._send(self._dtls.receive(data))
        keys = self._dtls.keys
        if keys is not None and not self.connected.is_set():
            inbound = pylibsrtp.Policy.SSRC_ANY_INBOUND
            policy = pylibsrtp.Policy(key=keys.receiving, ssrc_type=inbound, srtp_profile=keys.profile.libsrtp)
            self._srtp = pylibsrtp.Session(policy)
            self.connected.set()

    def _take_rtp(self, data: bytes) -> None:
        if self._payload_type is None:
            self._payload_type = data[1] & 0x7F
        if data[1] & 0x7F != self._payload_type:
            return
        self.count.take(data)
        if self.count.packets % CHECK_EVERY == 1 and self._srtp is not None:
            try:
                self._srtp.unprotect(data)
                self.count.checked += 1
            except pylibsrtp.Error:
                self.count.bad += 1


def post(url: str, body: bytes, content_type: str) -> str:
    request = urllib.request.Request(url, body, {"content-type": content_type})
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(response.read().decode())


async def join_whep(receiver: WebrtcReceiver, url: str) -> None:
    offer = receiver.describe("actpass").encode()
    receiver.connect(await asyncio.to_thread(post, url, offer, "application/sdp"))


async def join_janus(receiver: WebrtcReceiver, url: str) -> None:
    """The streaming plugin of Janus offers; we answer (its HTTP API, long polls)."""

    def ask(path: str, **body: object) -> dict[str, object]:
        message = json.dumps({**body, "transaction": secrets.token_hex(6)}).encode()
        return dict(json.loads(post(url + path, message, "application/json")))

    def handshake() -> tuple[str, str]:
        session = ask("", janus="create")["data"]["id"]  # type: ignore[index]
        plugin = "janus.plugin.streaming"
        handle = ask(f"/{session}", janus="attach", plugin=plugin)["data"]["id"]  # type: ignore[index]
        path = f"/{session}/{handle}"
        ask(path, janus="message", body={"request": "watch", "id": 1})
        while True:
            with urllib.request.urlopen(f"{url}/{session}?maxev=1", timeout=35) as response:
                event = json.load(response)
            if event.get("jsep"):
                return path, event["jsep"]["sdp"]

    path, offer = await asyncio.to_thread(handshake)
    payload_type = next(line.split(":")[1].split()[0] for line in offer.splitlines() if "H264/90000" in line)
    remote = read_sdp(offer)
    answer = receiver.describe("active", int(payload_type), remote.mid, remote.address[0])
    jsep = {"type": "answer", "sdp": answer}
    await asyncio.to_thread(ask, path, janus="message", body={"request": "start"}, jsep=jsep)
    receiver.connect(offer, offered=False)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whep")
    parser.add_argument("--janus")
    parser.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    identity = DtlsIdentity()
    receivers = [WebrtcReceiver(identity) for _ in range(arguments.count)]
    for receiver in receivers:
        if arguments.whep:
            await join_whep(receiver, arguments.whep)
        else:
            await join_janus(receiver, arguments.janus)
        await asyncio.wait_for(receiver.connected.wait(), CONNECT_DEADLINE_S)
    print(json.dumps({"connected": len(receivers)}), flush=True)
    counts = [receiver.count for receiver in receivers]
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(report(counts)), flush=True)
    for receiver in receivers:
        receiver.leave()


if __name__ == "__main__":
    asyncio.run(main())
