"""The stage of a worker: one pipeline, the tees that a source feeds, and the tracks that hang on them.

A source hands over its streams with `take_*`, from whatever thread GStreamer calls it on. The tracks that need no
encoder (`copy`, `audio`) are made right there, before the first buffer passes, so that no keyframe is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from steadycast.errors import SteadycastError
from steadycast.leases.pools import Pressure
from steadycast.model import Codec
from steadycast.patience import OwnTime
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.build import ghost, is_from, link_pads, put, start
from steadycast.pipelines.caps import first_of, picture_of
from steadycast.pipelines.failures import Failure, broken
from steadycast.pipelines.gop import GopMemory
from steadycast.pipelines.gst import Gst, log
from steadycast.pipelines.meter import FrameMeter
from steadycast.pipelines.parts import Chain, Limits, Part, encoded_queue, guard, opus, packets, parsed, tee
from steadycast.pipelines.plan import Picture
from steadycast.pipelines.teardown import Disposer, tell
from steadycast.pipelines.track import Face, Track

COPY = "copy"
AUDIO = "audio"


class Stage:
    """Built on the event loop, where its callbacks are called, too.

    `changed`: a stream was taken, or made its first packet. `ended`: the picture ended. `failed`: `fail` was called.
    """

    def __init__(
        self,
        limits: Limits,
        changed: Callable[[], None],
        ended: Callable[[], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits
        self.pipeline = Gst.Pipeline.new("lobby")
        self.disposer = Disposer()
        loop = self.loop
        self.meter = FrameMeter(lambda: tell(loop, changed))
        self.gop = GopMemory()
        self.raw: Any = None
        self.encoded: Any = None
        self.codec: Codec | None = None
        self.tracks: dict[str, Track] = {}
        self._changed = changed
        self._ended = ended
        self._failed = failed
        self.sound_taken = False
        self.began: Callable[[Any], float | None] = lambda pipeline: None  # when what has a beginning began, monotonic
        self.pushed: Callable[[], dict[str, Any]] | None = None  # of a source that producers push into: how it does
        self.press: Callable[[Pressure], None] | None = None  # what hears how short of memory the host is
        self._tasks: set[asyncio.Task[None]] = set()
        self._sound_parts: list[Any] = []
        self.stopped_s = 0.0  # in which this process did not run
        self._time: OwnTime | None = None

    def keep_time(self, step: float) -> None:
        """From now on `now` is called every `step` seconds, and stands still while this process is stopped."""
        self._time = OwnTime(time.monotonic(), step)

    def now(self) -> float:
        """Seconds of a clock for deadlines: monotonic, less the time in which this process was stopped."""
        now = time.monotonic()
        if self._time is not None:
            self.stopped_s += self._time.look(now)
        return now - self.stopped_s

    def picture(self) -> Picture:
        """Of what the source sends; complete when its first frame came."""
        tee = self.encoded or self.raw
        return picture_of(tee.get_static_pad("sink")) if tee is not None else Picture()

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside, until the stage ends. On the loop."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the stage failed", exc_info=error)
            self._failed(broken(error))

    def stop_tasks(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()

    def fail(self, failure: Failure) -> None:
        """The source cannot go on. From any thread."""
        tell(self.loop, self._failed, failure)

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """On a streaming thread nobody catches an error: it becomes a failure of the source."""
        try:
            yield
        except SteadycastError as error:
            self.fail(Failure(error.code, error.what, error.why, error.hint))

    # --- what a source hands over; called from any thread

    def take_raw(self, pad: Any) -> None:
        """Raw pictures: every track of them needs an encoder."""
        self.make_raw_tee()
        self._measure(self.raw)
        self.raw.sync_state_with_parent()
        link_pads(pad, self.raw.get_static_pad("sink"))

    def make_raw_tee(self) -> None:
        if self.raw is None:
            self.raw = put((tee("raw"),), self.pipeline)[0]
            self.raw.sync_state_with_parent()

    def take_encoded(self, pad: Any, codec: Codec, before: Chain = ()) -> None:
        """H.264 or H.265: passed on as the track `copy`, and decoded only while a rendition is open."""
        elements = put((*before, *parsed(codec), tee("encoded")), self.pipeline)
        self.encoded = elements[-1]
        self.codec = codec
        self._measure(self.encoded)
        self.gop.watch(self.encoded.get_static_pad("sink"), self.disposer)
        branch = Branch(self.pipeline, self.encoded, COPY, (encoded_queue(), *packets(codec, self.limits)))
        self._add(Track(self.loop, codec, branch, Face(COPY, self.picture), self.meter))
        start(elements)
        link_pads(pad, elements[0].get_static_pad("sink"))

    def take_raw_sound(self, pad: Any) -> None:
        self._take_sound(pad, (), opus())

    def take_opus(self, pad: Any, before: Chain = ()) -> None:
        """Opus is passed on as it is."""
        self._take_sound(pad, before, (Part("opusparse"),))

    def _take_sound(self, pad: Any, before: Chain, chain: Chain) -> None:
        elements = put((*before, tee(AUDIO)), self.pipeline)
        encoder = next((part.factory for part in chain if part.name == "encoder"), None)
        chain = (guard(), encoded_queue(), *chain, *packets(Codec.OPUS, self.limits))
        branch = Branch(self.pipeline, elements[-1], AUDIO, chain)
        self._add(Track(self.loop, Codec.OPUS, branch, Face(AUDIO, Picture, encoder), None))
        start(elements)
        link_pads(pad, elements[0].get_static_pad("sink"))

    def take_decoded(self, pad: Any, before: Chain = (), *, sound: bool) -> None:
        """Decode what is neither passed on nor raw, whatever decodes it. Sound that nothing decodes fails nobody."""
        room = Gst.Bin.new(None)
        room.set_property("async-handling", True)  # or the pipeline waits with PLAYING for what it may never decode
        self.pipeline.add(room)
        elements = put((*((guard(),) if sound else ()), *before, Part("decodebin")), room)
        if sound:
            self._sound_parts.append(room)
        stage = weakref.ref(self)

        def decoded(decoder: Any, made: Any) -> None:
            here = stage()
            if here is None:
                return
            shown = ghost(None, made, decoder.get_parent())
            with here.failing():
                if media_of(made) == "audio/x-raw":
                    here.take_raw_sound(shown)
                elif media_of(made) == "video/x-raw":
                    here.take_raw(shown)

        self.disposer.connect(elements[-1], "pad-added", decoded)
        ghost("sink", elements[0].get_static_pad("sink"), room)
        start([room])
        link_pads(pad, room.get_static_pad("sink"))

    def is_sound(self, message: Any) -> bool:
        """Whether a message of the bus comes from what decodes or encodes the sound."""
        track = self.tracks.get(AUDIO)
        parts = [*self._sound_parts, *([track.branch.bin] if track is not None else [])]
        return any(is_from(message, part) for part in parts)

    def forget(self) -> None:
        """Drop what Python holds of the elements; the pipeline is in NULL."""
        self.tracks.clear()
        self._sound_parts.clear()
        self.raw = self.encoded = None

    def _measure(self, tee: Any) -> None:
        pad = tee.get_static_pad("sink")
        self.meter.watch(pad, self.disposer)
        loop, ended = self.loop, self._ended

        def look(_pad: Any, info: Any) -> Any:
            if info.get_event().type == Gst.EventType.EOS:
                tell(loop, ended)
            return Gst.PadProbeReturn.OK

        self.disposer.probe(pad, Gst.PadProbeType.EVENT_DOWNSTREAM, look)

    def _add(self, track: Track) -> None:
        self.tracks[track.name] = track
        track.first.add_done_callback(self._first_packet)
        track.branch.open()
        tell(self.loop, self._changed)

    def _first_packet(self, _first: asyncio.Future[None]) -> None:
        self._changed()


def media_of(pad: Any) -> str:
    """The media type of a pad, as `video/x-h264`; empty where it is not known."""
    caps = pad.get_current_caps() or pad.query_caps(None)
    return str(first_of(caps).get_name()) if caps is not None and caps.get_size() else ""
