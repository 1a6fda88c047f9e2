"""Proof that what a lobby makes can be seen: one keyframe, decoded beside the lobby's pipeline and thrown away.

A worker may stream for hours what nobody can decode; only a picture says that a restart helped. It is decoded in
software: a session of a hardware decoder is a lent thing.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from steadycast.errors import DeadlineError, WorkerError
from steadycast.model import Codec
from steadycast.pipelines.build import put
from steadycast.pipelines.caps import first_of
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.parts import Chain, Part
from steadycast.pipelines.stage import Stage
from steadycast.pipelines.teardown import in_thread, tell
from steadycast.pipelines.track import Track

DECODE_S = 3.0  # one picture, on a machine with other things to do
END_S = 1.0  # of the throw-away pipeline
RAW_LOOK_S = 0.05
_MEDIA = {
    "video/x-h264": Codec.H264, "video/x-h265": Codec.H265, "video/x-av1": Codec.AV1, "video/x-vp8": Codec.VP8,
    "video/x-vp9": Codec.VP9,
}  # fmt: skip
_DECODERS: dict[Codec, Chain] = {
    Codec.H264: (Part("h264parse"), Part("avdec_h264", {"max-threads": "1"}, instead=("openh264dec",))),
    Codec.H265: (Part("h265parse"), Part("avdec_h265", {"max-threads": "1"}, instead=("libde265dec",))),
    Codec.AV1: (Part("av1parse", optional=True), Part("dav1ddec", instead=("av1dec", "avdec_av1"))),
    Codec.VP8: (Part("vp8dec", instead=("avdec_vp8",)),),
    Codec.VP9: (Part("vp9dec", instead=("avdec_vp9",)),),
}


def proof(picture: tuple[int, int] | None, why: str | None = None) -> dict[str, Any]:
    """The answer to `ProveKeyframe`."""
    width, height = picture or (None, None)
    return {"decoded": picture is not None, "width": width, "height": height, "why": why}


async def prove(stage: Stage, track: Track | None, seconds: float) -> dict[str, Any]:
    """Decode the next keyframe of a track that encodes, or where none is given, what the source shows."""
    try:
        if track is not None:
            return await _of_pad(track.encoded, seconds, track)
        if stage.encoded is not None:
            return await _of_source(stage, seconds)
        return await _of_frames(stage, seconds)
    except (DeadlineError, WorkerError) as error:
        return proof(None, error.what)


async def _of_source(stage: Stage, seconds: float) -> dict[str, Any]:
    pad, kept = stage.encoded.get_static_pad("sink"), stage.gop.keyframe()
    if kept is None:
        return await _of_pad(pad, seconds, None)
    return proof(await _decoded(pad.get_current_caps(), kept))


async def _of_frames(stage: Stage, seconds: float) -> dict[str, Any]:
    """Raw pictures need no decoder: that one more came is the proof."""
    before = stage.meter.frames
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while stage.meter.frames == before:
                await asyncio.sleep(RAW_LOOK_S)
    picture = stage.picture()
    if stage.meter.frames == before or picture.width is None or picture.height is None:
        return proof(None, f"no picture came within {seconds:g} s")
    return proof((picture.width, picture.height))


async def _of_pad(pad: Any, seconds: float, track: Track | None) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    caught: asyncio.Future[Any] = loop.create_future()

    def passed(_pad: Any, info: Any) -> Any:
        buffer = info.get_buffer()
        if buffer.has_flags(Gst.BufferFlags.DELTA_UNIT) or buffer.has_flags(Gst.BufferFlags.HEADER):
            return Gst.PadProbeReturn.OK
        tell(loop, _settle, caught, buffer.copy_deep())
        return Gst.PadProbeReturn.REMOVE

    number = pad.add_probe(Gst.PadProbeType.BUFFER, passed)
    if track is not None:
        track.force_keyframe()
    await asyncio.wait({caught}, timeout=seconds)
    if not caught.done():
        pad.remove_probe(number)
        return proof(None, f"no keyframe came within {seconds:g} s")
    return proof(await _decoded(pad.get_current_caps(), caught.result()))


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


async def _decoded(caps: Any, unit: Any) -> tuple[int, int]:
    """Width and height of the picture. Raises WorkerError where it cannot be decoded, DeadlineError."""
    found: list[tuple[int, int] | str] = []
    await in_thread("the decoding of a keyframe", DECODE_S + END_S, lambda: found.append(_decode(caps, unit)))
    if isinstance(found[0], str):
        raise WorkerError("proof.failed", found[0])
    return found[0]


def _decode(caps: Any, unit: Any) -> tuple[int, int] | str:
    """In a thread of its own."""
    codec = _MEDIA.get(first_of(caps).get_name()) if caps is not None else None
    if codec is None:
        return "it is not known what the keyframe is encoded with"
    pipeline = Gst.Pipeline.new("proof")
    try:
        chain = (Part("appsrc", {"format": "time"}), *_DECODERS[codec], Part("appsink", {"sync": "false"}))
        elements = put(chain, pipeline)
    except WorkerError as error:
        return error.what
    source, sink = elements[0], elements[-1]
    source.set_property("caps", caps)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        unit.pts = unit.dts = 0
        source.emit("push-buffer", unit)
        source.emit("end-of-stream")  # decoders give what they hold back
        sample = sink.emit("try-pull-sample", int(DECODE_S * Gst.SECOND))
    finally:
        pipeline.set_state(Gst.State.NULL)
    if sample is None:
        return "the keyframe cannot be decoded"
    shown = first_of(sample.get_caps())
    return int(shown.get_value("width")), int(shown.get_value("height"))
