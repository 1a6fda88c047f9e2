"""The file source: a media file in real time, looped without a gap in the time stamps.

The demultiplexer is asked for a *segment*: at its end it says SEGMENT_DONE instead of ending the stream, and a seek
that flushes nothing lets it begin again while the running time goes on. What it reads ahead waits in a queue in front
of the clock, so nothing is seen of the turn.

A worker that takes over from another one is told when the file began there, and starts at the keyframe before the place
where that one is now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steadycast.errors import DeadlineError
from steadycast.model import Codec, FileSource
from steadycast.pipelines.build import put
from steadycast.pipelines.caps import first_of
from steadycast.pipelines.failures import Phase, Subject, empty_loop, no_video, stuck
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.parts import Part
from steadycast.pipelines.source_plan import in_real_time, only_names_others
from steadycast.pipelines.sources.turn import NANOSECONDS, Turn
from steadycast.pipelines.stage import Stage, media_of
from steadycast.pipelines.teardown import in_thread, tell

VIDEO_CODECS = {"video/x-h264": Codec.H264, "video/x-h265": Codec.H265}
SEEK_S = 5.0
TURNS_MAX = 500  # without a frame: a short file fills the queue of three seconds with some, an empty one turns for ever


class FileParts:
    """One file, looped or played once. `began`: when its beginning was shown, in seconds of the monotonic clock, where
    another process showed it before this one."""

    can_end = True

    def __init__(self, source: FileSource, began: float | None = None) -> None:
        self._began = began
        self._path = Path(source.path)
        self._loop = source.loop
        self._streams = _Streams()
        self._turn = Turn()
        self._stage: Stage | None = None
        self._known = False  # all streams of the file
        self._frames_at_turn = 0
        self._turns = 0  # since a frame was seen

    async def start(self, stage: Stage) -> None:
        self._stage = stage
        stage.began = self._turn.began
        file, parser = put((Part("filesrc"), Part("parsebin")), stage.pipeline)
        file.set_property("location", str(self._path))
        self._streams.listen(parser, stage, self._found)
        stage.pipeline.set_state(Gst.State.PAUSED)

    def _found(self) -> None:
        """All streams are there, and held. On the loop."""
        if self._stage is not None and not self._known:
            self._known = True
            self._stage.run(self._play(self._stage))

    async def _play(self, stage: Stage) -> None:
        """The first seek flushes, so nothing is linked before it: decoders that are being built do not bear it."""
        if not self._streams.choose():
            stage.fail(no_video(self.subject(), self._streams.media))
            return
        if self._loop or self._began is not None:
            flags = Gst.SeekFlags.FLUSH | (Gst.SeekFlags.SEGMENT if self._loop else Gst.SeekFlags.NONE)
            if place := self._place():
                flags |= Gst.SeekFlags.KEY_UNIT | Gst.SeekFlags.SNAP_BEFORE
            await self._seek(stage, flags, place)
        self._take(stage)
        stage.pipeline.set_state(Gst.State.PLAYING)
        self._streams.let_go()

    def _place(self) -> int:
        """Where in the file it would be now, in nanoseconds; its beginning where that cannot be known."""
        known, length = self._streams.video.query_duration(Gst.Format.TIME)
        if self._began is None or not known or length <= 0:
            return 0
        place = max(0, int((time.monotonic() - self._began) * NANOSECONDS))
        return place % int(length) if self._loop else min(place, int(length))

    def _take(self, stage: Stage) -> None:
        streams = self._streams
        for pad in (streams.video, streams.sound):
            if pad is not None:
                self._turn.watch(pad, stage.disposer)
        codec = VIDEO_CODECS.get(media_of(streams.video))
        if codec is not None:
            stage.take_encoded(streams.video, codec, in_real_time())
        else:
            stage.take_decoded(streams.video, in_real_time(), sound=False)
        if streams.sound is not None:
            stage.sound_taken = True
            if media_of(streams.sound) == "audio/x-opus":
                stage.take_opus(streams.sound, in_real_time())
            else:
                stage.take_decoded(streams.sound, in_real_time(), sound=True)

    def on_message(self, message: Any) -> bool:
        if message.type != Gst.MessageType.SEGMENT_DONE or self._stage is None or not self._loop:
            return False
        frames = self._stage.meter.frames
        self._turns = self._turns + 1 if frames == self._frames_at_turn else 0
        self._frames_at_turn = frames
        if self._turns > TURNS_MAX:
            self._stage.fail(empty_loop(self.subject()))
        else:
            self._stage.run(self._seek(self._stage, Gst.SeekFlags.SEGMENT))
        return True

    async def _seek(self, stage: Stage, flags: Any, to: int = 0) -> None:
        """To the beginning, or so many nanoseconds behind it. A file that cannot be searched begins at its beginning,
        and ends after its first round like one without a loop."""
        pad = self._streams.video
        event = Gst.Event.new_seek(1.0, Gst.Format.TIME, flags, Gst.SeekType.SET, to, Gst.SeekType.NONE, 0)
        try:
            await in_thread("the turn of the file", SEEK_S, lambda: pad.send_event(event))
        except DeadlineError:
            stage.fail(stuck())

    def subject(self) -> Subject:
        return Subject("file", f"the file {self._path.name}")

    def phase(self) -> Phase:
        return Phase.CONNECTED if self._known else Phase.CONNECTING


class _Streams:
    """The streams of the file, held until all are known; the first video and the first sound are chosen."""

    def __init__(self) -> None:
        self.media: list[str] = []
        self.video: Any = None
        self.sound: Any = None
        self._held: list[tuple[Any, int]] = []

    def listen(self, parser: Any, stage: Stage, found: Callable[[], None]) -> None:
        loop = stage.loop
        held = self._held  # not `self`, whose pads would hold the parser that holds these handlers

        def added(_parser: Any, pad: Any) -> None:
            held.append((pad, pad.add_probe(Gst.PadProbeType.BLOCK | Gst.PadProbeType.BUFFER, first)))

        def first(_pad: Any, _info: Any) -> Any:
            """parsebin lets nothing pass before it has added all its pads."""
            tell(loop, found)
            return Gst.PadProbeReturn.OK

        def goes_on(_parser: Any, _pad: Any, caps: Any) -> bool:
            return not only_names_others(first_of(caps).get_name())

        stage.disposer.connect(parser, "autoplug-continue", goes_on)
        stage.disposer.connect(parser, "pad-added", added)
        stage.disposer.add(self.let_go)

    def choose(self) -> bool:
        """False where there is no video."""
        for pad, _ in self._held:
            media = media_of(pad)
            self.media.append(media)
            if media.startswith(("video/", "image/")):
                self.video = self.video or pad
            elif media.startswith("audio/"):
                self.sound = self.sound or pad
        return self.video is not None

    def let_go(self) -> None:
        while self._held:
            pad, number = self._held.pop()
            pad.remove_probe(number)
