"""One viewer from its answer to its end: ICE, then DTLS, then its tracks. Every wait of it has a deadline in `poll`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from steadycast.egress.core import rtcp
from steadycast.egress.core.budget import Budget
from steadycast.egress.core.outlet import Outlet
from steadycast.egress.fanout import Fanout
from steadycast.egress.options import EgressOptions
from steadycast.egress.webrtc.aioice_parts import StunMessage
from steadycast.egress.webrtc.answer import Plan
from steadycast.egress.webrtc.dtls import DtlsIdentity, DtlsSession
from steadycast.egress.webrtc.feedback import link_of, take
from steadycast.egress.webrtc.ice import Credentials, IceAgent, Remote
from steadycast.egress.webrtc.network import Network
from steadycast.egress.webrtc.srtp import RtcpProtection, RtpProtection, SrtpKeys
from steadycast.egress.webrtc.stream import TrackStream
from steadycast.errors import NotFoundError

REPORT_S = 1.0  # between sender reports


class PeerState(StrEnum):
    """Life of a viewer."""

    NEW = "new"  # answered; nothing came yet
    ICE = "ice"  # the browser's checks come
    DTLS = "dtls"  # it nominated a pair, or its handshake began
    CONNECTED = "connected"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class House:
    """What all viewers of a process share."""

    fanout: Fanout
    network: Network
    identity: DtlsIdentity
    options: EgressOptions
    connected: Callable[[Peer], None]
    gone: Callable[[Peer, str], None]


@dataclass(frozen=True, slots=True)
class PeerStatistics:
    """Counters of a viewer since it came. The last three are what its feedback told last of the picture, None before it
    did: the part that is lost (0 to 1), the round trip, and what the way to it carries, where that showed a limit."""

    viewer: str
    state: PeerState
    remote: str | None
    packets: int
    octets: int
    skipped_frames: int
    resent_packets: int
    queued_bytes: int
    lost_fraction: float | None
    rtt_s: float | None
    estimate_bps: float | None


class Peer:
    """A viewer. Datagrams that are its own come in by `receive_stun` and `receive`; the time by `poll`."""

    def __init__(self, viewer: str, plan: Plan, ssrcs: Mapping[str, int], house: House, now: float) -> None:
        self.viewer = viewer
        self.plan = plan
        self.cname = secrets.token_hex(8)
        self.state = PeerState.NEW
        self.remote: Remote | None = None
        self.agents: list[IceAgent] = []  # the newest last; the one before it only while a restart is going on
        self.known: set[Remote] = set()  # addresses that led here
        self._house = house
        self._ssrcs = ssrcs
        self._dtls: DtlsSession | None = None
        self._rtcp: RtcpProtection | None = None
        self._streams: dict[int, TrackStream] = {}
        self._deadline = now + house.options.handshake_s
        self._heard = now
        self._next_report = 0.0

    # --- ICE ------------------------------------------------------------------------------------------------------

    def add_agent(self, local: Credentials, remote: Credentials) -> IceAgent:
        """Begin a generation of ICE: the first, or a restart, for which media goes on where it goes until then."""
        relay = self._house.network.relay
        agent = IceAgent(local, remote, can_relay=relay is not None and relay.candidate is not None)
        self.agents = [*self.agents[-1:], agent]
        return agent

    def receive_stun(self, agent: IceAgent, message: StunMessage, remote: Remote, now: float) -> bool:
        """Take a message for one of our agents. True if it proved that `remote` is an address of this viewer."""
        datagrams = agent.receive(message, remote, now)
        if datagrams is None:
            return False
        self._house.network.send_all(datagrams)
        self._heard = now
        if self.state is PeerState.NEW:
            self.state = PeerState.ICE
        if agent.selected is not None and agent is self.agents[-1]:
            self.agents = [agent]
            self._follow(agent.selected, now)
        return True

    def _follow(self, remote: Remote, now: float) -> None:
        if remote == self.remote:
            return
        if self.remote is not None:
            self._house.network.forget(self.remote)
        self.remote = remote
        if self.state is PeerState.ICE:
            self.state = PeerState.DTLS
        if self._dtls is None and self.plan.active:
            self._dtls = self._new_dtls()
            self._send_dtls(self._dtls.start(), remote)
        self._connect_if_ready(now)

    # --- DTLS -----------------------------------------------------------------------------------------------------

    def _new_dtls(self) -> DtlsSession:
        fingerprints = self.plan.transport.fingerprints
        return DtlsSession(self._house.identity, active=self.plan.active, fingerprints=fingerprints)

    def _send_dtls(self, datagrams: Sequence[bytes], remote: Remote) -> None:
        for datagram in datagrams:
            self._house.network.send(datagram, remote)

    def receive(self, data: bytes, remote: Remote, now: float) -> None:
        """Take a datagram that is not STUN, from an address of this viewer."""
        first = data[0]
        if 20 <= first <= 63:  # RFC 7983 section 7
            self._receive_dtls(data, remote, now)
        elif 128 <= first <= 191:
            self._receive_rtcp(data, now)

    def _receive_dtls(self, data: bytes, remote: Remote, now: float) -> None:
        if self._dtls is None:
            if self.plan.active:
                return
            self._dtls = self._new_dtls()
        dtls = self._dtls
        self._send_dtls(dtls.receive(data), remote)
        if dtls.closed:
            self.end("the viewer left")
        elif dtls.failed is not None:
            self.end(f"the DTLS handshake failed: {dtls.failed}")
        else:
            self._connect_if_ready(now)

    def _connect_if_ready(self, now: float) -> None:
        keys = self._dtls.keys if self._dtls is not None else None
        if keys is None or self.remote is None or self.state in (PeerState.CONNECTED, PeerState.GONE):
            return
        self.state = PeerState.CONNECTED
        self._heard = now
        self._rtcp = RtcpProtection(keys)
        self._house.connected(self)
        self._open_streams(keys, now)

    # --- media ----------------------------------------------------------------------------------------------------

    def _open_streams(self, keys: SrtpKeys, now: float) -> None:
        protection, options = RtpProtection(keys), self._house.options
        for choice in self.plan.choices.values():
            track = self._house.fanout.track(choice.track)
            if track is None:
                continue
            ssrc = self._ssrcs[choice.track]
            budget = Budget(options.viewer_budget_bytes, options.viewer_stalled_s)
            outlet = Outlet(track, choice.codec.payload_type, budget, ssrc=ssrc)
            protect, extension = protection.stream(ssrc), choice.transport_numbers
            stream = TrackStream(self._house.fanout, outlet, protect, self, self._stream_ended, extension)
            self._streams[ssrc] = stream
            try:
                stream.begin(now)
            except NotFoundError:
                del self._streams[ssrc]
        if not self._streams:
            self.end("its tracks were closed")
        else:
            self._report(now)

    def transmit(self, packets: Sequence[bytes]) -> bool:
        """Send packets to where the viewer is now."""
        return self.remote is not None and self._house.network.send_frame(packets, self.remote)

    def queued(self) -> int:
        """Bytes that wait for this viewer."""
        return self._house.network.queued(self.remote) if self.remote is not None else 0

    def _stream_ended(self, stream: TrackStream, reason: str) -> None:
        stream.end()
        self._streams.pop(stream.outlet.ssrc, None)
        if stream.outlet.stalled or not self._streams:
            self.end(reason)
        else:
            self._send_rtcp(rtcp.bye([stream.outlet.ssrc], self.cname))

    def stream_of(self, key: str) -> TrackStream:
        """The stream of a track. Raises NotFoundError."""
        found = next((stream for stream in self._streams.values() if stream.outlet.track.key == key), None)
        if found is None:
            raise NotFoundError("track.unknown", "The viewer does not get this track.", why=f"The track is {key}.")
        return found

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        # Nothing but RTCP is expected: payload types 64 to 95 of the second byte (RFC 5761 section 4).
        if self._rtcp is None or len(data) < 8 or not 192 <= data[1] <= 223:
            return
        plain = self._rtcp.unprotect(data)
        if plain is None:
            return
        self._heard = now
        for feedback in rtcp.parse(plain):
            take(feedback, self._streams, now)

    def _report(self, now: float) -> None:
        self._next_report = now + REPORT_S
        infos = [stream.report(now) for stream in self._streams.values()]
        packet = b"".join(rtcp.compound(info, self.cname) for info in infos if info is not None)
        if packet:
            self._send_rtcp(packet)

    def _send_rtcp(self, packet: bytes) -> None:
        if self._rtcp is not None and self.remote is not None:
            self._house.network.send(self._rtcp.protect(packet), self.remote)

    # --- time and end ---------------------------------------------------------------------------------------------

    def forgive(self, lost: float, now: float) -> None:
        """This process did not run for `lost` seconds: the viewer could not be heard meanwhile."""
        self._deadline += lost
        self._heard = min(now, self._heard + lost)

    def poll(self, now: float) -> None:
        """What is due: checks, retransmissions, reports, deadlines."""
        for agent in self.agents:
            self._house.network.send_all(agent.poll(now))
        if self.state is PeerState.CONNECTED:
            if now - self._heard > self._house.options.viewer_silence_s:
                self.end("it stopped answering")
            elif now >= self._next_report:
                self._report(now)
            return
        if now >= self._deadline:
            self.end(f"it did not connect within {self._house.options.handshake_s:g} s (state: {self.state})")
        elif self._dtls is not None and self.remote is not None:
            wait = self._dtls.timeout()
            if wait is not None and wait <= 0:
                self._send_dtls(self._dtls.retransmit(), self.remote)

    def end(self, reason: str) -> None:
        """Say goodbye and free everything; the second call does nothing."""
        if self.state is PeerState.GONE:
            return
        self.state = PeerState.GONE
        for stream in self._streams.values():
            stream.end()
        if self.remote is not None:
            if self._streams:
                self._send_rtcp(rtcp.bye(list(self._streams), self.cname))
            if self._dtls is not None:
                self._send_dtls(self._dtls.close(), self.remote)
        for remote in self.known:
            self._house.network.forget(remote)
        self._streams.clear()
        self._dtls = self._rtcp = None
        self._house.gone(self, reason)

    def statistics(self, now: float) -> PeerStatistics:
        """As they are now; what the viewer told long ago is not known any more."""
        link = link_of(self._streams)
        told = link if link is not None and link.fresh(now) else None
        outlets = [stream.outlet for stream in self._streams.values()]
        return PeerStatistics(
            viewer=self.viewer,
            state=self.state,
            remote=self.remote.text if self.remote is not None else None,
            packets=sum(outlet.packets for outlet in outlets),
            octets=sum(outlet.octets for outlet in outlets),
            skipped_frames=sum(outlet.skipped for outlet in outlets),
            resent_packets=sum(stream.resent for stream in self._streams.values()),
            queued_bytes=self.queued(),
            lost_fraction=None if told is None else told.loss,
            rtt_s=None if told is None else told.rtt_s,
            estimate_bps=None if told is None else told.estimate_bps,
        )
