"""One lobby's pipeline from its source to its end, on an asyncio loop. Knows nothing of messages."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from steadycast.errors import ConflictError, DeadlineError, EncoderError, NotFoundError, SteadycastError
from steadycast.leases.pools import Pressure
from steadycast.model import EncoderOrder, EncoderReport, Rendition, Retuned, TrackInfo
from steadycast.pipelines.bus import BusReader
from steadycast.pipelines.failures import Failure, Phase, ended, explain, no_picture, stuck
from steadycast.pipelines.faults import fault_of
from steadycast.pipelines.gst import Gst, log
from steadycast.pipelines.held import Held, Opened
from steadycast.pipelines.parking import Parking
from steadycast.pipelines.plan import Picture
from steadycast.pipelines.progress import Silence
from steadycast.pipelines.proof import proof, prove
from steadycast.pipelines.renditions import Renditions
from steadycast.pipelines.source_plan import SourceOrder
from steadycast.pipelines.sources import make_source
from steadycast.pipelines.stage import AUDIO, Stage
from steadycast.pipelines.teardown import to_null
from steadycast.pipelines.track import Track

AUDIO_WAIT_S = 1.0  # after the picture is there, the source counts as ready without its sound
WATCH_S = 0.25  # between looks at whether frames still come
TOLD_S = 0.1  # for an answer to be on its way before the end of all is said
NULL_S = 2.5  # for the whole pipeline; the end of the process is behind it


@dataclass(frozen=True, slots=True)
class Ready:
    """What a source shows: its picture, and the tracks that can be read without opening a rendition."""

    tracks: tuple[TrackInfo, ...]
    picture: Picture


class LobbyPipeline:
    """`play` once, `close` once. `on_ready` comes again when more is known; `on_failed` once, and then nothing runs.

    `on_encoder`: an instance of a rendition that was open failed and is closed, or more is known of its encoder.
    """

    def __init__(
        self,
        order: SourceOrder,
        on_ready: Callable[[Ready], None],
        on_failed: Callable[[Failure], None],
        on_encoder: Callable[[str, EncoderError | EncoderReport], None],
    ) -> None:
        self._order = order
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._stage = Stage(order.limits, self._look, self._ended, self._fail)
        self._renditions = Renditions(self._stage, on_encoder, on_encoder, self._stuck)
        self._parking = Parking(self._stage, self._renditions)
        self._source = make_source(order)
        self._bus = BusReader(self._stage.pipeline.get_bus(), self._heard)
        self._ready: Ready | None = None
        self._seen: float | None = None  # when the first picture was there
        self._failed = False
        self._hangs = False
        self._closing: asyncio.Task[None] | None = None

    # --- life

    @property
    def whole(self) -> Any:
        """GStreamer's pipeline, to be looked at."""
        return self._stage.pipeline

    async def play(self) -> None:
        """Build and start; what comes of it is told by `on_ready` or `on_failed`."""
        self._stage.run(self._watch())
        try:
            await self._source.start(self._stage)
        except SteadycastError as error:
            self._fail(Failure(error.code, error.what, error.why, error.hint))

    async def close(self) -> None:
        """Everything to NULL and forgotten. Raises DeadlineError where it is stuck: then the process must end."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._stage.stop_tasks()
        if not self._source.can_end or self._hangs:
            raise DeadlineError("gstreamer.stuck", "a thread is known to be stuck")
        self._renditions.let_go()
        for track in self._all_tracks():
            track.let_go()
        self._stage.disposer.dispose()
        self._bus.stop()
        await to_null(self._stage.pipeline, NULL_S)
        self._stage.forget()
        self._renditions.forget()
        self._parking.forget()
        gc.collect()  # cycles of Python objects would keep elements until whenever

    # --- renditions and readers

    async def open_rendition(
        self, rendition: Rendition, instance: str, order: EncoderOrder | None
    ) -> tuple[TrackInfo, EncoderReport | None]:
        """See `Renditions.open`. Raises ConflictError before the source shows."""
        if self._ready is None or self._failed:
            raise ConflictError("source.not_ready", "the source does not show yet", hint="wait for it")
        return await self._renditions.open(rendition, instance, order)

    async def park_rendition(self, name: str) -> None:
        """See `Parking.park`. DeadlineError: the source counts as failed, too."""
        try:
            await self._parking.park(name)
        except DeadlineError:
            self._fail(stuck())
            raise

    async def take_over_rendition(self, rendition: Rendition, instance: str) -> Opened:
        """See `Parking.take_over`."""
        return await self._parking.take_over(rendition, instance)

    async def close_rendition(self, name: str) -> bool:
        """False where it is not open. Raises DeadlineError, and the source counts as failed: its worker must end."""
        try:
            return await self._renditions.close(name)
        except DeadlineError:
            self._fail(stuck())
            raise

    async def retune(self, instance: str, rendition: Rendition, bitrate_kbps: int | None) -> Retuned:
        """See `Renditions.retune`. Raises SteadycastError."""
        return await self._renditions.retune(instance, rendition, bitrate_kbps)

    def attach(self, track: str, reader: str, fd: int) -> None:
        """Send a track's packets into this socket. Owns `fd`. Raises NotFoundError, ConflictError, CallerError."""
        try:
            found = self._track(track)
        except NotFoundError:
            os.close(fd)
            raise
        found.attach(reader, fd)

    def detach(self, track: str, reader: str) -> bool:
        """False where there is no such reader: it may have gone by itself."""
        return self._track(track).detach(reader)

    def force_keyframe(self, track: str) -> None:
        self._track(track).force_keyframe()

    async def prove(self, name: str | None, seconds: float) -> dict[str, Any]:
        """Decode a keyframe: of this track, or of one that is open, or what the source shows. As `ProveKeyframe`.

        Raises NotFoundError.
        """
        if self._ready is None or self._failed or self._closing is not None:
            return proof(None, "the source does not show")
        if name is not None:
            track = self._track(name)
            return await prove(self._stage, track if track.encodes and not track.parked else None, seconds)
        made = next((t for t in self._renditions.all() if t.encodes and not t.parked), None)
        return await prove(self._stage, made, seconds)

    def _track(self, name: str) -> Track:
        track = self._renditions.track(name) or self._stage.tracks.get(name)
        if track is None or self._failed:
            raise NotFoundError("track.unknown", f"there is no track '{name}' here")
        return track

    def _all_tracks(self) -> Iterator[Track]:
        yield from self._stage.tracks.values()
        yield from self._renditions.all()

    def held(self) -> tuple[tuple[Held, ...], dict[str, tuple[str, ...]]]:
        """The instances that are open, and the readers of the source's own tracks, by track."""
        if self._failed or self._closing is not None:
            return (), {}
        return self._renditions.held(), {name: track.readers for name, track in self._stage.tracks.items()}

    def statistics(self) -> dict[str, Any]:
        """Counters since the start: of the source, and of each track by its name. `patience_s`: after standing still
        for so long it is said here to have failed. `began`: when what is shown began, if it is a file; monotonic."""
        meter = self._stage.meter
        source = {"frames": meter.frames, "keyframes": meter.keyframes, "bytes": meter.bytes}
        began = None if self._failed or self._closing is not None else self._stage.began(self._stage.pipeline)
        told = self._stage.pushed
        pushed = None if told is None or self._failed or self._closing is not None else told()
        tracks = () if self._failed else self._all_tracks()
        return {
            "source": {
                **source,
                "failed": self._failed,
                "patience_s": self._order.timeout_s,
                "began": began,
                "push": pushed,
            },
            "tracks": {
                track.name: {**track.statistics(), "patience_s": self._renditions.patience(track.name)}
                for track in tracks
            },
        }

    def press(self, pressure: Pressure) -> None:
        """How short of memory the host is."""
        if self._stage.press is not None and self._closing is None:
            self._stage.press(pressure)

    # --- what the source does

    def _look(self) -> None:
        """Something was found out: tell it, if it is enough or new."""
        if self._failed or self._closing is not None or not self._has_picture():
            return
        now = time.monotonic()
        if self._seen is None:
            self._seen = now
        audio = self._stage.tracks.get(AUDIO)
        sound_missing = self._stage.sound_taken and (audio is None or not audio.first.done())
        if sound_missing and self._ready is None and now - self._seen < AUDIO_WAIT_S:
            return
        tracks = tuple(track.info() for track in self._stage.tracks.values() if track.first.done())
        ready = Ready(tracks, self._stage.picture())
        if ready != self._ready:
            self._ready = ready
            self._on_ready(ready)

    def _has_picture(self) -> bool:
        if self._stage.encoded is not None:
            return any(track.first.done() for name, track in self._stage.tracks.items() if name != AUDIO)
        return self._stage.meter.frames > 0

    async def _watch(self) -> None:
        """Fails a source that sends no frame for `timeout_s`, from its start on."""
        self._stage.keep_time(WATCH_S)
        silence = Silence(self._stage.now())
        while not self._failed:
            await asyncio.sleep(WATCH_S)
            now = self._stage.now()
            self._look()
            self._renditions.look()
            frames = self._stage.meter.frames
            if silence.lasts(frames, now) > self._order.timeout_s:
                phase = Phase.SHOWN if frames else self._source.phase()
                self._fail(no_picture(self._source.subject(), phase, self._order.timeout_s))

    def _heard(self, message: Any) -> None:
        if self._failed or self._source.on_message(message):
            return
        if message.type == Gst.MessageType.ERROR:
            self._error(message)

    def _ended(self) -> None:
        self._fail(ended(self._source.subject()))

    def _error(self, message: Any) -> None:
        fault = fault_of(message)
        log.warning("%s: %s (%s)", fault.element, fault.text, fault.debug)
        if self._stage.is_sound(message):
            log.warning("the lobby goes on without sound")
        elif not self._renditions.hears(message):
            self._fail(explain(self._source.subject(), fault))

    def _stuck(self) -> None:
        """A part of this process hangs. Said after the answer to whoever asked for that part."""
        self._hangs = True
        self._stage.loop.call_later(TOLD_S, self._fail, stuck())

    def _fail(self, failure: Failure) -> None:
        if self._failed or self._closing is not None:
            return
        self._failed = True
        self._on_failed(failure)
        self._closing = self._stage.loop.create_task(self._close())
        self._closing.add_done_callback(_log_stuck)


def _log_stuck(closing: asyncio.Task[None]) -> None:
    if not closing.cancelled() and (error := closing.exception()) is not None:
        log.error("the end of the pipeline: %s", error)
