"""A real lobby worker as the control plane has it, and readers of its tracks that look at every packet."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadycast.config.settings import WorkerSettings
from steadycast.model import Codec, EncoderOrder, EncoderReport, Rendition, Source, TrackInfo, WorkerKind
from steadycast.vendors.table import row
from steadycast.workers.channel import Descriptors
from steadycast.workers.codec import from_plain
from steadycast.workers.evidence import EvidenceFolder
from steadycast.workers.messages import (
    AttachReader,
    EncoderReported,
    OpenRendition,
    RenditionFailed,
    ShowSource,
    SourceFailed,
    SourceReady,
)
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker
from tests.support import outside

GENEROUS_S = 60.0
HALF = 1 << 31


@dataclass(frozen=True)
class Packet:
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes


def software(codec: Codec) -> EncoderOrder:
    """A software encoder that tests may count on."""
    entry = {Codec.H264: "x264", Codec.H265: "x265", Codec.AV1: "aom", Codec.VP8: "vp8", Codec.VP9: "vp9"}[codec]
    return ordered(entry)


def ordered(entry: str, **more: Any) -> EncoderOrder:
    """An order for a row of the table."""
    found = row(entry)
    assert found is not None, entry
    order = EncoderOrder(found.family, found.family, found.codec, entry, found.elements)
    return dataclasses.replace(order, **more)


class Reader:
    """The other end of a bus: RTP in RFC 4571 framing. Keeps all packets that came."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._rest = b""
        self.packets: list[Packet] = []
        self.ended = False

    async def until(self, enough: Callable[[Reader], bool], seconds: float = GENEROUS_S) -> None:
        """Read until `enough`, or the end of the stream; TimeoutError where neither comes."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds):
            while not enough(self) and not self.ended:
                data = await loop.sock_recv(self._sock, 1 << 20)
                self.ended = not data
                self._take(data)

    async def frames(self, count: int) -> None:
        await self.until(lambda reader: len(reader.timestamps()) >= count)
        assert not self.ended, "the bus ended"

    def _take(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= 2:
            (size,) = struct.unpack_from(">H", self._rest)
            if len(self._rest) < 2 + size:
                return
            packet, self._rest = self._rest[2 : 2 + size], self._rest[2 + size :]
            flags, kind, sequence, timestamp, _ = struct.unpack_from(">BBHII", packet)
            assert flags >> 6 == 2, "no RTP"
            self.packets.append(Packet(sequence, timestamp, bool(kind & 0x80), packet[12:]))

    def timestamps(self) -> list[int]:
        """One for each frame, in the order they came."""
        return [key for key, _ in itertools.groupby(packet.timestamp for packet in self.packets)]

    def steps(self) -> list[int]:
        """From frame to frame, signed, in units of the clock rate."""
        times = self.timestamps()
        return [((b - a + HALF) & 0xFFFFFFFF) - HALF for a, b in itertools.pairwise(times)]

    def gaps(self) -> int:
        numbers = [packet.sequence for packet in self.packets]
        return sum((b - a) & 0xFFFF != 1 for a, b in itertools.pairwise(numbers))

    def starts_with_keyframe(self, codec: Codec) -> bool:
        """Whether the first packet is a parameter set: STAP-A (24), SPS (7); AP (48), VPS (32)."""
        first = self.packets[0].payload[0]
        return first & 0x1F in (24, 7) if codec is Codec.H264 else (first >> 1) & 0x3F in (48, 32)

    def keyframe_times(self, codec: Codec) -> list[int]:
        """Of frames that hold an IDR slice (whole, or a fragment of one)."""
        return sorted({packet.timestamp for packet in self.packets if _is_idr(packet.payload, codec)})

    def keyframes(self, codec: Codec) -> int:
        return len(self.keyframe_times(codec))

    def close(self) -> None:
        self._sock.close()


def _is_idr(payload: bytes, codec: Codec) -> bool:
    if codec is Codec.H264:
        kind = payload[0] & 0x1F
        return kind == 5 or (kind == 28 and payload[1] & 0x1F == 5)
    kind = (payload[0] >> 1) & 0x3F
    return kind in (19, 20, 21) or (kind == 49 and payload[2] & 0x3F in (19, 20, 21))


class Lobby:
    """One lobby worker and what it said of its source."""

    def __init__(self) -> None:
        self.worker: Worker
        self.ready: list[SourceReady] = []
        self.failed: SourceFailed | None = None
        self.encoders: list[RenditionFailed | EncoderReported] = []

    def heard(self, message: Any, _fds: Descriptors) -> None:
        if isinstance(message, SourceReady):
            self.ready.append(message)
        elif isinstance(message, SourceFailed):
            self.failed = message
        elif isinstance(message, RenditionFailed | EncoderReported):
            self.encoders.append(message)

    async def show(self, source: Source, **more: Any) -> None:
        await self.worker.request(ShowSource("lobby", source, **more))

    async def until(self, condition: Callable[[], object], seconds: float = GENEROUS_S) -> None:
        await outside.until(condition, seconds)

    async def shows(self) -> SourceReady:
        await self.until(lambda: self.ready or self.failed)
        assert self.failed is None, self.failed
        return self.ready[-1]

    async def fails(self) -> SourceFailed:
        await self.until(lambda: self.failed)
        assert self.failed is not None
        return self.failed

    async def track(self, name: str) -> TrackInfo:
        """A track that the source has of itself; sound may come a little later than the picture."""
        await self.until(lambda: self.failed or any(t.name == name for r in self.ready for t in r.tracks))
        return next(track for track in self.ready[-1].tracks if track.name == name)

    async def open(
        self, rendition: Rendition, instance: str | None = None, order: EncoderOrder | None = None
    ) -> TrackInfo:
        """The instance has the rendition's name where none is given, and an encoder in software unless ordered."""
        return (await self.open_reported(rendition, instance, order))[0]

    async def open_reported(
        self, rendition: Rendition, instance: str | None = None, order: EncoderOrder | None = None
    ) -> tuple[TrackInfo, EncoderReport | None]:
        if order is None and rendition.codec != "copy":
            order = software(Codec(rendition.codec))
        message = OpenRendition(rendition, instance or rendition.name, order)
        answer = await self.worker.request(message, deadline=GENEROUS_S)
        report = answer["report"]
        return from_plain(TrackInfo, answer["track"]), report and from_plain(EncoderReport, report)

    async def read(self, track: str, reader: str = "reader") -> Reader:
        ours, theirs = socket.socketpair()
        await self.worker.request(AttachReader(track, reader), [theirs.detach()])
        return Reader(ours)


@contextlib.asynccontextmanager
async def supervised(
    runtime: Path, evidence: EvidenceFolder | None = None, **settings: Any
) -> AsyncIterator[Supervisor]:
    chosen = WorkerSettings(spares=0, start_s=GENEROUS_S, request_s=GENEROUS_S, heartbeat_s=0.2, **settings)
    supervisor = Supervisor(runtime, chosen, lambda receipt: None, evidence=evidence, gstreamer=False)
    await supervisor.open()
    try:
        yield supervisor
    finally:
        await supervisor.close()


async def start_lobby(supervisor: Supervisor) -> Lobby:
    lobby = Lobby()
    lobby.worker = await supervisor.start(WorkerKind.LOBBY, lobby="lobby", on_message=lobby.heard)
    return lobby


@contextlib.asynccontextmanager
async def lobby_worker(runtime: Path) -> AsyncIterator[Lobby]:
    """A worker that shows nothing yet; at the end it must have ended by itself and left nothing."""
    async with supervised(runtime, end_s=20) as supervisor:
        lobby = await start_lobby(supervisor)
        yield lobby
        receipt = await lobby.worker.end("the test is over")
        assert receipt.clean, receipt
        assert receipt.signal is None, receipt
