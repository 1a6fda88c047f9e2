"""All WebRTC viewers of an egress process: who gets which datagram of the one socket, and what is due when."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from steadycast.egress.events import EgressEvents
from steadycast.egress.fanout import Fanout
from steadycast.egress.options import EgressOptions
from steadycast.egress.stock import Watcher
from steadycast.egress.udp import Address, UdpPort
from steadycast.egress.webrtc.addresses import LocalAddresses
from steadycast.egress.webrtc.aioice_parts import read_stun
from steadycast.egress.webrtc.answer import LocalSide, Plan, plan_answer, write_answer
from steadycast.egress.webrtc.candidate import Candidate
from steadycast.egress.webrtc.directory import Directory
from steadycast.egress.webrtc.dtls import DtlsIdentity
from steadycast.egress.webrtc.fragment import parse_fragment, write_fragment
from steadycast.egress.webrtc.ice import Credentials, IceAgent, Remote, new_credentials
from steadycast.egress.webrtc.peer import House, Peer, PeerState, PeerStatistics
from steadycast.egress.webrtc.sdp import offered_codecs
from steadycast.egress.webrtc.sdp_text import malformed
from steadycast.errors import ConflictError, DeadlineError, NotFoundError, RefusedError
from steadycast.model import Protocol, TrackInfo
from steadycast.patience import OwnTime, patience

logger = logging.getLogger("steadycast.egress.webrtc")

TURN_S = 5.0  # from an order to turn to another track until its keyframe: it is asked for at once
MOST_HANDSHAKES = 1024  # viewers that were answered and have not connected yet
_TICK_S = 0.05  # while somebody connects: checks are paced by it
_IDLE_TICK_S = 0.25  # while all are connected
_STEP_S = 1.0  # a tick that comes twice as late as this tells that this process did not run


@dataclass(frozen=True, slots=True)
class WebrtcStatistics:
    """`connecting` and `connected` are viewers now; the others count since the start."""

    connecting: int
    connected: int
    offers: int
    handshakes: int
    strangers: int  # datagrams that were nobody's
    directory: int  # entries that lead datagrams to viewers
    peers: tuple[PeerStatistics, ...]


class WebrtcPeers:
    """Viewers by id. `port` hands what it receives to `receive`."""

    def __init__(self, fanout: Fanout, port: UdpPort, options: EgressOptions, events: EgressEvents) -> None:
        self._loop = asyncio.get_running_loop()
        self._fanout = fanout
        self._events = events
        self._identity = DtlsIdentity()
        self._local = LocalAddresses(port, options, self._take)
        self._house = House(fanout, self._local.network, self._identity, options, self._peer_connected, self._peer_gone)
        self._peers: dict[str, Peer] = {}
        self._watchers: dict[str, Watcher] = {}  # as they came; what is known of them later is with the peer
        self._connecting: set[str] = set()
        self._directory = Directory()
        self._timer: asyncio.TimerHandle | None = None
        self._time: OwnTime | None = None  # while there are viewers
        self._step = max(_IDLE_TICK_S, min(_STEP_S, options.viewer_silence_s / 4, options.handshake_s / 4))
        self._offers = self._handshakes = self._strangers = 0

    # --- signalling -----------------------------------------------------------------------------------------------

    async def offer(
        self, viewer: str, tracks: Sequence[str], sdp: str, etag: str | None = None, remote: str | None = None
    ) -> str:
        """Answer an offer for these tracks (keys); `etag` and `remote` are kept for `held`.

        Raises CallerError, NotFoundError, ConflictError, RefusedError.
        """
        plan = plan_answer(offered_codecs(sdp), self._infos(tracks))
        await self._local.ready()
        if viewer in self._peers:
            raise ConflictError("viewer.exists", "There is a viewer of this name already.")
        if len(self._connecting) >= MOST_HANDSHAKES:
            raise RefusedError(
                "webrtc.busy",
                "Too many viewers are connecting right now.",
                why=f"{MOST_HANDSHAKES} were answered and have not connected yet.",
                hint="Try again shortly.",
                retry_after=self._house.options.handshake_s,
            )
        return self._admit(Watcher(viewer, Protocol.WHEP, tuple(tracks), time.time(), False, remote, None, etag), plan)

    def _infos(self, tracks: Sequence[str]) -> dict[str, TrackInfo]:
        infos = {}
        for key in tracks:
            track = self._fanout.track(key)
            if track is None:
                raise NotFoundError("track.unknown", "This track is not open here.", why=f"The track is {key}.")
            infos[key] = track.info
        return infos

    def _admit(self, came: Watcher, plan: Plan) -> str:
        now, viewer = self._loop.time(), came.viewer
        self._offers += 1
        ssrcs = self._ssrcs(plan)
        peer = Peer(viewer, plan, ssrcs, self._house, now)
        self._peers[viewer] = peer
        self._watchers[viewer] = came
        self._connecting.add(viewer)
        transport = plan.transport
        local = self._begin(peer, Credentials(transport.ufrag, transport.pwd), transport.candidates)
        side = LocalSide(
            session_id=secrets.randbits(62),
            ufrag=local.ufrag,
            pwd=local.pwd,
            fingerprint=self._identity.fingerprint,
            cname=peer.cname,
            ssrcs=ssrcs,
            candidates=self._local.candidates(now),
        )
        self._schedule()
        return write_answer(plan, side)

    def _ssrcs(self, plan: Plan) -> dict[str, int]:
        numbers: set[int] = set()
        while len(numbers) < len(plan.choices):
            numbers.add(1 + secrets.randbelow(2**32 - 1))
        return dict(zip((choice.track for choice in plan.choices.values()), numbers, strict=True))

    def _begin(self, peer: Peer, transport: Credentials, candidates: Sequence[Candidate]) -> Credentials:
        """Begin a generation of ICE: ours for theirs."""
        local = new_credentials()
        old = peer.agents
        agent = peer.add_agent(local, transport)
        self._directory.add_agent(peer, agent)
        self._drop_agents(peer, old)
        self._add_candidates(agent, candidates)
        return local

    def _drop_agents(self, peer: Peer, before: Sequence[IceAgent]) -> None:
        for agent in before:
            if agent not in peer.agents:
                self._directory.remove_agent(agent)

    def _add_candidates(self, agent: IceAgent, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            if self._house.network.reaches(candidate.address):
                agent.add_candidate(candidate)

    async def patch(self, viewer: str, fragment: str, etag: str | None = None) -> str | None:
        """Take trickled candidates, or restart ICE and answer with our new side, which `etag` names from then on.

        Raises CallerError, NotFoundError.
        """
        peer = self._peers.get(viewer)
        if peer is None:
            raise NotFoundError("viewer.unknown", "There is no such viewer.")
        read = parse_fragment(fragment)
        newest = peer.agents[-1]
        if read.ufrag is None or read.ufrag == newest.remote.ufrag:
            self._add_candidates(newest, read.candidates)
            return None
        if read.pwd is None:
            raise malformed("An ICE restart needs a=ice-pwd with the new a=ice-ufrag.")
        local = self._begin(peer, Credentials(read.ufrag, read.pwd), read.candidates)
        if etag is not None:
            self._watchers[viewer] = replace(self._watchers[viewer], etag=etag)
        carrier = peer.plan.offer.media[min(peer.plan.choices)]
        candidates = self._local.candidates(self._loop.time())
        return write_fragment(local.ufrag, local.pwd, candidates, (carrier.kind, carrier.mid))

    async def end(self, viewer: str, reason: str) -> None:
        """End a viewer; an unknown one is no error."""
        peer = self._peers.get(viewer)
        if peer is not None:
            peer.end(reason)

    async def turn(self, viewer: str, before: str, after: str) -> None:
        """Give a viewer another track in place of one (keys) from its next keyframe on; answers then.

        Raises NotFoundError, ConflictError, DeadlineError; it goes on as it was.
        """
        if (peer := self._peers.get(viewer)) is None:
            raise NotFoundError("viewer.unknown", "There is no such viewer.")
        stream, turned = peer.stream_of(before), asyncio.Event()
        stream.turn(after, turned.set)
        try:
            async with patience(TURN_S):
                await turned.wait()
        except TimeoutError:
            stream.stay()
            what = f"No keyframe of the other track came within {TURN_S:g} s."
            raise DeadlineError("viewer.not_turned", what, retry_after=TURN_S) from None
        if (came := self._watchers.get(viewer)) is not None:
            tracks = tuple(after if key == before else key for key in came.tracks)
            self._watchers[viewer] = replace(came, tracks=tracks)

    # --- datagrams ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, address: Address) -> None:
        """Take a datagram of the shared socket. Never raises, whatever it holds."""
        self._take(data, Remote(address[0], address[1]))

    def _take(self, data: bytes, remote: Remote) -> None:
        try:
            if data and data[0] < 4:  # RFC 7983 section 7
                self._take_stun(data, remote)
                return
            peer = self._directory.at(remote)
            if peer is None or not data:
                self._strangers += 1
            else:
                peer.receive(data, remote, self._loop.time())
        except Exception:
            logger.exception("a datagram could not be taken", extra={"bytes": len(data)})

    def _take_stun(self, data: bytes, remote: Remote) -> None:
        now = self._loop.time()
        message = read_stun(data)
        owner = self._directory.addressed(message) if message is not None else None
        if message is None or owner is None:
            if message is None or not self._local.receive(message, remote, now):
                self._strangers += 1
            return
        peer, agent = owner
        before = peer.agents
        if peer.receive_stun(agent, message, remote, now) and peer.state is not PeerState.GONE:
            self._directory.add_address(peer, remote)
        self._drop_agents(peer, before)

    # --- time and end ---------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """One timer for all viewers, and none while there is no viewer."""
        if not self._peers:
            self._time = None
        elif self._timer is None:
            self._time = self._time or OwnTime(self._loop.time(), self._step)
            self._timer = self._loop.call_later(_TICK_S if self._connecting else _IDLE_TICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        lost = 0.0 if self._time is None else self._time.look(now)
        for peer in list(self._peers.values()):
            if lost:
                peer.forgive(lost, now)
            peer.poll(now)
        self._schedule()

    def _peer_connected(self, peer: Peer) -> None:
        self._connecting.discard(peer.viewer)
        self._handshakes += 1
        if peer.remote is not None:
            self._events.viewer_connected(peer.viewer, peer.remote.text)

    def _peer_gone(self, peer: Peer, reason: str) -> None:
        self._directory.remove(peer)
        self._connecting.discard(peer.viewer)
        self._peers.pop(peer.viewer, None)
        self._watchers.pop(peer.viewer, None)
        self._events.viewer_gone(peer.viewer, reason)

    async def close(self) -> None:
        """End all viewers and give back what is lent from servers."""
        for peer in list(self._peers.values()):
            peer.end("the host is closing")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._local.close()

    def held(self) -> tuple[Watcher, ...]:
        """The viewers as they are now."""
        return tuple(self._held(self._peers[viewer], came) for viewer, came in self._watchers.items())

    def _held(self, peer: Peer, came: Watcher) -> Watcher:
        if peer.state is not PeerState.CONNECTED or peer.remote is None:
            return came
        return replace(came, connected=True, remote=peer.remote.text, transport="udp")

    def statistics(self) -> WebrtcStatistics:
        return WebrtcStatistics(
            connecting=len(self._connecting),
            connected=len(self._peers) - len(self._connecting),
            offers=self._offers,
            handshakes=self._handshakes,
            strangers=self._strangers,
            directory=len(self._directory),
            peers=tuple(peer.statistics(self._loop.time()) for peer in self._peers.values()),
        )
