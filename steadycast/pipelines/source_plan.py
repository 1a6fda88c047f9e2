"""What to build for each kind of source, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from steadycast.model import DesktopSource, RtspSource, Source, TestSource
from steadycast.pipelines.parts import Chain, Limits, Part


@dataclass(frozen=True, slots=True)
class PushPlace:
    """Where a worker listens for producers; `heir_of`: where the one listens that it takes over from."""

    path: str
    heir_of: str | None = None


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """What to show, and how. `display` and `xauthority` belong to a desktop; no frame for `timeout_s` is a failure.
    `began`: when a file that is gone on with began, in seconds of the monotonic clock. `push`: of a push source."""

    source: Source
    limits: Limits
    display: str | None = None
    xauthority: str | None = None
    timeout_s: float = 8.0
    began: float | None = None
    push: PushPlace | None = None


def pattern_picture(source: TestSource) -> Chain:
    """A live picture of the asked size with a caption that `sources.test` fills in."""
    size = max(8, min(source.height // 9, source.width // 14))
    return (
        Part("videotestsrc", {"is-live": "true", "pattern": "smpte-rp-219"}),
        Part(
            "capsfilter",
            {
                "caps": f"video/x-raw,format=I420,width={source.width},height={source.height},"
                f"framerate={source.fps}/1,pixel-aspect-ratio=1/1"
            },
        ),
        Part(
            "textoverlay",
            {
                "font-desc": f"Monospace Bold {size}px",
                "halignment": "center",
                "valignment": "center",
                "line-alignment": "center",
                "shaded-background": "true",
                "auto-resize": "false",
                "wait-text": "false",
            },
            "one caption for clock and counter: drawing text is the dearest part of this picture",
            name="counter",
        ),
    )


def pattern_sound() -> Chain:
    """A quiet tick each second, a higher one each tenth."""
    return (
        Part(
            "audiotestsrc",
            {
                "is-live": "true",
                "wave": "ticks",
                "freq": "880",
                "volume": "0.15",
                "sine-periods-per-tick": "40",
                "samplesperbuffer": "960",
            },
            "960 samples are the 20 ms of an Opus frame",
        ),
        Part("capsfilter", {"caps": "audio/x-raw,rate=48000,channels=2,layout=interleaved"}),
    )


def desktop_picture(source: DesktopSource, display: str) -> Chain:
    """Capture of a whole X display."""
    return (
        Part(
            "ximagesrc",
            {
                "display-name": display,
                "use-damage": "false",
                "show-pointer": "true" if source.cursor else "false",
                "remote": "false",
            },
            "XDamage makes a still screen send no frames and costs more than it saves on a virtual display",
        ),
        Part("capsfilter", {"caps": f"video/x-raw,framerate={source.fps}/1,pixel-aspect-ratio=1/1"}),
    )


_CONTAINERS = frozenset(f"application/{kind}" for kind in ("ogg", "mxf", "vnd.rn-realmedia", "x-id3", "x-apetag"))


def only_names_others(media_type: str) -> bool:
    """Whether such a file holds no media itself but may name addresses to fetch it from: playlists of HLS, DASH and
    Smooth Streaming, descriptions of sessions. Followed, they would lead the host anywhere."""
    return media_type.startswith(("application/", "text/")) and media_type not in _CONTAINERS


def in_real_time() -> Chain:
    """Holds a stream of a file back until its time. What is read ahead, over the interleaving of a file, is bounded."""
    return (
        Part(
            "queue",
            {"max-size-buffers": "0", "max-size-bytes": str(32 * 1024 * 1024), "max-size-time": "3000000000"},
            "the demultiplexer has one thread for all streams: each needs room for what comes before the other",
        ),
        Part("clocksync", {"sync": "true"}),
    )


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """How to reach a camera. `shown` is the address without credentials, the only one that may be shown."""

    location: str
    shown: str
    host: str
    user: str | None
    password: str | None
    properties: dict[str, str]
    transports: tuple[str, ...]  # tried in this order; the next only where the camera refuses the transport

    def __repr__(self) -> str:
        return f"<CameraPlan {self.shown}>"


def leads_away(location: str, asked: str) -> bool:
    """Whether a request for the URL `asked` would go to another host or port than that of `location`.

    A redirect is not followed: the address it names was never checked, and the login is for the camera alone. GStreamer
    spells requests `rtsp:` over TLS, too, so a port that is left out is the one of the camera's own scheme.
    """
    default = 322 if location.lower().startswith("rtsps:") else 554
    try:
        mine, other = urlsplit(location), urlsplit(asked)
        return (mine.hostname, mine.port or default) != (other.hostname, other.port or default)
    except ValueError:
        return True


def plan_camera(source: RtspSource, timeout_s: float) -> CameraPlan:
    """TCP first where it is left open: it loses nothing and passes firewalls; UDP where the camera refuses TCP."""
    parts = urlsplit(source.url)
    address = parts.netloc.rpartition("@")[2]
    location = urlunsplit((parts.scheme, address, parts.path, parts.query, ""))
    shown = urlunsplit((parts.scheme, address, parts.path, "", ""))  # a query may hold a password, too
    microseconds = str(int(timeout_s * 1_500_000))  # longer than the watchdog of the lobby, which has better words
    return CameraPlan(
        location=location,
        shown=shown,
        host=address,
        user=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
        properties={
            "latency": str(source.latency_ms),
            "tcp-timeout": microseconds,
            "timeout": "0",
            "drop-on-latency": "true",
            "do-retransmission": "true",
            "teardown-timeout": "100000000",
            "user-agent": "Steadycast",
            "is-live": "true",
        },
        transports=("tcp", "udp") if source.transport == "auto" else (source.transport,),
    )
