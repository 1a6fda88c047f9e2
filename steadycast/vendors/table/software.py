"""Encoders on the CPU. Names and units from the sources of GStreamer 1.22 to 1.28 (ext/x264, openh264, x265, vpx, aom,
svtav1)."""

from __future__ import annotations

from steadycast.model import Codec
from steadycast.vendors.table.row import AV1, H264, H265, SYSTEM, VP8, VP9, Row, Setting, Try, Want, one

SOFTWARE = "software"

# zerolatency: no look-ahead, slices for threads. 400 ms of buffer bound a keyframe's size. No keyframes at scene
# changes: they come when asked for and at the interval, so that the bitrate stays even.
X264_SETTINGS = (
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
    one(Want.KEYFRAMES, "key-int-max", "{keyframe_frames}"),
    one(Want.THREADS, "threads", "{threads}", needed=False),
    one(Want.TUNE, "tune", "zerolatency", latency=True),
    one(Want.SPEED, "speed-preset", "superfast"),
    one(Want.B_FRAMES, "bframes", "0"),
    one(Want.REFERENCES, "ref", "{references}"),
    one(Want.SYNTAX, "byte-stream", "true"),
    one(Want.BUFFER, "vbv-buf-capacity", "{buffer_ms}", live=True),
    one(Want.SCENE_CUTS, "option-string", "scenecut=0"),
)

X264 = Row("x264", Codec.H264, SOFTWARE, ("x264enc",), X264_SETTINGS, (SYSTEM,), H264, hardware=False)

OPENH264 = Row(
    "openh264", Codec.H264, SOFTWARE, ("openh264enc",),
    (
        one(Want.BITRATE, "bitrate", "{bitrate_bps}", live=True),
        one(Want.MAX_BITRATE, "max-bitrate", "{bitrate_bps}", live=True),
        one(Want.RATE_CONTROL, "rate-control", "bitrate"),
        one(Want.KEYFRAMES, "gop-size", "{keyframe_frames}"),
        one(Want.SCENE_CUTS, "scene-change-detection", "false", needed=False),
        one(Want.SPEED, "complexity", "low"),
        one(Want.THREADS, "multi-thread", "{threads}", needed=False),
        # Else it leaves frames out to hold the bitrate, and viewers see it as a stutter.
        one(Want.EXTRA, "enable-frame-skip", "false", needed=False),
    ),
    (SYSTEM,), H264, hardware=False,
)  # fmt: skip

X265 = Row(
    "x265", Codec.H265, SOFTWARE, ("x265enc",),
    (
        one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
        one(Want.KEYFRAMES, "key-int-max", "{keyframe_frames}"),
        one(Want.TUNE, "tune", "zerolatency", latency=True),
        one(Want.SPEED, "speed-preset", "ultrafast"),
        # In x265's own words; the element has no property for these. `pools` is its number of threads. Open groups of
        # pictures would let no viewer begin at a keyframe.
        one(
            Want.EXTRA, "option-string",
            "bframes=0:ref={references}:scenecut=0:open-gop=0:repeat-headers=1:pools={threads}:frame-threads=1"
            ":vbv-maxrate={bitrate_kbps}:vbv-bufsize={buffer_kbit}",
        ),
    ),
    (SYSTEM,), H265, hardware=False,
)  # fmt: skip

_LIBVPX = (
    one(Want.BITRATE, "target-bitrate", "{bitrate_bps}", live=True),
    one(Want.RATE_CONTROL, "end-usage", "cbr", live=True),
    one(Want.KEYFRAMES, "keyframe-max-dist", "{keyframe_frames}", live=True),
    # Microseconds for a frame; 1 is libvpx' own name for real time.
    one(Want.LOW_LATENCY, "deadline", "1", latency=True),
    one(Want.LOOK_AHEAD, "lag-in-frames", "0", latency=True),
    one(Want.B_FRAMES, "auto-alt-ref", "false", "0"),
    one(Want.SPEED, "cpu-used", "8"),
    one(Want.THREADS, "threads", "{threads}", needed=False),
    one(Want.BUFFER, "buffer-size", "{buffer_ms}"),
    one(Want.BUFFER, "buffer-initial-size", "300", needed=False),
    one(Want.BUFFER, "buffer-optimal-size", "350", needed=False),
    one(Want.EXTRA, "min-quantizer", "4", needed=False),
)

VP8_ROW = Row("vp8", Codec.VP8, SOFTWARE, ("vp8enc",), _LIBVPX, (SYSTEM,), VP8, hardware=False)

VP9_ROW = Row(
    "vp9", Codec.VP9, SOFTWARE, ("vp9enc",),
    (*_LIBVPX, one(Want.SLICES, "tile-columns", "2", needed=False), one(Want.THREADS, "row-mt", "true", needed=False)),
    (SYSTEM,), VP9, hardware=False,
)  # fmt: skip

SVTAV1 = Row(
    "svtav1", Codec.AV1, SOFTWARE, ("svtav1enc",),
    (
        one(Want.BITRATE, "target-bitrate", "{bitrate_kbps}"),
        # By its source the element takes requests for keyframes with a constant quality only; 1.26.2 was seen to take
        # them with a bitrate, too. A short interval is right for both.
        one(Want.KEYFRAMES, "intra-period-length", "{unasked_frames}"),
        one(Want.SPEED, "preset", "11"),
        # A mini-GOP of four and no look-ahead, which still keep some ten frames. SVT's own low delay (pred-struct=1)
        # stands still after one frame: it waits in svt_av1_enc_get_packet for a second, and the element asks until
        # there is none (1.26.2 with SVT-AV1 2.3.0). Constant bitrate exists in low delay alone.
        one(
            Want.LOW_LATENCY,
            "parameters-string",
            "hierarchical-levels=2:lookahead=0:scd=0:lp={threads}",
            latency=True,
        ),
    ),
    (SYSTEM,), AV1, hardware=False,
)  # fmt: skip

AOM = Row(
    "aom", Codec.AV1, SOFTWARE, ("av1enc",),
    (
        one(Want.BITRATE, "target-bitrate", "{bitrate_kbps}"),
        one(Want.RATE_CONTROL, "end-usage", "cbr"),
        # That of 1.22 makes no keyframe when it is asked for one (measured); later ones do.
        one(Want.KEYFRAMES, "keyframe-max-dist", "{unasked_frames}"),
        one(Want.LOW_LATENCY, "usage-profile", "realtime", latency=True),
        one(Want.LOOK_AHEAD, "lag-in-frames", "0", latency=True),
        # 9 and 10 exist for real time alone, and only in libaom 3.2 and later.
        Setting(Want.SPEED, (Try("cpu-used", ("9", "8")),)),
        one(Want.THREADS, "threads", "{threads}", needed=False),
        one(Want.THREADS, "row-mt", "true", needed=False),
        one(Want.BUFFER, "buf-sz", "{buffer_ms}", needed=False),
        one(Want.BUFFER, "buf-initial-sz", "300", needed=False),
        one(Want.BUFFER, "buf-optimal-sz", "350", needed=False),
        # The element's own 0 leaves libaom no quantizer to choose: it aborts the process within a second or two
        # (av1enc of 1.22 with libaom 3.6, whatever the picture). 63 is libaom's worst.
        one(Want.EXTRA, "max-quantizer", "63"),
        one(Want.EXTRA, "min-quantizer", "4", needed=False),
    ),
    (SYSTEM,), AV1, hardware=False,
)  # fmt: skip

# AOM first: no frame stays in it. SVT is where there is no AOM.
ROWS = (X264, OPENH264, X265, AOM, SVTAV1, VP8_ROW, VP9_ROW)
