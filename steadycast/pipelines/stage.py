"""The stage of a worker: one pipeline, the tees that a source feeds, and the tracks that hang on them.

A source hands over its streams with `take_*`, from whatever thread GStreamer calls it on. The tracks that need no
encoder (`copy`, `audio`) are made right there, before the first buffer passes, so that no keyframe is lost.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from steadycast.model import Codec
from steadycast.pipelines.branch import Branch
from steadycast.pipelines.build import make, put, start
from steadycast.pipelines.caps import picture_of
from steadycast.pipelines.gst import Gst, log
from steadycast.pipelines.meter import FrameMeter
from steadycast.pipelines.plan import Limits, Part, Picture, encoded_queue, opus, packets, parsed, tee
from steadycast.pipelines.teardown import Disposer, tell
from steadycast.pipelines.track import Track

VIDEO_CODECS = {"video/x-h264": Codec.H264, "video/x-h265": Codec.H265}
COPY = "copy"
AUDIO = "audio"


class Stage:
    """Built on the event loop. `changed` is called there when a stream was taken or made its first packet."""

    def __init__(self, limits: Limits, changed: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits
        self.pipeline = Gst.Pipeline.new("lobby")
        self.disposer = Disposer()
        loop = self.loop
        self.meter = FrameMeter(lambda: tell(loop, changed))
        self.raw: Any = None
        self.encoded: Any = None
        self.codec: Codec | None = None
        self.tracks: dict[str, Track] = {}
        self._changed = changed
        self.sound_taken = False

    def picture(self) -> Picture:
        """Of what the source sends; complete when its first frame came."""
        tee = self.encoded or self.raw
        return picture_of(tee.get_static_pad("sink")) if tee is not None else Picture()

    # --- what a source hands over; called from any thread

    def take_raw(self, pad: Any) -> None:
        """Raw pictures: every track of them needs an encoder."""
        self.make_raw_tee()
        self._measure(self.raw)
        self.raw.sync_state_with_parent()
        _link_pad(pad, self.raw)

    def make_raw_tee(self) -> None:
        if self.raw is None:
            self.raw = put((tee("raw"),), self.pipeline)[0]

    def take_encoded(self, pad: Any, codec: Codec, before: tuple[Part, ...] = ()) -> None:
        """H.264 or H.265: passed on as the track `copy`, and decoded only while a rendition is open."""
        elements = put((*before, *parsed(codec), tee("encoded")), self.pipeline)
        self.encoded = elements[-1]
        self.codec = codec
        self._measure(self.encoded)
        branch = Branch(self.pipeline, self.encoded, COPY, (encoded_queue(), *packets(codec, self.limits)))
        self._add(Track(self.loop, codec, branch, self.picture, self.meter))
        start(elements)
        _link_pad(pad, elements[0])

    def take_sound(self, pad: Any, before: tuple[Part, ...] = ()) -> None:
        """Raw sound, or Opus that is passed on."""
        passed_on = _media(pad) == "audio/x-opus"
        chain = (Part("opusparse"),) if passed_on else opus()
        elements = put((*before, tee(AUDIO)), self.pipeline)
        branch = Branch(
            self.pipeline, elements[-1], AUDIO, (encoded_queue(), *chain, *packets(Codec.OPUS, self.limits))
        )
        self._add(Track(self.loop, Codec.OPUS, branch, Picture, None))
        start(elements)
        _link_pad(pad, elements[0])

    def take_any(self, pad: Any, before: tuple[Part, ...] = ()) -> None:
        """A pad of a demultiplexer, depayloader or decoder: the first video and the first sound are taken."""
        media = _media(pad)
        has_video = self.encoded is not None or self.raw is not None
        if media in VIDEO_CODECS and not has_video:
            self.take_encoded(pad, VIDEO_CODECS[media], before)
        elif media.startswith(("video/", "image/")) and not has_video:
            self._take_decoded(pad, before)
        elif media.startswith("audio/") and not self.sound_taken:
            self.sound_taken = True
            if media == "audio/x-opus":
                self.take_sound(pad, before)
            else:
                self._take_decoded(pad, before)
        else:
            log.info("a stream is left alone: %s", media)
            self._leave(pad)

    def forget(self) -> None:
        """Drop what Python holds of the elements; the pipeline is in NULL."""
        self.tracks.clear()
        self.raw = self.encoded = None

    def _take_decoded(self, pad: Any, before: tuple[Part, ...]) -> None:
        """Decode what is neither passed on nor raw, whatever decodes it."""
        elements = put((*before, Part("decodebin")), self.pipeline)
        stage = weakref.ref(self)

        def decoded(_decoder: Any, out: Any) -> None:
            here = stage()
            if here is None:
                return
            if _media(out) == "audio/x-raw":
                here.take_sound(out)
            elif _media(out) == "video/x-raw":
                here.take_raw(out)

        self.disposer.connect(elements[-1], "pad-added", decoded)
        start(elements)
        _link_pad(pad, elements[0])

    def _leave(self, pad: Any) -> None:
        """A pad that nobody wants ends in a sink, as some demultiplexers stop at a pad that is not linked."""
        sink = make(Part("fakesink", {"sync": "false", "async": "false", "enable-last-sample": "false"}))
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        _link_pad(pad, sink)

    def _measure(self, element: Any) -> None:
        self.meter.watch(element.get_static_pad("sink"), self.disposer)

    def _add(self, track: Track) -> None:
        self.tracks[track.name] = track
        track.first.add_done_callback(self._first_packet)
        track.branch.open()
        tell(self.loop, self._changed)

    def _first_packet(self, _first: asyncio.Future[None]) -> None:
        self._changed()


def _link_pad(pad: Any, element: Any) -> None:
    sink = element.get_static_pad("sink")
    result = pad.link(sink)
    if result != Gst.PadLinkReturn.OK:
        log.error("%s does not fit %s: %s", pad.get_name(), element.get_name(), result.value_nick)


def _media(pad: Any) -> str:
    caps = pad.get_current_caps() or pad.query_caps(None)
    return str(caps.get_structure(0).get_name()) if caps is not None and caps.get_size() else ""
