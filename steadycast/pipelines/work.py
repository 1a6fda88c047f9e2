"""What a rendition becomes: size, frame rate, bitrate, threads. Pure, and importable without GStreamer."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.errors import CallerError
from steadycast.leases.references import References, ReferencesError, choose
from steadycast.model import Codec, Rendition
from steadycast.pipelines.fit import Wanted
from steadycast.pipelines.parts import Limits

FPS_WHERE_UNKNOWN = 25  # for the bitrate and keyframe interval of a source that does not tell its frame rate
FPS_MAX = 240
KBPS_MIN = 150
KBPS_MAX = 50_000
KEYFRAME_EVERY_MAX = 600  # frames

# Bits that a codec needs for the picture that H.264 makes of one. x265 and libvpx-vp9 save 35 to 53 % of x264's in De
# Cock et al., "A large-scale video codec comparison of x264, x265 and libvpx" (SPIE 9971, 2016), AV1 about half in
# Facebook's "AV1 beats x264 and libvpx-vp9 in practical use case" (2018). Both speak of slow encoding; what is made in
# real time saves less, so these stay on the safe side. VP8 is where H.264's baseline is.
BITS_OF = {"h264": 1.0, "h265": 0.7, "vp9": 0.75, "av1": 0.6, "vp8": 1.0}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a source's picture; unknown is None."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What an encoder has to do: even sizes, `fps` None where the source does not tell its own, kbit/s."""

    width: int
    height: int
    fps: float | None
    bitrate_kbps: int

    @property
    def pixels_per_s(self) -> float:
        """Pixels a second; a source that does not tell its frame rate counts as `FPS_WHERE_UNKNOWN`."""
        return self.width * self.height * (self.fps or FPS_WHERE_UNKNOWN)


def even(value: float) -> int:
    """The even number at or below, at least 2: I420 has one colour sample for two by two pixels."""
    return max(2, int(value) // 2 * 2)


def work(rendition: Rendition, picture: Picture, limits: Limits) -> Work:
    """Size, frame rate and bitrate of a rendition of this picture. Raises CallerError where neither tells a size."""
    width, height = _size(rendition, picture)
    fps = _fps(rendition, picture)
    bits = limits.bits_per_pixel * BITS_OF.get(rendition.codec, 1.0) * width * height * (fps or FPS_WHERE_UNKNOWN)
    return Work(width, height, fps, rendition.bitrate_kbps or clamp(bits / 1000, KBPS_MIN, KBPS_MAX))


def wanted(rendition: Rendition, made: Work, limits: Limits) -> Wanted:
    """What the encoder of a rendition is asked for."""
    rate = made.fps or FPS_WHERE_UNKNOWN
    every = clamp(rate * (rendition.keyframe_s or limits.keyframe_s), 1, KEYFRAME_EVERY_MAX)
    threads = _threads(made.width, made.height, limits.cpus)
    kept = references(rendition, made, limits)
    count = (rendition.references or 1) if kept.fixed else kept.count  # where the format keeps its own, of a picture
    return Wanted(made.width, made.height, rate, made.bitrate_kbps, every, threads, count)


def references(rendition: Rendition, made: Work, limits: Limits) -> References:
    """How many reference frames it is asked for: what it says (1), as far as the budget holds them. Raises CallerError
    where not even the least that its codec needs fits."""
    codec, asked = Codec(rendition.codec), rendition.references or 1
    try:
        return choose(codec, made.width, made.height, asked, limits.reference_mb)
    except ReferencesError as error:
        raise CallerError(
            "rendition.references",
            f"'{rendition.name}' cannot be encoded: {error}",
            hint="make the picture smaller, or raise encoders.reference_budget_mb",
        ) from error


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


def fraction(fps: float) -> str:
    """A frame rate as caps spell it: 25 is 25/1, 29.97 is 30000/1001."""
    if fps == int(fps):
        return f"{int(fps)}/1"
    ntsc = round(fps * 1001 / 1000)
    if abs(ntsc * 1000 / 1001 - fps) < 0.005:
        return f"{ntsc * 1000}/1001"
    return f"{round(fps * 1000)}/1000"


def clamp(value: float, low: int, high: int) -> int:
    return max(low, min(high, round(value)))
