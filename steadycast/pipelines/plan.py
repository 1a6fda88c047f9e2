"""What a rendition becomes: sizes, frame rate, bitrate, threads, and the parts that encode it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from steadycast.errors import CallerError
from steadycast.model import Codec, Rendition
from steadycast.pipelines.parts import Chain, Limits, Part, parse, raw_queue

FPS_WHERE_UNKNOWN = 25  # for the bitrate and keyframe interval of a source that does not tell its frame rate
FPS_MAX = 240
KBPS_MIN = 150
KBPS_MAX = 50_000
KEYFRAME_EVERY_MAX = 600  # frames


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a source's picture; unknown is None."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None


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
        parse(Codec.H264),
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
