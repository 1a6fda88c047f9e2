"""A session with its tracks: set up one by one, played, paused and ended together."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from steadycast.egress.events import Description, RtspViewer
from steadycast.egress.rtsp.address import TRACK_PREFIX
from steadycast.egress.rtsp.feed import Beginning, FeedPlan, TrackFeed
from steadycast.egress.rtsp.lanes import ChannelLane, Lane, UdpLane
from steadycast.egress.rtsp.parts import ServerParts
from steadycast.egress.rtsp.session import Session, State
from steadycast.egress.rtsp.transport import Transport, UdpPorts
from steadycast.egress.stock import Watcher
from steadycast.egress.udp import Address
from steadycast.model import Protocol


@dataclass(frozen=True, slots=True)
class Hold:
    """A description that the world around keeps tracks open for. `name` is told to `hold_gone` when it is let go."""

    name: str
    path: str
    description: Description


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end. `alive` is called whenever it gives a sign of life outside its connection."""

    transport: asyncio.Transport
    peer: Address
    alive: Callable[[], None]

    @property
    def remote(self) -> str:
        host, port = self.peer[0], self.peer[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class PlaybackStatistics:
    """Counters of one viewer. `skipped` are frames that it did not get; `queued_bytes` wait to be sent."""

    viewer: str
    lobby: str
    remote: str
    transport: str
    playing: bool
    packets: int
    octets: int
    skipped: int
    queued_bytes: int


class Playback:
    """One session's media. `on_end` hears the reason when the stream, not the client, ends it."""

    def __init__(self, parts: ServerParts, hold: Hold, client: Client, on_end: Callable[[str], None]) -> None:
        self.hold = hold
        self.session = Session(secrets.token_hex(12), hold.path)
        self.viewer = secrets.token_hex(8)
        self._parts = parts
        self._client = client
        self._feeds: dict[int, TrackFeed] = {}
        self._joined: float | None = None  # Unix seconds
        self._ended = False
        self._plan = FeedPlan(
            parts.fanout,
            parts.newest,
            parts.options.viewer_budget_bytes,
            parts.options.viewer_stalled_s,
            hold.description.lobby,
            on_end,
        )
        parts.playbacks[self.viewer] = self

    def set_up(self, index: int, way: Transport, ssrc: int) -> str:
        """Agree on how a track travels (again, if it was set up before); the Transport header of the answer."""
        self.drop(index)
        feed = TrackFeed(self.hold.description.tracks[index].key, self._lane(index, way), self._plan)
        self._feeds[index] = feed
        self.session.transports[index] = way
        return feed.lane.spell(ssrc)

    def _lane(self, index: int, way: Transport) -> Lane:
        if not isinstance(way, UdpPorts):
            return ChannelLane(self._client.transport, way)
        return UdpLane(self._parts.ports, self._client.peer, way, lambda data: self._heard(index, data))

    def drop(self, index: int) -> bool:
        """Undo a set-up. False: no track is left."""
        self.session.transports.pop(index, None)
        if (feed := self._feeds.pop(index, None)) is not None:
            feed.end()
        return bool(self._feeds)

    def prepare(self, base: str, now: float) -> str:
        """Begin to play; `send` must follow before the loop goes on. The RTP-Info header; raises NotFoundError."""
        beginnings = {index: feed.prepare(now) for index, feed in sorted(self._feeds.items())}
        # One moment for all tracks, before which no packet of any of them will be: what comes is newer than the newest.
        moments = [
            self._feeds[index].newest_moment if b.moment is None else b.moment for index, b in beginnings.items()
        ]
        moment = min((known for known in moments if known is not None), default=None)
        self.session.state = State.PLAYING
        urls = [self._spell_beginning(base, index, beginning, moment) for index, beginning in beginnings.items()]
        return ",".join(url for url in urls if url)

    def _spell_beginning(self, base: str, index: int, beginning: Beginning, moment: float | None) -> str:
        stamp = beginning.timestamp if beginning.moment == moment else None
        if stamp is None and moment is not None:
            stamp = self._feeds[index].timestamp_at(moment)
        parts = [f"url={base}/{TRACK_PREFIX}{index}"]
        if beginning.sequence is not None:
            parts.append(f"seq={beginning.sequence}")
        if stamp is not None:
            parts.append(f"rtptime={stamp}")
        return ";".join(parts) if len(parts) > 1 else ""

    def send(self, now: float) -> None:
        """Send what was prepared, and say that a viewer is here if it is its first time."""
        if self._joined is None:
            self._joined = time.time()
            self._parts.events.viewer_joined(self._describe_viewer())
        for feed in tuple(self._feeds.values()):
            feed.begin(now)

    def _describe_viewer(self) -> RtspViewer:
        return RtspViewer(
            self.viewer, self.hold.description.lobby, self._keys(), self._client.remote, self.way, self.hold.name
        )

    def _keys(self) -> tuple[str, ...]:
        tracks = self.hold.description.tracks
        return tuple(tracks[index].key for index in sorted(self._feeds))

    def held(self) -> Watcher | None:
        """The viewer; None before it was told of as one."""
        if self._joined is None:
            return None
        return Watcher(
            self.viewer, Protocol.RTSP, self._keys(), self._joined, True, self._client.remote, self.way,
            hold=self.hold.name,
        )  # fmt: skip

    @property
    def way(self) -> str:
        """`udp` or `tcp`; of a client that mixes them, `udp`."""
        udp = any(isinstance(way, UdpPorts) for way in self.session.transports.values())
        return "udp" if udp else "tcp"

    @property
    def joined(self) -> bool:
        """It was told of as a viewer."""
        return self._joined is not None

    def pause(self) -> None:
        for feed in self._feeds.values():
            feed.pause()
        self.session.state = State.READY

    def heard_channel(self, channel: int, data: bytes) -> None:
        """A packet that the client sent inside its connection."""
        for feed in self._feeds.values():
            if isinstance(feed.lane, ChannelLane) and feed.lane.channels.rtcp == channel:
                feed.heard(data, asyncio.get_running_loop().time())

    def _heard(self, index: int, data: bytes) -> None:
        self._client.alive()
        if (feed := self._feeds.get(index)) is not None:
            feed.heard(data, asyncio.get_running_loop().time())

    def report(self, now: float) -> None:
        """Sender reports that are due although no frame came."""
        if self.session.state is State.PLAYING:
            for feed in self._feeds.values():
                feed.report_if_due(now)

    def end(self, reason: str) -> None:
        """BYE on all tracks, everything let go; told once. Doing it again is no error."""
        if self._ended:
            return
        self._ended = True
        for index in tuple(self._feeds):
            self.drop(index)
        self._parts.playbacks.pop(self.viewer, None)
        if self.joined:
            self._parts.events.viewer_gone(self.viewer, reason)

    def statistics(self) -> PlaybackStatistics:
        feeds = tuple(self._feeds.values())
        return PlaybackStatistics(
            viewer=self.viewer,
            lobby=self.hold.description.lobby,
            remote=self._client.remote,
            transport=self.way,
            playing=self.session.state is State.PLAYING,
            packets=sum(feed.packets for feed in feeds),
            octets=sum(feed.octets for feed in feeds),
            skipped=sum(feed.skipped for feed in feeds),
            queued_bytes=max((feed.lane.queued() for feed in feeds), default=0),
        )
