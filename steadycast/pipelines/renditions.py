"""The renditions of a stage: opened and closed while it plays, by the names of their instances."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from steadycast.errors import CallerError, ConflictError, DeadlineError, EncoderError, SteadycastError, WorkerError
from steadycast.model import EncoderFault, EncoderOrder, EncoderReport, Rendition, Retuned
from steadycast.patience import wait_patiently
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.build import is_from
from steadycast.pipelines.encoder import Attempt, is_hang
from steadycast.pipelines.encoder_faults import Evidence, refusal
from steadycast.pipelines.gst import log
from steadycast.pipelines.held import Held, Opened
from steadycast.pipelines.parts import encoded_queue, packets
from steadycast.pipelines.stage import AUDIO, COPY, Stage
from steadycast.pipelines.tap import Decoding
from steadycast.pipelines.track import Face, Track

COPY_FIRST_PACKET_S = 13.0  # a little less than the asker's patience
RENDITIONS_MAX = 64


class Renditions:
    """Tracks that are open because somebody asked. A source that sends H.264 or H.265 is decoded only while needed.

    `on_failed(instance, error)`: one that was open failed, and is closed. `on_report(instance, report)`: more is known
    of its encoder. `on_stuck`: a part of this process hangs, so it must end.
    """

    def __init__(
        self,
        stage: Stage,
        on_failed: Callable[[str, EncoderError], None],
        on_report: Callable[[str, EncoderReport], None],
        on_stuck: Callable[[], None],
    ) -> None:
        self._stage = stage
        self._on_failed = on_failed
        self._on_report = on_report
        self._on_stuck = on_stuck
        self._opening: dict[str, asyncio.Task[Opened]] = {}
        self._tracks: dict[str, Track] = {}
        self._attempts: dict[str, Attempt] = {}
        self._wanted: dict[str, Rendition] = {}  # what each track is an instance of
        self._decoding = Decoding(stage)
        self._changing = asyncio.Lock()
        self._past: deque[str] = deque(maxlen=RENDITIONS_MAX)  # bins whose last words may still be on the bus

    def track(self, instance: str) -> Track | None:
        return self._tracks.get(instance)

    def attempt(self, instance: str) -> Attempt | None:
        """What encodes an instance that was opened; None where there is none."""
        return self._attempts.get(instance)

    def give(self, instance: str, rendition: Rendition) -> None:
        """One that is open is an instance of this rendition from now on."""
        self._wanted[instance] = rendition

    def all(self) -> tuple[Track, ...]:
        return tuple(self._tracks.values())

    def patience(self, instance: str) -> float | None:
        """Seconds that its encoder may make nothing; None where nothing is encoded."""
        attempt = self._attempts.get(instance)
        return attempt.stall_s if attempt is not None else None

    def held(self) -> tuple[Held, ...]:
        """All that made a packet and goes on."""
        return tuple(self._held(name, track) for name, track in self._tracks.items() if track.first.done())

    def _held(self, instance: str, track: Track) -> Held:
        attempt, rendition = self._attempts.get(instance), self._wanted[instance]
        order = attempt.order if attempt is not None else None
        return Held(rendition, instance, order, track.info(), self._report(instance), track.readers, track.parked)

    # --- opening

    async def open(self, rendition: Rendition, instance: str, order: EncoderOrder | None) -> Opened:
        """Answers when its first packet was made; opening twice gives the same. Raises SteadycastError."""
        task = self._opening.get(instance)
        if task is None:
            if (track := self._tracks.get(instance)) is not None:
                return track.info(), self._report(instance)
            task = self._stage.loop.create_task(self._open(rendition, instance, order))
            self._opening[instance] = task
            task.add_done_callback(lambda done: self._opening.pop(instance, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise _ended(rendition.name) from None
        finally:
            del task  # its error would hold it, and so itself

    def _report(self, instance: str) -> EncoderReport | None:
        attempt = self._attempts.get(instance)
        return attempt.report() if attempt is not None else None

    async def _open(self, rendition: Rendition, instance: str, order: EncoderOrder | None) -> Opened:
        if {instance, rendition.name} & {COPY, AUDIO}:
            raise ConflictError("rendition.name_taken", f"'{rendition.name}' is the name of a track of the source")
        if len(self._tracks) + len(self._opening) > RENDITIONS_MAX:
            raise ConflictError("rendition.too_many", f"a lobby has at most {RENDITIONS_MAX} renditions open")
        if rendition.codec == "copy":
            return await self._open_copy(rendition, instance)
        if order is None:
            raise CallerError("rendition.no_order", f"'{rendition.name}' needs an encoder, and none was ordered")
        try:
            return await self._open_encoder(Attempt(self._stage, rendition, instance, order), rendition, instance)
        except SteadycastError as error:
            await self.end_failed(instance, error)
            raise

    async def end_failed(self, instance: str, error: SteadycastError) -> None:
        """Nothing stays of it. Raises EncoderError where its elements do not end: then the process must."""
        if isinstance(error, EncoderError) and is_hang(error):
            self._on_stuck()
        else:
            await self._close_failed(instance)

    async def _open_encoder(self, attempt: Attempt, rendition: Rendition, instance: str) -> Opened:
        self._stage.make_raw_tee()
        track = await attempt.prepare()
        self._tracks[instance], self._wanted[instance] = track, rendition
        self._attempts[instance] = attempt
        async with self._changing:
            if self._tracks.get(instance) is not track:
                raise _ended(attempt.plan.name)
            await attempt.start()
            await self._settle()
        await attempt.first_packet()
        attempt.intake.changed = lambda: self._on_report(instance, attempt.report())
        return track.info(), attempt.report()

    async def feed(self, instance: str, *, fed: bool) -> None:
        """Feed an encoder again, or nothing any more. Raises WorkerError where it is closed, DeadlineError."""
        async with self._changing:
            if (attempt := self._attempts.get(instance)) is None:
                raise _ended(instance)
            if fed:
                attempt.branch.link()
            else:
                await attempt.branch.rest()
            await self._settle()

    async def _settle(self) -> None:
        await self._decoding.settle(needed=any(attempt.branch.fed for attempt in self._attempts.values()))

    async def _open_copy(self, rendition: Rendition, instance: str) -> Opened:
        stage, name = self._stage, rendition.name
        if stage.encoded is None or stage.codec is None:
            raise CallerError(
                "rendition.nothing_to_copy",
                f"'{name}' cannot be a copy: the source sends raw pictures",
                why="only what a source sends as H.264 or H.265 can be passed on",
                hint="give the rendition the codec h264",
            )
        chain = (encoded_queue(), *packets(stage.codec, stage.limits))
        branch = Branch(stage.pipeline, stage.encoded, instance, chain)
        track = Track(stage.loop, stage.codec, branch, Face(name, stage.picture), stage.meter)
        self._tracks[instance], self._wanted[instance] = track, rendition
        branch.open()
        await wait_patiently({track.first}, COPY_FIRST_PACKET_S)
        if track.first.done() and not track.first.cancelled():
            return track.info(), None
        if self._tracks.get(instance) is not track:
            raise _ended(name)
        await self.close(instance)
        raise DeadlineError("source.stalled", f"the source sent nothing for {COPY_FIRST_PACKET_S:g} s", retry_after=2)

    # --- while it is open

    async def retune(self, instance: str, rendition: Rendition, bitrate_kbps: int | None) -> Retuned:
        """Bring an open instance to another bitrate: the rendition's own, or this one. Raises ConflictError, and
        EncoderError where it hangs: then the process must end."""
        attempt = self._attempts.get(instance)
        if attempt is None or not attempt.opened:
            raise ConflictError("rendition.not_open", f"there is no encoding '{instance}' here")
        made = rendition if bitrate_kbps is None else replace(rendition, bitrate_kbps=bitrate_kbps)
        try:
            retuned = await attempt.retune(made)
        except EncoderError as error:
            if is_hang(error):
                self._on_stuck()
            raise
        if retuned.why is None and self._attempts.get(instance) is attempt:
            self._wanted[instance] = rendition
        return retuned

    # --- the end

    async def close(self, instance: str) -> bool:
        """False where it is not open. One that is being opened ends first. Raises DeadlineError; then the process must
        end."""
        task = self._opening.get(instance)
        if task is not None and instance not in self._tracks:  # in the hands of a thread, which has a deadline
            await asyncio.wait({task})
        return await self._close_held(instance)

    async def _close_held(self, instance: str) -> bool:
        async with self._changing:
            return await self._close(instance)

    async def _close(self, instance: str) -> bool:
        track = self._tracks.pop(instance, None)
        attempt = self._attempts.pop(instance, None)
        self._wanted.pop(instance, None)
        if track is None:
            return False
        self._past.append(track.branch.bin.get_name())
        if attempt is not None:
            attempt.let_go()
        await track.close()
        await self._settle()
        return True

    async def _close_failed(self, instance: str) -> None:
        """After a refusal. Raises EncoderError where its elements do not end: then the process must."""
        attempt = self._attempts.get(instance)
        try:
            await self._close_held(instance)
        except DeadlineError as error:
            self._on_stuck()
            element = attempt.plan.element if attempt is not None else instance
            raise refusal(element, Evidence(hung=True), error.what) from None

    def let_go(self) -> None:
        """Everything but the elements; enough where the whole pipeline ends."""
        for task in tuple(self._opening.values()):
            task.cancel()
        for attempt in self._attempts.values():
            attempt.let_go()

    def forget(self) -> None:
        """Drop what Python holds of the elements; the pipeline is in NULL."""
        self._tracks.clear()
        self._attempts.clear()
        self._wanted.clear()
        self._decoding.forget()

    # --- failures of what is open

    def hears(self, message: Any) -> bool:
        """Whether an error of the bus is one of a rendition, and then what follows from it."""
        instance = next((name for name, track in self._tracks.items() if is_from(message, track.branch.bin)), None)
        if instance is None:
            return self._is_past(message.src)
        attempt = self._attempts.get(instance)
        if attempt is None:
            self._fail(instance, EncoderError(EncoderFault.FAILED, f"the rendition '{instance}' failed"))
            return True
        attempt.note(message)
        if attempt.opened:
            self._fail(instance, attempt.explain())
        return True

    def _is_past(self, item: Any) -> bool:
        """Whether it is part of what was closed: one error is often followed by echoes."""
        while item is not None:
            if item.get_name() in self._past:
                return True
            item = item.get_parent()
        return False

    def look(self) -> None:
        """Whether all that is open still makes pictures."""
        for instance, attempt in tuple(self._attempts.items()):
            if attempt.opened and not attempt.track.parked and (error := attempt.look()) is not None:
                self._fail(instance, error)

    def _fail(self, instance: str, error: EncoderError) -> None:
        if (attempt := self._attempts.get(instance)) is not None:
            if attempt.failed is not None:
                return
            attempt.failed = error
        log.warning("the instance %s: %s (%s)", instance, error.what, error.why)
        self._stage.run(self._drop(instance, error))

    async def _drop(self, instance: str, error: EncoderError) -> None:
        """Its readers see their sockets close, the others go on."""
        try:
            if not await self.close(instance):
                return
        except DeadlineError as stuck:
            log.error("%s", stuck.what)
            self._on_stuck()
        self._on_failed(instance, error)


def _ended(name: str) -> WorkerError:
    return WorkerError("rendition.failed", f"the rendition '{name}' ended before it began", retry_after=1)
