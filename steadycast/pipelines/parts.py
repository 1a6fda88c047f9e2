"""The parts that every pipeline here is put together from, as data: elements, properties, and why they are so. Pure.

Values are spelled as `gst-launch` spells them, so that enums and caps are data too. A property that the installed
GStreamer does not have is left out by the builder: names differ between versions (measured on 1.22 to 1.28).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from steadycast.leases.references import DEFAULT_BUDGET_MB
from steadycast.model import Codec

VIDEO_PT = 96  # dynamic payload types (RFC 3551, 6); the egress writes its own
AUDIO_PT = 97
VIDEO_CLOCK = 90_000  # RFC 6184 (H.264), RFC 7798 (H.265)
AUDIO_CLOCK = 48_000  # RFC 7587: always 48000 for Opus
AUDIO_BITS = 64_000


@dataclass(frozen=True, slots=True)
class Part:
    """One element: its factory, what differs from its defaults, and why. `name` is unique within its bin."""

    factory: str
    properties: dict[str, str] = field(default_factory=dict)
    why: str = ""
    name: str | None = None
    optional: bool = False  # left out where it is not installed
    instead: tuple[str, ...] = ()  # factories that do as well, where the first is not installed
    launch: str | None = None  # a piece of a pipeline in place of one element; `factory` names it


Chain = tuple[Part, ...]

PAYLOADERS = {
    Codec.H264: "rtph264pay",
    Codec.H265: "rtph265pay",
    Codec.AV1: "rtpav1pay",
    Codec.VP8: "rtpvp8pay",
    Codec.VP9: "rtpvp9pay",
    Codec.OPUS: "rtpopuspay",
}


RAW_QUEUE = "raw"  # the name of the queue in front of an encoder


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings that a plan follows. `mtu` in bytes; `bits_per_pixel` is for H.264; `cpus` are those that this process
    may use; an encoder that is not open after `open_s` counts as hung; its reference frames get `reference_mb`
    megabytes."""

    mtu: int = 1200
    keyframe_s: float = 2.0
    bits_per_pixel: float = 0.09
    cpus: int = 1
    open_s: float = 5.0
    reference_mb: float = DEFAULT_BUDGET_MB


def raw_queue() -> Part:
    """A thread of its own for what follows; a slow encoder loses the oldest frames instead of holding the source up."""
    return Part(
        "queue",
        {"max-size-buffers": "2", "max-size-bytes": "0", "max-size-time": "0", "leaky": "downstream", "silent": "true"},
        "two raw frames: latency and memory are bounded",
        name=RAW_QUEUE,
    )


def encoded_queue() -> Part:
    """A thread of its own for encoded data, bounded by time and bytes."""
    return Part(
        "queue",
        {
            "max-size-buffers": "0",
            "max-size-bytes": str(16 * 1024 * 1024),
            "max-size-time": "2000000000",
            "leaky": "downstream",
            "silent": "true",
        },
        "two seconds or 16 MiB; what follows never blocks, so it is full only where the machine is far too slow",
    )


def tee(name: str) -> Part:
    """Where streams part; goes on while nobody is linked."""
    return Part("tee", {"allow-not-linked": "true"}, "a source must not stop because nobody watches", name=name)


def guard() -> Part:
    """An error behind it ends one branch and not the source, which would end all of them."""
    return Part(
        "errorignore",
        {"ignore-error": "true", "ignore-notnegotiated": "true", "ignore-notlinked": "true", "convert-to": "ok"},
        "a rendition that fails must not stop the others",
        optional=True,
    )


def parse(codec: Codec) -> Part:
    """What brings an encoder's output into the form that payloaders take; VP8 needs nothing."""
    if codec is Codec.VP8:
        return Part("identity", {"silent": "true"})
    if codec is Codec.VP9:
        return Part("vp9parse", optional=True)
    if codec is Codec.AV1:
        return Part("av1parse", why="whole temporal units")
    return Part(
        "h265parse" if codec is Codec.H265 else "h264parse",
        {"config-interval": "-1"},
        "parameter sets before each keyframe, so that a viewer can begin at any of them",
    )


def parsed(codec: Codec) -> Chain:
    """From a depayloader or demultiplexer to access units with start codes, parameter sets before each keyframe."""
    media = "video/x-h265" if codec is Codec.H265 else "video/x-h264"
    return (parse(codec), Part("capsfilter", {"caps": f"{media},stream-format=byte-stream,alignment=au"}))


def packets(codec: Codec, limits: Limits) -> Chain:
    """RTP in RFC 4571 framing, sent to all readers.

    Offset 0 makes an RTP timestamp the running time of the pipeline, for every track.
    """
    properties = {
        "mtu": str(limits.mtu),
        "pt": str(AUDIO_PT if codec is Codec.OPUS else VIDEO_PT),
        "timestamp-offset": "0",
        "seqnum-offset": "0",
        "perfect-rtptime": "false",
    }
    factory = PAYLOADERS[codec]
    if codec in (Codec.H264, Codec.H265):
        properties["aggregate-mode"] = "zero-latency"
    if codec in (Codec.VP8, Codec.VP9):
        properties["picture-id-mode"] = "15-bit"  # browsers tell by it which pictures are missing
    ours = ("steadycastrtpav1pay",) if codec is Codec.AV1 else ()
    return (
        Part(
            factory,
            properties,
            "perfect-rtptime counts samples instead of following timestamps",
            name="payloader",
            instead=ours,
        ),
        Part("rtpstreampay"),
        sink(codec),
    )


def sink(codec: Codec) -> Part:
    """Writes packets into the readers' sockets; a slow reader is bounded, then dropped, and delays nobody."""
    video = codec is not Codec.OPUS
    return Part(
        "multisocketsink",
        {
            "sync": "false",
            "async": "false",
            "enable-last-sample": "false",
            "buffers-max": "4000",
            "buffers-soft-max": "2000",
            "recover-policy": "keyframe" if video else "latest",
            "sync-method": "latest-keyframe" if video else "latest",
        },
        "packets since the latest keyframe (at most the soft maximum) are kept, so that a new reader of `copy` need "
        "not wait for the camera's next one. No timeout: it would also remove "
        "a reader that had nothing to read for so long",
        name="sink",
    )


def decoder(codec: Codec, cpus: int) -> Chain:
    """From encoded access units to raw frames, for renditions of a source that sends H.264 or H.265."""
    instead = ("openh264dec",) if codec is Codec.H264 else ("libde265dec",)
    return (
        guard(),
        Part(
            "queue",
            {"max-size-buffers": "2000", "max-size-bytes": "33554432", "max-size-time": "0", "leaky": "downstream"},
            "room for a group of pictures, which it is given at once when it starts",
        ),
        Part(
            "avdec_h265" if codec is Codec.H265 else "avdec_h264",
            {"max-threads": str(min(2, cpus)), "output-corrupt": "false"},
            "each thread of the decoder is a frame of latency",
            name="decoder",
            instead=instead,
        ),
    )


def opus() -> Chain:
    """From raw sound to Opus."""
    return (
        Part("audioconvert"),
        Part("audioresample"),
        Part("capsfilter", {"caps": f"audio/x-raw,rate={AUDIO_CLOCK},channels=2,layout=interleaved"}),
        Part(
            "opusenc",
            {
                "bitrate": str(AUDIO_BITS),
                "frame-size": "20",
                "complexity": "5",
                "perfect-timestamp": "true",
                "tolerance": "40000000",
            },
            "20 ms frames are what browsers expect; complexity 5 halves the cost of 10 with little to hear. Its "
            "time stamps count samples, and follow the source only where it is more than 40 ms off",
            name="encoder",
        ),
    )
