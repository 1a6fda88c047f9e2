"""Encoders of other platforms: AMF (Windows), Media Foundation (Windows), VideoToolbox (macOS), V4L2 (small boards),
Vulkan. Names and units from the sources of GStreamer 1.22 to 1.28; the names of V4L2 controls from the kernel's
documentation (ext-ctrls-codec)."""

from __future__ import annotations

from steadycast.model import Codec
from steadycast.vendors.table.row import (
    AV1,
    H264_ANY,
    H265_ANY,
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

D3D11 = MemoryPath("memory:D3D11Memory", ("NV12",), ("d3d11upload", "d3d11convert"))

_AMF = (
    one(Want.LOW_LATENCY, "usage", "ultra-low-latency", "low-latency", latency=True),
    one(Want.SPEED, "preset", "speed", "balanced"),
    one(Want.RATE_CONTROL, "rate-control", "cbr"),
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
    one(Want.MAX_BITRATE, "max-bitrate", "{bitrate_kbps}", live=True, needed=False),
    one(Want.KEYFRAMES, "gop-size", "{keyframe_frames}", live=True),
    Setting(Want.B_FRAMES, (Try("b-frames", ("0",)), Try("max-b-frames", ("0",))), needed=False),
    one(Want.REFERENCES, "ref-frames", "{references}", needed=False),
    one(Want.SYNTAX, "cabac", "false", needed=False),
    one(Want.DELIMITERS, "aud", "false", needed=False),
)

_MF = (
    # Each of these is there only where the vendor's own transform has it.
    one(Want.LOW_LATENCY, "low-latency", "true", needed=False, latency=True),
    one(Want.RATE_CONTROL, "rc-mode", "cbr", needed=False),
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}"),
    one(Want.MAX_BITRATE, "max-bitrate", "{bitrate_kbps}", needed=False),
    one(Want.BUFFER, "vbv-buffer-size", "{buffer_bytes}", needed=False),
    one(Want.KEYFRAMES, "gop-size", "{keyframe_frames}"),
    one(Want.B_FRAMES, "bframes", "0", needed=False),
    one(Want.REFERENCES, "ref", "{references}", needed=False),
    one(Want.SYNTAX, "cabac", "false", needed=False),
)

_VT = (
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}", live=True),
    one(Want.RATE_CONTROL, "rate-control", "cbr", "abr", needed=False),
    one(Want.LOW_LATENCY, "realtime", "true", latency=True),
    one(Want.B_FRAMES, "allow-frame-reordering", "false"),
    one(Want.KEYFRAMES, "max-keyframe-interval", "{keyframe_frames}", live=True),
    one(Want.KEYFRAMES, "max-keyframe-interval-duration", "{keyframe_ns}", live=True, needed=False),
    one(Want.LOOK_AHEAD, "max-frame-delay", "0", needed=False, latency=True),
)

_VULKAN = (
    one(Want.BITRATE, "bitrate", "{bitrate_kbps}"),
    one(Want.RATE_CONTROL, "rate-control", "cbr", "default"),
    one(Want.KEYFRAMES, "idr-period", "{keyframe_frames}"),
    one(Want.B_FRAMES, "b-frames", "0", needed=False),
    one(Want.REFERENCES, "ref-frames", "{references}", needed=False),
    one(Want.SPEED, "quality", "1", needed=False),
    one(Want.DELIMITERS, "aud", "false", needed=False),
)
_VULKAN_PATHS = (MemoryPath("memory:VulkanImage", ("NV12",), ("videoscale", "videoconvert"), ("vulkanupload",)),)


def _v4l2(codec: Codec, name: str, caps: str, controls: str) -> Row:
    """One text of controls, bitrate in bit/s; drivers leave out those they do not know."""
    settings = (one(Want.EXTRA, "extra-controls", controls, live=True),)
    return Row(f"v4l2-{name}", codec, "v4l2", (f"v4l2{name}enc",), settings, (SYSTEM_NV12,), caps)


_CONTROLS = (
    "controls,video_bitrate_mode=1,video_bitrate={bitrate_bps},video_gop_size={keyframe_frames},video_b_frames=0"
)
_HEADERS = ",repeat_sequence_header=1"

ROWS = (
    Row("amf-h264", Codec.H264, "amf", ("amfh264{node}enc",), _AMF, (D3D11, SYSTEM_NV12), H264_ANY),
    Row("amf-h265", Codec.H265, "amf", ("amfh265{node}enc",), _AMF, (D3D11, SYSTEM_NV12), H265_ANY),
    Row("amf-av1", Codec.AV1, "amf", ("amfav1{node}enc",), _AMF, (D3D11, SYSTEM_NV12), AV1),
    Row("mf-h264", Codec.H264, "mediafoundation", ("mfh264{node}enc",), _MF, (D3D11, SYSTEM_NV12), H264_ANY),
    Row("mf-h265", Codec.H265, "mediafoundation", ("mfh265{node}enc",), _MF, (D3D11, SYSTEM_NV12), H265_ANY),
    Row("mf-vp9", Codec.VP9, "mediafoundation", ("mfvp9{node}enc",), _MF, (D3D11, SYSTEM_NV12), VP9),
    Row("vt-h264", Codec.H264, "videotoolbox", ("vtenc_h264_hw", "vtenc_h264"), _VT, (SYSTEM_NV12,), H264_ANY),
    Row("vt-h265", Codec.H265, "videotoolbox", ("vtenc_h265_hw", "vtenc_h265"), _VT, (SYSTEM_NV12,), H265_ANY),
    _v4l2(Codec.H264, "h264", H264_ANY, f"{_CONTROLS}{_HEADERS},h264_i_frame_period={{keyframe_frames}}"),
    _v4l2(Codec.H265, "h265", H265_ANY, f"{_CONTROLS}{_HEADERS}"),
    _v4l2(Codec.VP8, "vp8", VP8, _CONTROLS),
    _v4l2(Codec.VP9, "vp9", VP9, _CONTROLS),
    Row("vulkan-h264", Codec.H264, "vulkan", ("vulkanh264enc",), _VULKAN, _VULKAN_PATHS, H264_ANY),
    Row("vulkan-h265", Codec.H265, "vulkan", ("vulkanh265enc",), _VULKAN, _VULKAN_PATHS, H265_ANY),
)
