"""The renditions of a stage: opened and closed while it plays."""

from __future__ import annotations

import asyncio
from typing import Any

from steadycast.errors import CallerError, ConflictError, DeadlineError, WorkerError
from steadycast.model import Codec, Rendition, TrackInfo
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.build import is_from
from steadycast.pipelines.parts import encoded_queue, guard, packets
from steadycast.pipelines.plan import plan_rendition
from steadycast.pipelines.stage import AUDIO, COPY, Stage
from steadycast.pipelines.tap import Tap
from steadycast.pipelines.track import Track

FIRST_PACKET_S = 13.0  # from opening a rendition until its first packet; a little less than the asker's patience
RENDITIONS_MAX = 64


class Renditions:
    """Tracks that are open because somebody asked. A source that sends H.264 or H.265 is decoded only while needed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._tracks: dict[str, Track] = {}
        self._encoding: set[str] = set()
        self._tap: Tap | None = None
        self._changing = asyncio.Lock()

    def track(self, name: str) -> Track | None:
        return self._tracks.get(name)

    def all(self) -> tuple[Track, ...]:
        return tuple(self._tracks.values())

    async def open(self, rendition: Rendition) -> TrackInfo:
        """Answers when its first packet was made; opening twice gives the same. Raises SteadycastError."""
        name = rendition.name
        async with self._changing:
            track = self._tracks.get(name)
            if track is None:
                track = await self._start(rendition)
        await asyncio.wait({track.first}, timeout=FIRST_PACKET_S)
        if track.first.done() and not track.first.cancelled():
            return track.info()
        if self._tracks.get(name) is not track:
            raise WorkerError("rendition.failed", f"the rendition '{name}' ended before it began", retry_after=1)
        await self.close(name)
        raise DeadlineError(
            "rendition.no_packet",
            f"the rendition '{name}' made no picture within {FIRST_PACKET_S:g} s",
            hint="the source may be stalled, or this machine too slow for one more encoder",
        )

    async def _start(self, rendition: Rendition) -> Track:
        name = rendition.name
        if name in (COPY, AUDIO):
            raise ConflictError("rendition.name_taken", f"'{name}' is the name of a track of the source itself")
        if len(self._tracks) >= RENDITIONS_MAX:
            raise ConflictError("rendition.too_many", f"a lobby has at most {RENDITIONS_MAX} renditions open")
        track = self._start_copy(name) if rendition.codec == "copy" else self._start_encoder(rendition)
        self._tracks[name] = track
        track.branch.open()
        if name in self._encoding and self._tap is None and self._stage.codec is not None:
            await self._open_tap(name, self._stage.codec)
        return track

    async def _open_tap(self, name: str, codec: Codec) -> None:
        self._tap = Tap(self._stage, codec)
        try:
            await self._tap.open()
        except DeadlineError:
            self._tap = None
            await self._close(name)
            raise

    def _start_copy(self, name: str) -> Track:
        stage = self._stage
        if stage.encoded is None or stage.codec is None:
            raise CallerError(
                "rendition.nothing_to_copy",
                f"'{name}' cannot be a copy: the source sends raw pictures",
                why="only what a source sends as H.264 or H.265 can be passed on",
                hint="give the rendition the codec h264",
            )
        chain = (encoded_queue(), *packets(stage.codec, stage.limits))
        branch = Branch(stage.pipeline, stage.encoded, name, chain)
        return Track(stage.loop, stage.codec, branch, stage.picture, stage.meter)

    def _start_encoder(self, rendition: Rendition) -> Track:
        stage = self._stage
        plan = plan_rendition(rendition, stage.picture(), stage.limits)
        stage.make_raw_tee()
        chain = (guard(), *plan.chain, *packets(Codec.H264, stage.limits))
        branch = Branch(stage.pipeline, stage.raw, plan.name, chain)
        self._encoding.add(plan.name)
        return Track(stage.loop, Codec.H264, branch, plan.shown, None)

    async def close(self, name: str) -> bool:
        """False where no such rendition is open. Raises DeadlineError; then the process must end."""
        async with self._changing:
            return await self._close(name)

    async def _close(self, name: str) -> bool:
        track = self._tracks.pop(name, None)
        if track is None:
            return False
        self._encoding.discard(name)
        await track.close()
        if not self._encoding and self._tap is not None:
            tap, self._tap = self._tap, None
            await tap.close()
        return True

    def culprit(self, message: Any) -> str | None:
        """The name of the rendition whose element sent this message of the bus."""
        for name, track in self._tracks.items():
            if is_from(message, track.branch.bin):
                return name
        return None
