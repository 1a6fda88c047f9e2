"""A real RTSP server on a real fan-out, fed by a GStreamer process that makes H.264 and Opus on two buses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from steadycast.egress.events import DescribedTrack, Description, RtspViewer
from steadycast.egress.fanout import Fanout
from steadycast.egress.options import EgressOptions
from steadycast.egress.rtsp.server import RtspServer
from steadycast.errors import NotFoundError, RefusedError
from steadycast.model import Codec, TrackInfo, TrackKind

DEADLINE_S = 40.0

VIDEO = TrackInfo("main", TrackKind.VIDEO, Codec.H264, 90000, width=320, height=240, fps=30, reorders=False)
AUDIO = TrackInfo("audio", TrackKind.AUDIO, Codec.OPUS, 48000, channels=2)
HEVC = TrackInfo("hevc", TrackKind.VIDEO, Codec.H265, 90000, width=320, height=240, fps=15, reorders=False)

_PAY = "config-interval=-1 aggregate-mode=zero-latency mtu=1200 timestamp-offset=0 seqnum-offset=0"


def video_branch(descriptor: int, kbps: int = 800) -> str:
    """A ball; noise where more bits are asked for than a ball needs."""
    pattern = "ball" if kbps < 2000 else "snow"
    return (
        f"videotestsrc is-live=true pattern={pattern} "
        "! video/x-raw,format=I420,width=320,height=240,framerate=30/1 "
        f"! x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max=30 bitrate={kbps} "
        f"! video/x-h264,profile=constrained-baseline ! rtph264pay {_PAY} "
        f"! rtpstreampay ! fdsink fd={descriptor} sync=false async=false"
    )


def audio_branch(descriptor: int) -> str:
    return (
        "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc "
        "! rtpopuspay timestamp-offset=0 seqnum-offset=0 "
        f"! rtpstreampay ! fdsink fd={descriptor} sync=false async=false"
    )


def hevc_branch(descriptor: int) -> str:
    return (
        "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 "
        "! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15 "
        "option-string=pools=none:frame-threads=1:open-gop=0:repeat-headers=1 "
        f"! h265parse ! rtph265pay {_PAY} ! rtpstreampay ! fdsink fd={descriptor} sync=false async=false"
    )


@dataclass
class World:
    """What the server asks and tells, remembered."""

    lobbies: dict[str, Description] = field(default_factory=dict)
    holds: list[str] = field(default_factory=list)
    ended_holds: list[str] = field(default_factory=list)
    joined: list[RtspViewer] = field(default_factory=list)
    gone: dict[str, str] = field(default_factory=dict)
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    async def describe(self, path: str, hold: str, remote: str) -> Description:
        if path == "busy":
            raise RefusedError("lobby.full", "no encoder is free", why="both are in use", retry_after=7)
        if path == "slow":
            self.holds.append(hold)
            await self.slow.wait()
            return self.lobbies["test"]
        if path not in self.lobbies:
            raise NotFoundError("lobby.unknown", "there is no such lobby")
        self.holds.append(hold)
        return self.lobbies[path]

    def hold_gone(self, hold: str) -> None:
        assert hold in self.holds and hold not in self.ended_holds
        self.ended_holds.append(hold)

    def viewer_joined(self, viewer: RtspViewer) -> None:
        self.joined.append(viewer)

    def viewer_connected(self, viewer: str, remote: str) -> None:
        raise AssertionError("for WHEP only")

    def viewer_gone(self, viewer: str, reason: str) -> None:
        assert viewer not in self.gone
        self.gone[viewer] = reason

    def keyframe_wanted(self, track: str) -> None: ...

    def bus_taken(self, track: str, bus: str) -> None: ...

    def bus_lost(self, track: str) -> None: ...

    @property
    def open_holds(self) -> int:
        return len(self.holds) - len(self.ended_holds)

    @property
    def watching(self) -> int:
        return len(self.joined) - len(self.gone)


@dataclass
class House:
    server: RtspServer
    fanout: Fanout
    world: World
    port: int
    source: asyncio.subprocess.Process

    def url(self, path: str = "test") -> str:
        return f"rtsp://127.0.0.1:{self.port}/{path}"

    async def quiet(self) -> None:
        """Wait until nobody is connected and nothing is held."""
        await until(lambda: self.state() == (0, 0, 0, 0, 0), f"everything gone: {self.state()}")

    def state(self) -> tuple[int, int, int, int, int]:
        """Connections, sessions, UDP addresses, subscribers, holds."""
        now = self.server.statistics()
        assert now is not None
        subscribers = self.fanout.statistics().subscribers
        return now.connections, now.sessions, now.udp_addresses, subscribers, self.world.open_holds


@asynccontextmanager
async def open_house(
    options: EgressOptions | None = None, *, hevc: bool = False, kbps: int = 800
) -> AsyncIterator[House]:
    """The server with the lobbies `test` (picture and sound), `test/mute` (picture), and `hevc` where asked for."""
    options = options or EgressOptions()
    world = World()
    fanout = Fanout(options.history_bytes, options.gop_bytes, lambda key: None, lambda key: None)
    wanted: dict[str, tuple[TrackInfo, Callable[[int], str]]] = {
        "l1/main": (VIDEO, lambda fd: video_branch(fd, kbps)),
        "l1/audio": (AUDIO, audio_branch),
    }
    if hevc:
        wanted["l2/hevc"] = (HEVC, hevc_branch)
    child = await start_source(fanout, wanted)
    tracks = {key: DescribedTrack(key, info) for key, (info, _) in wanted.items()}
    world.lobbies["test"] = Description("l1", "A test", (tracks["l1/main"], tracks["l1/audio"]))
    world.lobbies["test/mute"] = Description("l1", "A test", (tracks["l1/main"],))
    if hevc:
        world.lobbies["hevc"] = Description("l2", "H.265", (tracks["l2/hevc"],))
    listener = socket.create_server(
        (options.host, 0), family=socket.AF_INET6 if ":" in options.host else socket.AF_INET
    )
    port = listener.getsockname()[1]
    server = RtspServer(fanout, listener, options, world)
    await server.start()
    try:
        for key in wanted:
            await until(lambda key=key: frames_of(fanout, key) > 0, f"frames of {key}")  # type: ignore[misc]
        yield House(server, fanout, world, port, child)
    finally:
        await server.close()
        fanout.close()
        if child.returncode is None:
            child.kill()
        await child.wait()


def frames_of(fanout: Fanout, key: str) -> int:
    track = fanout.track(key)
    return 0 if track is None or track.latest is None else 1


async def start_source(
    fanout: Fanout, wanted: dict[str, tuple[TrackInfo, Callable[[int], str]]]
) -> asyncio.subprocess.Process:
    """One GStreamer process with a bus for each track."""
    pairs = {key: socket.socketpair() for key in wanted}
    words = " ".join(branch(pairs[key][1].fileno()) for key, (_, branch) in wanted.items())
    child = await asyncio.create_subprocess_exec(
        "gst-launch-1.0",
        "-q",
        *words.split(),
        pass_fds=[theirs.fileno() for _, theirs in pairs.values()],
        stdin=asyncio.subprocess.DEVNULL,
    )
    for key, (ours, theirs) in pairs.items():
        theirs.close()
        fanout.open_bus(key, str(child.pid), wanted[key][0], ours)
    return child


async def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a state; AssertionError if it does not come in time."""
    end = asyncio.get_running_loop().time() + deadline_s
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"did not come within {deadline_s:g} s: {what}"
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def run(*words: str, deadline_s: float = 60.0, user: int | None = None) -> Ran:
    """Run a program to its end."""
    child = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        user=user,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), deadline_s)
    except TimeoutError:
        child.kill()
        out, err = await child.communicate()
        raise AssertionError(f"{words[0]} did not end: {err.decode(errors='replace')[-2000:]}") from None
    return Ran(child.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))


def descriptors() -> int:
    """Open descriptors of this process."""
    return len(tuple(Path("/proc/self/fd").iterdir()))


def with_silence(seconds: float, **more: int) -> EgressOptions:
    return replace(EgressOptions(viewer_silence_s=seconds), **more)  # type: ignore[arg-type]


class RawClient:
    """A client that says exactly what a test wants, and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.number = 0
        self.packets: list[tuple[int, bytes]] = []

    @classmethod
    async def connect(cls, port: int, host: str = "127.0.0.1") -> RawClient:
        return cls(*await asyncio.open_connection(host, port))

    async def ask(self, method: str, url: str, body: bytes = b"", /, **headers: str) -> Reply:
        self.number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.number}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await self.reply()

    async def reply(self) -> Reply:
        """The next answer; packets before it go to `packets`."""
        async with asyncio.timeout(DEADLINE_S):
            while (first := await self.reader.readexactly(1)) == b"$":
                await self._take_packet()
            head = first + await self.reader.readuntil(b"\r\n\r\n")
            status, *rest = head.decode().strip().split("\r\n")
            pairs = [line.partition(": ") for line in rest]
            headers = {name.lower(): value for name, _, value in pairs}
            everything = [(name.lower(), value) for name, _, value in pairs]
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(status.split(" ")[1]), headers, everything, body.decode())

    async def packet(self) -> tuple[int, bytes]:
        """The next packet inside the connection."""
        if not self.packets:
            async with asyncio.timeout(DEADLINE_S):
                assert await self.reader.readexactly(1) == b"$"
                await self._take_packet()
        return self.packets.pop(0)

    async def both_tracks(self) -> None:
        """Read until packets of the channels 0 and 2 came."""
        seen: set[int] = set()
        while not {0, 2} <= seen:
            seen.add((await self.packet())[0])

    async def _take_packet(self) -> None:
        head = await self.reader.readexactly(3)
        payload = await self.reader.readexactly(int.from_bytes(head[1:], "big"))
        self.packets.append((head[0], payload))

    async def ended(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    all_headers: list[tuple[str, str]]
    body: str

    @property
    def session(self) -> str:
        return self.headers["session"].partition(";")[0]
