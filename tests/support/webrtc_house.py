"""A fan-out with WebRTC in this process, fed with real H.264 and Opus by a GStreamer child."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from steadycast.egress.events import Description, RtspViewer
from steadycast.egress.fanout import Fanout
from steadycast.egress.options import EgressOptions
from steadycast.egress.udp import UdpPort
from steadycast.egress.webrtc.peers import WebrtcPeers
from steadycast.model import Codec, TrackInfo, TrackKind

VIDEO = TrackInfo("main", TrackKind.VIDEO, Codec.H264, 90_000, fmtp={"profile-level-id": "42e01f"})
AUDIO = TrackInfo("audio", TrackKind.AUDIO, Codec.OPUS, 48_000, channels=2)
TRACKS = ("lobby/main", "lobby/audio")

PICTURE = (
    "videotestsrc is-live=true pattern=smpte ! video/x-raw,width=640,height=360,framerate=30/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=1500 threads=1 ! "
    "video/x-h264,profile=constrained-baseline ! h264parse config-interval=-1 ! "
    "rtph264pay pt=96 mtu=1200 aggregate-mode=zero-latency timestamp-offset=0 ! "
    "rtpstreampay ! fdsink fd={video} sync=false "
)
SOUND = (
    "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! "
    "rtpopuspay pt=97 timestamp-offset=0 ! rtpstreampay ! fdsink fd={audio} sync=false"
)


@dataclass
class Told:
    """What the egress said; an `EgressEvents`."""

    connected: list[tuple[str, str]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    keyframes: list[str] = field(default_factory=list)

    async def describe(self, path: str, hold: str, remote: str) -> Description:
        raise AssertionError("nobody asks for RTSP here")

    def hold_gone(self, hold: str) -> None: ...

    def viewer_joined(self, viewer: RtspViewer) -> None: ...

    def viewer_connected(self, viewer: str, remote: str) -> None:
        self.connected.append((viewer, remote))

    def viewer_gone(self, viewer: str, reason: str) -> None:
        self.gone.append((viewer, reason))

    def keyframe_wanted(self, track: str) -> None:
        self.keyframes.append(track)

    def bus_taken(self, track: str, bus: str) -> None: ...

    def bus_lost(self, track: str) -> None: ...


@dataclass
class House:
    """The parts under test."""

    fanout: Fanout
    port: UdpPort
    peers: WebrtcPeers
    told: Told

    def open_buses(self, epoch: str = "one") -> tuple[socket.socket, socket.socket]:
        """Open both tracks; the ends to write RTP (RFC 4571) into."""
        writers = []
        for key, info in zip(TRACKS, (VIDEO, AUDIO), strict=True):
            reader, writer = socket.socketpair()
            self.fanout.open_bus(key, epoch, info, reader)
            writers.append(writer)
        return writers[0], writers[1]


@contextlib.asynccontextmanager
async def house(options: EgressOptions | None = None) -> AsyncIterator[House]:
    """A fan-out and its WebRTC side on a free port of loopback."""
    options = options or EgressOptions()
    told = Told()
    fanout = Fanout(options.history_bytes, options.gop_bytes, told.keyframe_wanted, told.bus_lost)
    receivers: list[WebrtcPeers] = []
    port = UdpPort.open(
        options.host, options.udp_ports, lambda data, address: receivers[0].receive(data, address), 4_194_304
    )
    peers = WebrtcPeers(fanout, port, options, told)
    receivers.append(peers)
    try:
        yield House(fanout, port, peers, told)
    finally:
        await peers.close()
        fanout.close()
        port.close()


@contextlib.asynccontextmanager
async def playing(home: House, picture: str = PICTURE, sound: str = SOUND) -> AsyncIterator[None]:
    """Feed both tracks from a GStreamer child."""
    writers = home.open_buses()
    line = (picture + sound).format(video=writers[0].fileno(), audio=writers[1].fileno())
    child = await asyncio.create_subprocess_exec(
        "gst-launch-1.0", "-q", *line.split(), pass_fds=[writer.fileno() for writer in writers]
    )
    for writer in writers:
        writer.close()
    try:
        yield
    finally:
        child.kill()
        await child.wait()


async def until(condition: Callable[[], object], what: str, deadline_s: float = 30.0) -> None:
    """Wait for a state, or fail with its name."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what
