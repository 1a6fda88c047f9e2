"""What to build, as data: the elements of a rendition, of a track's packets and of its sink, and why they are so. Pure.

Values are spelled as `gst-launch` spells them, so that enums and caps are data too. A property that the installed
GStreamer does not have is left out by the builder: names differ between versions (measured on 1.22 to 1.28).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from steadycast.errors import CallerError
from steadycast.model import Codec, Rendition

VIDEO_PT = 96  # dynamic payload types (RFC 3551, 6); the egress writes its own
AUDIO_PT = 97
VIDEO_CLOCK = 90_000  # RFC 6184 (H.264), RFC 7798 (H.265)
AUDIO_CLOCK = 48_000  # RFC 7587: always 48000 for Opus
AUDIO_BITS = 64_000
FPS_WHERE_UNKNOWN = 25  # for the bitrate and keyframe interval of a source that does not tell its frame rate
FPS_MAX = 240
KBPS_MIN = 150
KBPS_MAX = 50_000
KEYFRAME_EVERY_MAX = 600  # frames


@dataclass(frozen=True, slots=True)
class Part:
    """One element: its factory, what differs from its defaults, and why. `name` is unique within its bin."""

    factory: str
    properties: dict[str, str] = field(default_factory=dict)
    why: str = ""
    name: str | None = None
    optional: bool = False  # left out where it is not installed
    instead: tuple[str, ...] = ()  # factories that do as well, where the first is not installed


Chain = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a source's picture; unknown is None."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings that a plan follows. `mtu` in bytes; `cpus` are those that this process may use."""

    mtu: int = 1200
    keyframe_s: float = 2.0
    bits_per_pixel: float = 0.09
    cpus: int = 1


@dataclass(frozen=True, slots=True)
class RenditionPlan:
    """An encoding that is worked out: sizes are even, `fps` is None where the source does not tell its own."""

    name: str
    width: int
    height: int
    fps: float | None
    bitrate_kbps: int
    keyframe_every: int
    threads: int
    chain: Chain

    def shown(self) -> Picture:
        """What a viewer of it sees."""
        return Picture(self.width, self.height, self.fps)


def even(value: float) -> int:
    """The even number at or below, at least 2: I420 has one colour sample for two by two pixels."""
    return max(2, int(value) // 2 * 2)


def plan_rendition(rendition: Rendition, picture: Picture, limits: Limits) -> RenditionPlan:
    """Work out a rendition of this picture. Raises CallerError where neither of them tells a size."""
    width, height = _size(rendition, picture)
    fps = _fps(rendition, picture)
    rate = fps or FPS_WHERE_UNKNOWN
    bitrate = rendition.bitrate_kbps or _clamp(limits.bits_per_pixel * width * height * rate / 1000, KBPS_MIN, KBPS_MAX)
    keyframe_s = rendition.keyframe_s or limits.keyframe_s
    every = _clamp(rate * keyframe_s, 1, KEYFRAME_EVERY_MAX)
    threads = _threads(width, height, limits.cpus)
    chain = (
        *_to_rendition(picture, width, height, fps),
        _x264(bitrate, every, threads),
        Part(
            "capsfilter",
            {"caps": "video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au"},
            "the profile that every browser decodes; no B-frames, no CABAC",
        ),
        _parse(Codec.H264),
    )
    return RenditionPlan(rendition.name, width, height, fps, bitrate, every, threads, chain)


def _size(rendition: Rendition, picture: Picture) -> tuple[int, int]:
    if rendition.width and rendition.height:
        return even(rendition.width), even(rendition.height)
    if not picture.width or not picture.height:
        raise CallerError(
            "rendition.size_unknown",
            f"the source does not tell the size of its picture, so '{rendition.name}' needs one",
            hint="give the rendition a width and a height",
        )
    if rendition.width:  # the other side keeps the shape of the picture
        return even(rendition.width), even(rendition.width * picture.height / picture.width)
    if rendition.height:
        return even(rendition.height * picture.width / picture.height), even(rendition.height)
    return even(picture.width), even(picture.height)


def _fps(rendition: Rendition, picture: Picture) -> float | None:
    if rendition.fps and picture.fps:
        return min(float(rendition.fps), picture.fps)  # frames that the source does not have would only cost bits
    return float(rendition.fps) if rendition.fps else picture.fps


def _threads(width: int, height: int, cpus: int) -> int:
    """Encoder threads: a thread for each started 1280x720 at 30 fps or so, so that many lobbies share few cores."""
    return max(1, min(cpus, round(width * height / (1280 * 720)), 4))


def _to_rendition(picture: Picture, width: int, height: int, fps: float | None) -> Iterator[Part]:
    yield raw_queue()
    if fps is not None and fps != picture.fps:
        slower = picture.fps is not None
        yield Part(
            "videorate",
            {"skip-to-first": "true", **({"drop-only": "true"} if slower else {"max-duplication-time": "1000000000"})},
            "before scaling, so that dropped frames cost nothing; only drops where the source is faster. It "
            "must begin at the first frame it sees, or it owes all frames since the source began",
        )
        yield Part("capsfilter", {"caps": f"video/x-raw,framerate={_fraction(fps)}"})
    yield Part("videoscale", {"add-borders": "true", "n-threads": "1"}, "borders keep the picture's shape")
    yield Part("videoconvert", {"n-threads": "1"})
    yield Part(
        "capsfilter",
        {"caps": f"video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1"},
        "4:2:0 with 8 bits is what browsers take",
    )


def _x264(bitrate: int, every: int, threads: int) -> Part:
    return Part(
        "x264enc",
        {
            "bitrate": str(bitrate),
            "key-int-max": str(every),
            "threads": str(threads),
            "tune": "zerolatency",
            "speed-preset": "superfast",
            "bframes": "0",
            "byte-stream": "true",
            "vbv-buf-capacity": "400",
            "option-string": "scenecut=0",
        },
        "zerolatency: no look-ahead, slices for threads. 400 ms of buffer bound a keyframe's size. No keyframes at "
        "scene changes: they come when asked for and at the interval, so that the bitrate stays even",
        name="encoder",
    )


def raw_queue() -> Part:
    """A thread of its own for what follows; a slow encoder loses the oldest frames instead of holding the source up."""
    return Part(
        "queue",
        {"max-size-buffers": "2", "max-size-bytes": "0", "max-size-time": "0", "leaky": "downstream", "silent": "true"},
        "two raw frames: latency and memory are bounded",
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


def _parse(codec: Codec) -> Part:
    return Part(
        "h265parse" if codec is Codec.H265 else "h264parse",
        {"config-interval": "-1"},
        "parameter sets before each keyframe, so that a viewer can begin at any of them",
    )


def parsed(codec: Codec) -> Chain:
    """From a depayloader or demultiplexer to access units with start codes, parameter sets before each keyframe."""
    media = "video/x-h265" if codec is Codec.H265 else "video/x-h264"
    return (_parse(codec), Part("capsfilter", {"caps": f"{media},stream-format=byte-stream,alignment=au"}))


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
    factory = {Codec.H264: "rtph264pay", Codec.H265: "rtph265pay", Codec.OPUS: "rtpopuspay"}[codec]
    if codec is not Codec.OPUS:
        properties["aggregate-mode"] = "zero-latency"
    return (
        Part(factory, properties, "perfect-rtptime counts samples instead of following timestamps", name="payloader"),
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
            "timeout": "30000000000",
        },
        "packets since the latest keyframe (at most the soft maximum) are kept, so that a new reader of `copy` need "
        "not wait for the camera's next one. A reader that takes nothing for 30 s is removed",
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


def _fraction(fps: float) -> str:
    """A frame rate as caps spell it: 25 is 25/1, 29.97 is 30000/1001."""
    if fps == int(fps):
        return f"{int(fps)}/1"
    ntsc = round(fps * 1001 / 1000)
    if abs(ntsc * 1000 / 1001 - fps) < 0.005:
        return f"{ntsc * 1000}/1001"
    return f"{round(fps * 1000)}/1000"


def _clamp(value: float, low: int, high: int) -> int:
    return max(low, min(high, round(value)))
