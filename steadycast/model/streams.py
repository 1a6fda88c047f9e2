"""Lobbies, sources, renditions, encoders and tracks.

Constraints are `annotated_types`, so that pydantic validates these classes at the edges while a worker process can
use them without paying for pydantic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

# Settings for pydantic where one of these is validated: an unknown key is an error, and a class cannot be changed.
_STRICT: dict[str, Any] = {"extra": "forbid"}

Name = Annotated[str, MinLen(1), MaxLen(80)]
Width = Annotated[int, Ge(16), Le(7680)]
Height = Annotated[int, Ge(16), Le(4320)]
Fps = Annotated[int, Ge(1), Le(240)]
Kbps = Annotated[int, Ge(50), Le(100_000)]


class LobbyState(StrEnum):
    """Life of a lobby; each state is logged and sent as an event once when it is entered."""

    CREATED = "CREATED"
    STARTING = "STARTING"
    STREAMING = "STREAMING"
    DEGRADED = "DEGRADED"
    DRAINING = "DRAINING"
    ENDING = "ENDING"
    DESTROYED = "DESTROYED"
    CLEANUP_INCOMPLETE = "CLEANUP_INCOMPLETE"


class TrackKind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"


class Codec(StrEnum):
    H264 = "h264"
    H265 = "h265"
    AV1 = "av1"
    VP8 = "vp8"
    VP9 = "vp9"
    OPUS = "opus"


class HardwareUse(StrEnum):
    """Whether a lobby's pictures are encoded by a GPU."""

    REQUIRE = "require"
    PREFER = "prefer"
    FORBID = "forbid"


class WhenFull(StrEnum):
    """What is done when no hardware encoder is free."""

    FALLBACK = "fallback"  # software, and promotion later
    QUEUE = "queue"
    REFUSE = "refuse"


class EncoderFault(StrEnum):
    """What went wrong with an encoder, as far as it can be told. The values are codes of `EncoderError`.

    The first two are what NVENC answers when its session cap is reached: 10 (which is also a real lack of VRAM) and 21.
    """

    OUT_OF_MEMORY = "encoder.out_of_memory"  # NV_ENC_ERR_OUT_OF_MEMORY (10)
    CLIENT_KEY = "encoder.incompatible_client_key"  # NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY (21)
    UNSUPPORTED = "encoder.unsupported"  # no encoder on this chip (NVENC 1, 2), or not for this codec or size
    VERSION = "encoder.version"  # library and driver do not fit (NVENC 15)
    MISSING = "encoder.missing"  # no such element in this process, though it is there elsewhere: often a cap
    OPEN = "encoder.open_failed"  # it did not open, and nothing more is known
    DRIVER_LOST = "encoder.driver_lost"  # the device is gone (NVENC 5, CUDA errors)
    HUNG = "encoder.hung"  # it did not answer within its deadline: its process must end
    FAILED = "encoder.failed"  # it failed later, or made nothing
    SETTINGS = "encoder.settings"  # a property or fragment that it does not take


class Protocol(StrEnum):
    """How a viewer watches."""

    WHEP = "whep"
    RTSP = "rtsp"


@dataclass(frozen=True, slots=True)
class TestSource:
    """A test picture with a moving frame counter and a clock, and a tone."""

    __test__: ClassVar[bool] = False  # pytest: not a test class
    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    kind: Literal["test"] = "test"
    width: Width = 1280
    height: Height = 720
    fps: Fps = 30


@dataclass(frozen=True, slots=True)
class DesktopSource:
    """A virtual X display of its own and a program on it.

    `application` names one of the applications of the config; `command` is a command line as a list of words and is
    taken only where the setting `sources.any_command` allows it. Exactly one of the two.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    kind: Literal["desktop"] = "desktop"
    application: Name | None = None
    command: Annotated[tuple[str, ...], MaxLen(64)] | None = None
    width: Width = 1280
    height: Height = 720
    fps: Fps = 30
    cursor: bool = True


@dataclass(frozen=True, slots=True)
class RtspSource:
    """A camera. `url` may hold user and password; they are masked wherever the lobby is shown."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    url: Annotated[str, MinLen(8), MaxLen(2048)]
    kind: Literal["rtsp"] = "rtsp"
    transport: Literal["auto", "tcp", "udp"] = "auto"
    latency_ms: Annotated[int, Ge(0), Le(5000)] = 100


@dataclass(frozen=True, slots=True)
class FileSource:
    """A media file (mp4, mkv) below one of the folders of the config, looped without a gap in timestamps."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    path: Annotated[str, MinLen(1), MaxLen(4096)]
    kind: Literal["file"] = "file"
    loop: bool = True


@dataclass(frozen=True, slots=True)
class PushSource:
    """Pictures that a program on this machine pushes into shared memory (`steadycast.Push`).

    `buffers` pictures are lent to it. `idle` says what is shown when it went: its last picture, or black.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    kind: Literal["push"] = "push"
    width: Width = 1280
    height: Height = 720
    fps: Fps = 30
    format: Literal["RGB", "RGBA", "BGRx", "I420", "NV12"] = "RGB"
    buffers: Annotated[int, Ge(3), Le(16)] = 4
    idle: Literal["hold", "black"] = "hold"


Source = TestSource | DesktopSource | RtspSource | FileSource | PushSource


@dataclass(frozen=True, slots=True)
class Rendition:
    """One encoding of a lobby. Size, frame rate and bitrates that are None follow the source and the settings.

    `bitrate_min_kbps` is the least that narrow ways to its viewers may bring it to; `bitrate_kbps` or more: it stays.

    `references` are the frames that an encoder keeps to predict from (1); more save bits and take memory.

    `copy` passes on what the source already sends and costs no encoder; it exists only where the source sends H.264
    or H.265.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    name: Annotated[str, MinLen(1), MaxLen(40)]
    codec: Literal["h264", "h265", "av1", "vp8", "vp9", "copy"] = "h264"
    width: Width | None = None
    height: Height | None = None
    fps: Fps | None = None
    bitrate_kbps: Kbps | None = None
    keyframe_s: Annotated[float, Ge(0.1), Le(60)] | None = None
    bitrate_min_kbps: Kbps | None = None
    references: Annotated[int, Ge(1), Le(16)] | None = None


@dataclass(frozen=True, slots=True)
class EncodePolicy:
    """How a lobby wants to be encoded. None follows the settings (`encoders`).

    `device` pins it to one device by id; `priority` from 0 to 100, the higher is served first.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    hardware: HardwareUse | None = None
    when_full: WhenFull | None = None
    priority: Annotated[int, Ge(0), Le(100)] | None = None
    device: Annotated[str, MinLen(1), MaxLen(200)] | None = None


@dataclass(frozen=True, slots=True)
class EncoderOrder:
    """Which encoder a lobby worker opens: what admission decided, in words that need no look at the devices again.

    `entry` is a row of the table of encoders, or `fragment` for the operator's own; `elements` are GStreamer's names
    to try in this order; `options` are properties that choose the device; `fragment` is the operator's text, and
    `memory` the caps feature that it promises.
    """

    device: str
    vendor: str
    codec: Codec
    entry: str
    elements: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    fragment: str | None = None
    memory: str | None = None


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """What was really built. `planned` and `memory` are caps features at the encoder's input (`memory:CUDAMemory`);
    None: system memory, and for `memory` also before it is known. `notes` say what differs from the plan, and why."""

    device: str
    element: str
    planned: str | None = None
    memory: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retuned:
    """What came of another bitrate for an encoder that plays. `bitrate_kbps` is in force now, as the element tells it;
    None where it tells none. `why` says why nothing was changed: it takes another encoder."""

    bitrate_kbps: int | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """What a track of a lobby carries. Unknown is None.

    `name` is a rendition's name, or `audio`. `fmtp` holds the format parameters of the RTP payload as SDP spells them
    (`profile-level-id`, `sprop-parameter-sets`, `sprop-vps`, ...). `reorders` says whether frames are sent in another
    order than they are shown (B-frames), which browsers do not play over WebRTC.
    """

    name: str
    kind: TrackKind
    codec: Codec
    clock_rate: int
    channels: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    reorders: bool | None = None
    encoder: str | None = None  # name of the encoder element; None where nothing is encoded (copy)
    fmtp: dict[str, str] = field(default_factory=dict)
