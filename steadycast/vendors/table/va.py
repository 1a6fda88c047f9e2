"""VA-API: Intel and AMD on Linux (sys/va of 1.22 to 1.28), and Intel's own way to the same hardware, qsv (sys/qsv).

A chip may offer the low-power entry point alone (Intel from generation 12 on), so each codec has two rows. qsv is
behind va: on Linux it needs a runtime of its own (oneVPL).
"""

from __future__ import annotations

from steadycast.model import Codec
from steadycast.vendors.table.row import (
    AV1,
    H264,
    H265,
    SYSTEM_NV12,
    VP8,
    VP9,
    MemoryPath,
    Row,
    Setting,
    Try,
    Want,
    one,
)

VA = "va"
QSV = "qsv"
VA_MEMORY = "memory:VAMemory"

SETTINGS = (
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
    one(Want.RATE_CONTROL, "rate-control", "cbr", "vbr", live=True),
    one(Want.BUFFER, "cpb-size", "{buffer_kbit}", live=True, needed=False),
    one(Want.KEYFRAMES, "key-int-max", "{keyframe_frames}"),
    Setting(Want.B_FRAMES, (Try("b-frames", ("0",)), Try("hierarchical-level", ("1",))), needed=False),
    one(Want.REFERENCES, "ref-frames", "{references}", needed=False),
    one(Want.SPEED, "target-usage", "6", live=True, needed=False),
    one(Want.SLICES, "num-slices", "1", needed=False),
    one(Want.DELIMITERS, "aud", "false", needed=False),
    one(Want.SYNTAX, "cabac", "false", needed=False),
    one(Want.SYNTAX, "dct8x8", "false", needed=False),
)

PATHS = (MemoryPath(VA_MEMORY, ("NV12",), ("va{node}postproc",)), SYSTEM_NV12)

QSV_SETTINGS = (
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
    one(Want.MAX_BITRATE, "max-bitrate", "{bitrate_kbps}", live=True, needed=False),
    one(Want.RATE_CONTROL, "rate-control", "cbr", "vbr"),
    one(Want.LOW_LATENCY, "low-latency", "true", latency=True),
    one(Want.KEYFRAMES, "gop-size", "{keyframe_frames}"),
    # How many other intra pictures are between two at which a viewer may begin: none (H.264); HEVC counts from one.
    one(Want.KEYFRAMES, "idr-interval", "0", needed=False),
    one(Want.B_FRAMES, "b-frames", "0", needed=False),
    one(Want.REFERENCES, "ref-frames", "{references}", needed=False),
    one(Want.SPEED, "target-usage", "6", needed=False),
    one(Want.SYNTAX, "cabac", "off", needed=False),
)
QSV_PATHS = (
    MemoryPath(VA_MEMORY, ("NV12",), ("va{node}postproc",)),
    MemoryPath("memory:D3D11Memory", ("NV12",), ("d3d11upload", "d3d11convert")),
    SYSTEM_NV12,
)


def _va(codec: Codec, name: str, caps: str) -> tuple[Row, Row]:
    return (
        Row(f"va-{name}", codec, VA, (f"va{{node}}{name}enc",), SETTINGS, PATHS, caps),
        Row(f"va-{name}-lp", codec, VA, (f"va{{node}}{name}lpenc",), SETTINGS, PATHS, caps),
    )


def _qsv(codec: Codec, name: str, caps: str) -> Row:
    settings: tuple[Setting, ...] = QSV_SETTINGS
    if codec is Codec.H265:
        interval = one(Want.KEYFRAMES, "idr-interval", "1", needed=False)
        settings = tuple(interval if s.tries[0].property == "idr-interval" else s for s in settings)
    return Row(f"qsv-{name}", codec, QSV, (f"qsv{name}{{node}}enc",), settings, QSV_PATHS, caps)


ROWS = (
    *_va(Codec.H264, "h264", H264),
    *_va(Codec.H265, "h265", H265),
    *_va(Codec.AV1, "av1", AV1),
    *_va(Codec.VP8, "vp8", VP8),
    *_va(Codec.VP9, "vp9", VP9),
    _qsv(Codec.H264, "h264", H264),
    _qsv(Codec.H265, "h265", H265),
    _qsv(Codec.AV1, "av1", AV1),
    _qsv(Codec.VP9, "vp9", VP9),
)
