"""The simulated vendor's encoder: x264 behind a driver that is not real, with properties named as NVENC's."""

from __future__ import annotations

from steadycast.model import Codec
from steadycast.vendors.table.row import H264, SYSTEM, Row, Want, one

SETTINGS = (
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
    one(Want.KEYFRAMES, "gop-size", "{keyframe_frames}"),
    one(Want.LOW_LATENCY, "zerolatency", "true", latency=True),
)

ROWS = (
    Row(
        "simulated", Codec.H264, "simulated", ("steadycastsimh264enc",), SETTINGS, (SYSTEM,), H264,
        pretends="memory:SimulatedMemory",
    ),
)  # fmt: skip
