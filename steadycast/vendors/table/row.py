"""What a row of the table says. Pure data.

Values are texts as `gst-launch` spells them. Quantities stand in them by name, and each name says its unit:
{bitrate_kbps}, {bitrate_bps}, {buffer_ms}, {buffer_kbit}, {buffer_bytes}, {keyframe_frames}, {keyframe_ns}, {threads},
{references},
{width}, {height}, {fps}. {unasked_frames} is {keyframe_frames} for encoders that make no keyframe when they are asked
for one: at most those of a second, which is then the longest that a viewer waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from steadycast.model import Codec


class Want(StrEnum):
    """What is wanted of an encoder, whatever its property is called."""

    BITRATE = "bitrate"
    MAX_BITRATE = "max_bitrate"
    BUFFER = "buffer"  # of the rate control: bounds how large a single frame gets
    RATE_CONTROL = "rate_control"
    KEYFRAMES = "keyframes"
    SCENE_CUTS = "scene_cuts"  # no keyframes but those at the interval and those asked for
    B_FRAMES = "b_frames"
    REFERENCES = "references"
    LOW_LATENCY = "low_latency"
    TUNE = "tune"
    LOOK_AHEAD = "look_ahead"
    SPEED = "speed"
    THREADS = "threads"
    SLICES = "slices"
    DELIMITERS = "delimiters"  # access unit delimiters: bytes that RTP has no use for
    SYNTAX = "syntax"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Try:
    """One way to say it: a property, and values for it, the best first. `live`: GStreamer's code takes a change of it
    while PLAYING, whether its flags say so or not."""

    property: str
    values: tuple[str, ...]
    live: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """Something wanted, and the ways to say it; the first that the element has is taken.

    `needed`: the stream is not what was planned without it, so that it is worth a note. `latency`: said only where low
    latency is wanted.
    """

    want: Want
    tries: tuple[Try, ...]
    needed: bool = True
    latency: bool = False


@dataclass(frozen=True, slots=True)
class MemoryPath:
    """How frames reach an encoder. `feature` is the caps feature at its input, None for system memory.

    `front` are elements that scale and convert, before the caps of size and format; those `behind` the caps only move
    memory. `{node}` stands for the device in an element's name, as in a row's elements.
    """

    feature: str | None
    formats: tuple[str, ...]
    front: tuple[str, ...]
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One way to encode one codec. `elements` are names, the best first; `{node}` stands for a device other than the
    first (`device1` for nvcodec, `renderD129` for va) and is empty for the first.

    `caps` is what the encoder is asked to make. `pretends` is a memory that the element only tells of, by its property
    `memory`, while its caps are those of system memory.
    """

    entry: str
    codec: Codec
    family: str
    elements: tuple[str, ...]
    settings: tuple[Setting, ...]
    paths: tuple[MemoryPath, ...]
    caps: str
    hardware: bool = True
    pretends: str | None = None


def one(want: Want, name: str, *values: str, live: bool = False, needed: bool = True, latency: bool = False) -> Setting:
    """A setting that has one name everywhere."""
    return Setting(want, (Try(name, values, live),), needed, latency)


# I420 is what every software encoder takes; hardware takes NV12.
SYSTEM = MemoryPath(None, ("I420", "NV12"), ("videoscale", "videoconvert"))
SYSTEM_NV12 = MemoryPath(None, ("NV12", "I420"), ("videoscale", "videoconvert"))

# What the encoder makes. Constrained baseline is what every browser decodes: no B-frames, no CABAC.
H264 = "video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au"
# Some platforms call it by its older name; where an encoder makes no start codes, the parser behind it does.
H264_ANY = "video/x-h264,profile=(string){constrained-baseline,baseline}"
H265_ANY = "video/x-h265,profile=main"
H265 = "video/x-h265,profile=main,stream-format=byte-stream,alignment=au"
AV1 = "video/x-av1,stream-format=obu-stream,alignment=tu"
VP8 = "video/x-vp8"
VP9 = "video/x-vp9,profile=(string)0"
