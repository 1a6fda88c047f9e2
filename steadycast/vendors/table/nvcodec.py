"""NVENC. One row a codec serves both generations of elements, as their properties tell them apart.

`nvh264enc` is GstNvBaseEnc in 1.22 and 1.24 and GstNvEncoder from 1.26 on; 1.22 and 1.24 have the newer one as
`nvcudah264enc` (sys/nvcodec of 1.22.12, 1.24.13, 1.26.11, 1.28.6). The older comes first where both exist: it opens
its session at a state change, so that a refusal shows before the pipeline is touched. Presets named `ll...` are
FFmpeg's and never existed in GStreamer.
"""

from __future__ import annotations

from steadycast.model import Codec
from steadycast.vendors.table.row import AV1, H264, H265, SYSTEM_NV12, MemoryPath, Row, Setting, Try, Want, one

NVCODEC = "nvcodec"
CUDA = "memory:CUDAMemory"

SETTINGS = (
    # Bitrate and highest bitrate change softly while PLAYING; anything else opens the session anew.
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
    one(Want.MAX_BITRATE, "max-bitrate", "{bitrate_kbps}", live=True, needed=False),
    one(Want.BUFFER, "vbv-buffer-size", "{buffer_kbit}", needed=False),
    Setting(
        Want.RATE_CONTROL,
        (Try("rc-mode", ("cbr",)), Try("rate-control", ("cbr",))),
    ),
    one(Want.KEYFRAMES, "gop-size", "{keyframe_frames}"),
    # Missing on chips without B-frames, which then make none.
    Setting(Want.B_FRAMES, (Try("bframes", ("0",)), Try("b-frames", ("0",))), needed=False),
    Setting(Want.LOW_LATENCY, (Try("zerolatency", ("true",)), Try("zero-reorder-delay", ("true",))), latency=True),
    # From 1.24 on: p1 (fastest) to p7, with a tune; before, presets that are both.
    one(Want.TUNE, "tune", "ultra-low-latency", "low-latency", needed=False, latency=True),
    one(Want.SPEED, "preset", "p3", "low-latency-hq", "low-latency", "hp"),
    one(Want.LOOK_AHEAD, "rc-lookahead", "0", needed=False, latency=True),
    one(Want.SCENE_CUTS, "i-adapt", "false", needed=False),
    one(Want.DELIMITERS, "aud", "false", needed=False),
    one(Want.SYNTAX, "repeat-sequence-header", "true", needed=False),
)

PATHS = (
    MemoryPath(CUDA, ("NV12",), ("cudaupload", "cudaconvertscale")),
    MemoryPath(CUDA, ("NV12",), ("cudaupload", "cudaconvert", "cudascale")),
    SYSTEM_NV12,
)


def _row(codec: Codec, name: str, caps: str) -> Row:
    elements = (f"nv{name}{{node}}enc", f"nvcuda{name}{{node}}enc", f"nvautogpu{name}enc")
    return Row(f"nvcodec-{name}", codec, NVCODEC, elements, SETTINGS, PATHS, caps)


ROWS = (_row(Codec.H264, "h264", H264), _row(Codec.H265, "h265", H265), _row(Codec.AV1, "av1", AV1))
