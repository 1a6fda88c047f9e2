"""A track: one encoded stream as RTP packets, made once, whoever reads it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from steadycast.errors import ConflictError
from steadycast.model import Codec, TrackInfo, TrackKind
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.caps import first_of
from steadycast.pipelines.gst import Gst, GstVideo
from steadycast.pipelines.keyframes import KeyframeGate, is_fresh
from steadycast.pipelines.meter import FrameMeter
from steadycast.pipelines.parts import AUDIO_CLOCK, RAW_QUEUE, VIDEO_CLOCK
from steadycast.pipelines.plan import Picture
from steadycast.pipelines.raw_frames import RawFrames
from steadycast.pipelines.readers import Readers
from steadycast.pipelines.sps import complete, reorders
from steadycast.pipelines.teardown import Disposer, tell

# Of the caps of RTP, what SDP carries in `a=fmtp` (RFC 6184, 8.1; RFC 7798, 7.1; RFC 7587, 6.1; AV1's
# RTP format 1.0, 7.2).
FMTP = (
    "packetization-mode", "profile-level-id", "sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps",
    "profile-id", "tier-flag", "level-id", "sprop-stereo", "stereo", "profile", "level-idx", "tier",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Face:
    """What is told of a track: its rendition's name, what of a picture a viewer sees, and the encoder's element."""

    name: str
    picture: Callable[[], Picture]
    encoder: str | None = None


class Track:
    """A branch that ends in a sink with readers. `first` is done when the first packet was made.

    `source` counts the frames of a track that passes on what the source sends; a track that encodes counts its own.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        codec: Codec,
        branch: Branch,
        face: Face,
        source: FrameMeter | None,
    ) -> None:
        self.name = branch.name
        self.first: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._codec = codec
        self._face = face
        self._branch = branch
        self._disposer = Disposer()
        self._payloader = branch.element("payloader").get_static_pad("src")
        self._encoder = branch.element("encoder")
        self._meter = source or FrameMeter()
        if source is None and codec is not Codec.OPUS:
            self._meter.watch(self._encoder.get_static_pad("src"), self._disposer)
        _Packets(loop, self.first).watch(branch.element("payloader"), self._disposer)
        self._readers = Readers(branch.element("sink"), loop, self._disposer)
        queue = branch.element(RAW_QUEUE) if self.encodes else None
        self._raw = None if queue is None else RawFrames(queue, self._encoder, self._disposer)
        self._gate = KeyframeGate()
        self._forced = 0
        self.parked = False  # fed nothing; no reader may come
        self._timer: asyncio.TimerHandle | None = None

    @property
    def branch(self) -> Branch:
        return self._branch

    @property
    def encodes(self) -> bool:
        """Whether pictures are encoded here."""
        return self._encoder is not None and self._codec is not Codec.OPUS

    @property
    def encoded(self) -> Any:
        """The pad that whole encoded frames leave at; only where it `encodes`."""
        return self._encoder.get_static_pad("src")

    @property
    def made(self) -> int:
        """Frames so far."""
        return self._meter.frames

    def info(self) -> TrackInfo:
        """Complete when `first` is done; before it, without `fmtp`."""
        caps = self._payloader.get_current_caps()
        fmtp = complete(self._codec, _fmtp(first_of(caps))) if caps is not None else {}
        face, name = self._face, self._face.encoder
        if self._codec is Codec.OPUS:
            return TrackInfo(face.name, TrackKind.AUDIO, self._codec, AUDIO_CLOCK, 2, encoder=name, fmtp=fmtp)
        known = reorders(self._codec, fmtp)
        picture = face.picture()
        return TrackInfo(
            face.name, TrackKind.VIDEO, self._codec, VIDEO_CLOCK,
            width=picture.width, height=picture.height, fps=picture.fps,
            reorders=self._meter.order.reorders if known is None else known, encoder=name, fmtp=fmtp,
        )  # fmt: skip

    def attach(self, reader: str, fd: int) -> None:
        """Send to this socket, from a keyframe on. Owns `fd`. An encoder is asked for a keyframe if its last is old.

        Raises ConflictError, CallerError."""
        if self.parked:
            os.close(fd)
            raise ConflictError("track.parked", f"nothing is made for '{self.name}' now", hint="take it over first")
        fresh = self._encoder is None or is_fresh(self._meter.last_keyframe, time.monotonic())
        self._readers.add(reader, fd, from_latest=fresh)
        if not fresh:
            self.force_keyframe()

    def detach(self, reader: str) -> bool:
        return self._readers.remove(reader)

    def rename(self, name: str) -> None:
        """It is told under this rendition's name from now on."""
        self._face = replace(self._face, name=name)

    def park(self) -> None:
        """Its readers' sockets are closed, and none comes until `parked` is False again."""
        self.parked = True
        self._readers.clear()

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of those attached now."""
        return self._readers.names

    def force_keyframe(self) -> None:
        """Make the next frame a keyframe; asked for too often, it is done as soon as allowed."""
        if self._encoder is None or self._codec is Codec.OPUS:
            return
        wait = self._gate.ask(self._loop.time())
        if wait is not None:
            self._timer = self._loop.call_later(wait, self._send_force)

    def _send_force(self) -> None:
        self._timer = None
        self._gate.take(self._loop.time())
        self._forced += 1
        # Not with "all headers": h264parse would send the parameter sets twice, first as an access unit of their own,
        # with the marker bit and the keyframe's timestamp. It puts them before every keyframe anyway.
        event = GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, False, self._forced)
        self._encoder.get_static_pad("src").send_event(event)

    def statistics(self) -> dict[str, Any]:
        return {
            "frames": self._meter.frames if self._codec is not Codec.OPUS else None,
            "keyframes": self._meter.keyframes if self._codec is not Codec.OPUS else None,
            "keyframes_forced": self._forced,
            "parked": self.parked,
            "raw": None if self._raw is None else self._raw.statistics(),
            **self._readers.statistics(),
        }

    async def close(self) -> None:
        """Close the readers' sockets and end the branch. Raises DeadlineError; then the process must end."""
        self.let_go()
        await self._branch.close()

    def let_go(self) -> None:
        """Everything but the elements: handlers, probes, timers, sockets. Enough where the whole pipeline ends."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.first.done():
            self.first.cancel()
        self._disposer.dispose()
        self._readers.clear()


class _Packets:
    """Marks where a reader may begin: at the first packet of a keyframe, and nowhere else.

    The sink looks for packets without DELTA_UNIT. rtph265pay sets that flag on all, rtph264pay leaves it off twice a
    keyframe, so that a reader would begin behind the parameter sets. One call for each NAL unit: its fragments come in
    one list.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, first: asyncio.Future[None]) -> None:
        self._loop = loop
        self._first = first
        self._told = False
        self._starts = False  # the next packet is the first of a keyframe

    def watch(self, payloader: Any, disposer: Disposer) -> None:
        packets = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
        disposer.probe(payloader.get_static_pad("sink"), Gst.PadProbeType.BUFFER, self._unit)
        disposer.probe(payloader.get_static_pad("src"), packets, self._packet)

    def _unit(self, _pad: Any, info: Any) -> Any:
        self._starts = not info.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT)
        return Gst.PadProbeReturn.OK

    def _packet(self, _pad: Any, info: Any) -> Any:
        if not self._told:
            self._told = True
            tell(self._loop, _settle, self._first)
        many = bool(info.type & Gst.PadProbeType.BUFFER_LIST)
        buffer = info.get_buffer_list().get(0) if many else info.get_buffer()
        if self._starts:
            buffer.unset_flags(Gst.BufferFlags.DELTA_UNIT)
        else:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        self._starts = False
        return Gst.PadProbeReturn.OK


def _settle(first: asyncio.Future[None]) -> None:
    if not first.done():
        first.set_result(None)


def _fmtp(structure: Any) -> dict[str, str]:
    return {name: str(structure.get_value(name)) for name in FMTP if structure.has_field(name)}
