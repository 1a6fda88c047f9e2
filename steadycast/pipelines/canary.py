"""A tiny pipeline with an encoder, played to its end: whether media works on this machine at all."""

from __future__ import annotations

from typing import Any

from steadycast.errors import WorkerError
from steadycast.pipelines.build import put
from steadycast.pipelines.gst import Gst, missing, version
from steadycast.pipelines.parts import Part

CHAIN = (
    Part("videotestsrc", {"num-buffers": "30", "pattern": "black"}),
    Part("capsfilter", {"caps": "video/x-raw,format=I420,width=160,height=96,framerate=30/1"}),
    Part("x264enc", {"tune": "zerolatency", "speed-preset": "ultrafast", "threads": "1"}),
    Part("fakesink", {"sync": "false"}),
)


def play(deadline_s: float) -> dict[str, Any]:
    """Blocks for at most `deadline_s`; `why` is None where it played. Ends with the pipeline in NULL."""
    told: dict[str, Any] = {"ok": False, "gstreamer": version(), "missing": list(missing()), "why": None}
    try:
        pipeline = Gst.Pipeline.new("canary")
        put(CHAIN, pipeline)
    except WorkerError as error:
        told["why"] = error.what
        return told
    pipeline.set_state(Gst.State.PLAYING)
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(int(deadline_s * Gst.SECOND), wanted)
    if message is None:
        told["why"] = f"thirty frames were not encoded within {deadline_s:g} s"
    elif message.type == Gst.MessageType.ERROR:
        told["why"] = message.parse_error()[0].message
    else:
        told["ok"] = True
    pipeline.set_state(Gst.State.NULL)
    return told
