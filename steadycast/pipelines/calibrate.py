"""What the CPU of this machine can encode, measured by a short real encode. Whoever calls it ends the process then.

CPU time is counted and not the clock, so that other programs matter little.
"""

from __future__ import annotations

import itertools
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steadycast.errors import WorkerError
from steadycast.model import Codec, EncoderOrder, Rendition
from steadycast.pipelines.build import put
from steadycast.pipelines.describe import InstalledElements
from steadycast.pipelines.gst import Gst, version
from steadycast.pipelines.parts import Chain, Limits, Part
from steadycast.pipelines.plan import plan_rendition
from steadycast.pipelines.share import cpus
from steadycast.pipelines.work import Picture
from steadycast.vendors.software import cpu_name
from steadycast.vendors.table import of_codec

FPS = 30
SECONDS = 0.8  # of one encode by the clock
SLOW_S = 4.0  # where others take the CPU: until two marks are made
PARTS = 3  # of an encode; the cheapest counts, as what disturbs only adds
FRAMES = 16  # made beforehand, and shown forwards and backwards, so that nothing jumps
WARM = 4  # frames before the count begins: threads are made, the first keyframe is large
LARGE, SMALL = (1280, 720), (640, 360)
EOS_S = 5.0
_SHARED = Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.META | Gst.BufferCopyFlags.MEMORY  # of a frame: no bytes

# Rings and stripes that move over the whole picture. One frame of it costs x264 as much as one of a real film (Big Buck
# Bunny at 1280x720, superfast: 9.2 ms for this, 7.3 to 9.0 ms for the film), and 2.7 times as much as one of a desktop
# with a turning figure on it (3.4 ms): a budget made with it is on the safe side. Black costs 3.1 ms, noise 7.6, colour
# bars 4.5. Frames come as a desktop's do (BGRx), so what converts them is counted, too: about 2 ms.
_PATTERN = {"pattern": "zone-plate", "kx2": "20", "ky2": "20", "kxt": "2", "kyt": "1", "kt": "2"}


def measure(codec: Codec) -> dict[str, Any]:
    """One codec, as JSON: `small` and `large` (H.264 only) are CPU seconds for a pixel of a picture of that size, and
    `gstreamer`, `cpu`, `cpus`; or `ok` false, `what`, `why`."""
    told: dict[str, Any] = {"ok": True, "gstreamer": version(), "cpu": cpu_name()}
    told["cpus"] = cpus(os.sched_getaffinity(0), Path("/"))
    try:
        if codec is Codec.H264:
            told["large"] = encode(codec, *LARGE)
        told["small"] = encode(codec, *SMALL)
    except WorkerError as error:  # an encoder's error is one
        return {"ok": False, "what": error.what, "why": error.why}
    return told


def encode(codec: Codec, width: int, height: int) -> float:
    """CPU seconds for a pixel with the first software encoder of this codec as a lobby uses it. Raises WorkerError."""
    rows = [row for row in of_codec(codec) if not row.hardware]
    failed: WorkerError | None = None
    for row in rows:
        order = EncoderOrder("software", "software", codec, row.entry, row.elements)
        try:
            plan = plan_rendition(
                Rendition("calibration", codec.value),  # type: ignore[arg-type]  # a codec of pictures
                Picture(width, height, FPS),
                Limits(),
                order,
                InstalledElements(),
            )
            return _run(plan.chain[1:], width, height)  # without the queue, which drops frames
        except WorkerError as error:
            failed = failed or error
    raise failed or WorkerError("cpu.no_encoder", f"no software encoder for {codec.value} is known")


def _run(chain: Chain, width: int, height: int) -> float:
    frames, caps = _pictures(width, height)
    pipeline = Gst.Pipeline.new("calibration")
    source = {"format": "time", "block": "true", "max-buffers": "2", "max-bytes": "0", "caps": caps}
    elements = put((Part("appsrc", source), *chain, Part("fakesink", {"sync": "false"})), pipeline)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        marks = _feed(elements[0], pipeline.get_bus(), frames)
    finally:
        pipeline.set_state(Gst.State.NULL)
    parts = [(later[1] - mark[1]) / (later[0] - mark[0]) for mark, later in itertools.pairwise(marks)]
    if not parts:
        raise WorkerError("cpu.slow", f"some frames took more than {SLOW_S:g} s")
    return min(parts) / (width * height)


def _feed(source: Any, bus: Any, frames: list[Any]) -> list[tuple[int, float]]:
    """Push frames for `SECONDS`; how many were pushed, and the CPU time then, at the ends of `PARTS` parts."""
    marks: list[tuple[int, float]] = []
    began = time.monotonic()
    for number, frame in enumerate(_to_and_fro(frames)):
        spent = time.monotonic() - began
        due = number == WARM if not marks else number > marks[-1][0] + 2 and spent > SECONDS * len(marks) / PARTS
        if due:
            marks.append((number, _cpu_s()))
        if len(marks) > PARTS or spent > (SECONDS if len(marks) > 1 else SLOW_S):
            break
        # `copy` of the bindings is another reference to the same buffer, which newer ones do not let be changed.
        buffer = frame.copy_region(_SHARED, 0, frame.get_size())
        buffer.pts, buffer.duration = number * Gst.SECOND // FPS, Gst.SECOND // FPS
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            break
    source.emit("end-of-stream")
    message = bus.timed_pop_filtered(int(EOS_S * Gst.SECOND), Gst.MessageType.EOS | Gst.MessageType.ERROR)
    if message is None or message.type == Gst.MessageType.ERROR:
        why = message.parse_error()[0].message if message is not None else f"it did not end within {EOS_S:g} s"
        raise WorkerError("cpu.encode", "a short encode failed", why=why)
    return marks


def _to_and_fro(frames: list[Any]) -> Iterator[Any]:
    return itertools.cycle((*frames, *frames[-2:0:-1]))


def _pictures(width: int, height: int) -> tuple[list[Any], str]:
    """Frames as a desktop gives them, and their caps."""
    caps = f"video/x-raw,format=BGRx,width={width},height={height},framerate={FPS}/1,pixel-aspect-ratio=1/1"
    pipeline = Gst.Pipeline.new("pictures")
    chain = (
        Part("videotestsrc", {**_PATTERN, "num-buffers": str(FRAMES)}),
        Part("capsfilter", {"caps": caps}),
        Part("appsink", {"sync": "false"}),
    )
    sink = put(chain, pipeline)[-1]
    pipeline.set_state(Gst.State.PLAYING)
    frames: list[Any] = []
    while len(frames) < FRAMES:
        sample = sink.emit("try-pull-sample", int(EOS_S * Gst.SECOND))
        if sample is None:
            break
        frames.append(sample.get_buffer())
    pipeline.set_state(Gst.State.NULL)
    if len(frames) < FRAMES:
        raise WorkerError("cpu.pictures", "the pictures to encode could not be made")
    return frames, caps


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
