"""The settings tree: one class a table of the TOML file, the same names in file, environment and command line.

Environment names are `STEADYCAST_` and the key, with two underscores between table and key
(`STEADYCAST_RTSP_PORT`, `STEADYCAST_WEBRTC__PUBLIC_ADDRESS`). Times are in seconds, sizes in bytes, unless the name
says otherwise.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from steadycast.config.encoder_settings import EncoderSettings, VendorsSettings
from steadycast.config.tables import Seconds, Table
from steadycast.model import EncodePolicy, Rendition, Source


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the first is above the second")
    return pair


def _port_range(pair: tuple[int, int]) -> tuple[int, int]:
    if (pair[0] == 0) != (pair[1] == 0):
        raise ValueError("only one of the two is 0")
    _ordered(pair)
    return pair


def _ip_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IP address, like 203.0.113.7") from None
    return text


def one_line(text: str) -> str:
    """Names go into pages, logs and SDP. Marks that join letters (category Cf) are part of some scripts."""
    turns = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the writing direction
    if not text.strip() or any(c in turns or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise ValueError("must have something to read and no control characters")
    return text


Port = Annotated[int, Field(ge=0, le=65535)]
Origin = Annotated[str, Field(pattern=r"^https?://[^/?#@*\s]+/?$", max_length=300)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2000)]
Word = Annotated[str, Field(min_length=1, max_length=4096)]


class AuthSettings(Table):
    """Who may come in. Needed as soon as the host listens on anything but loopback."""

    token: SecretStr | None = Field(None, description="Bearer token for API and WHEP, digest password for RTSP.")
    token_hash: str | None = Field(
        None, description="What `steadycast token hash` printed, instead of the token itself."
    )


class HttpSettings(Table):
    """The HTTP side: API, WHEP, page."""

    allowed_origins: tuple[Origin, ...] = Field(
        (), max_length=64, description="Web origins, besides the host's own, that may call the API."
    )
    body_bytes: int = Field(65_536, ge=1024, le=16_777_216, description="Largest request body taken.")


class IceServer(Table):
    """A STUN or TURN server that browsers are told about (`Link` header of WHEP)."""

    url: str = Field(
        pattern=r"^(stun|turns?):[A-Za-z0-9._:\[\]-]+(\?transport=(udp|tcp))?$",
        max_length=300,
        description="stun:host:port, turn:host:port?transport=udp or turns:host:port",
    )
    username: str | None = None
    credential: SecretStr | None = None


class WebrtcSettings(Table):
    """WebRTC: addresses and ports."""

    udp_ports: Annotated[tuple[Port, Port], AfterValidator(_port_range)] = Field(
        (0, 0), description="First and last UDP port; one is used a worker; 0 lets the kernel choose."
    )
    public_address: Annotated[str, AfterValidator(_ip_address)] | None = Field(
        None, description="IP address that viewers outside reach this host at (behind NAT)."
    )
    ice_servers: tuple[IceServer, ...] = Field(
        (), max_length=8, description="STUN and TURN servers, told to browsers and used by the host."
    )
    handshake_s: Seconds = Field(15, description="From answer to connected; after it the viewer is gone.")


class EgressSettings(Table):
    """Sending to viewers."""

    workers: int = Field(1, ge=1, le=64, description="Egress processes.")
    viewer_budget_bytes: int = Field(
        2_097_152,
        ge=65_536,
        le=268_435_456,
        description="Unsent bytes a viewer may have before it is dropped to the next keyframe.",
    )
    viewer_stalled_s: Seconds = Field(10, description="A viewer that stays over its budget this long is dropped.")
    viewer_silence_s: Seconds = Field(30, description="A viewer that does not answer this long is gone.")
    history_bytes: int = Field(
        4_194_304, ge=65_536, le=268_435_456, description="Packets kept a track for resends (NACK)."
    )
    gop_bytes: int = Field(
        8_388_608,
        ge=65_536,
        le=268_435_456,
        description="Largest group of pictures kept a track to show a new viewer at once.",
    )
    spares: int = Field(1, ge=0, le=4, description="Egress processes kept started, for one that dies.")
    drain_s: Seconds = Field(60, description="From draining an egress process until its last viewers are told to go.")
    mtu: int = Field(
        1200, ge=576, le=1400, description="Largest RTP packet made by a lobby worker, without SRTP's trailer."
    )


class RenditionSettings(Table):
    """What a rendition gets where the lobby does not say."""

    linger_s: float = Field(60, ge=0, le=86_400, description="How long a rendition lives on after its last viewer.")
    parked: int = Field(
        32, ge=0, le=10_000, description="Encoders of this host that may be kept for the next viewer; 0: none."
    )
    keyframe_s: float = Field(2, ge=0.1, le=60, description="Longest time between keyframes.")
    bits_per_pixel: float = Field(
        0.09, gt=0, le=2, description="Bitrate by default: this times width, height and frame rate."
    )


class AdaptationSettings(Table):
    """Bitrates that follow what the ways to WebRTC viewers carry. On by default: a viewer whose way is too narrow sees
    a picture that stops, and one rendition is lowered for as long as its worst viewer needs it, at most to its floor."""

    enabled: bool = Field(True, description="Lower a rendition's bitrate while a viewer's way carries less.")
    floor: float = Field(
        0.15, gt=0, le=1, description="Least bitrate, as a part of the rendition's own; below it pictures fall apart."
    )
    hold_s: Seconds = Field(5, description="How long more must be carried before the bitrate rises by a step.")
    turn: bool = Field(
        True, description="Bring a viewer whose way is far narrower than the others' to a smaller rendition."
    )


class SourceSettings(Table):
    """What lobbies may show."""

    applications: dict[str, Annotated[tuple[Word, ...], Field(min_length=1, max_length=64)]] = Field(
        default_factory=dict, description="Commands that a desktop lobby may name."
    )
    any_command: bool = Field(False, description="Let the API start any command in a desktop lobby.")
    file_folders: tuple[Path, ...] = Field((), description="Folders whose files may be shown.")
    rtsp_backoff_s: Annotated[tuple[Seconds, Seconds], AfterValidator(_ordered)] = Field(
        (0.5, 15), description="First and longest wait before a camera is tried again."
    )
    push_bytes: int = Field(
        256 << 20, ge=1 << 20, le=64 << 30, description="Most memory of one lobby's staging buffers."
    )
    rtsp_timeout_s: Seconds = Field(8, description="A camera that sends nothing this long is taken as lost.")


class WorkerSettings(Table):
    """Child processes and their deadlines."""

    spares: int = Field(1, ge=0, le=16, description="Lobby workers kept started, so that a lobby begins at once.")
    spare_age_s: Seconds = Field(21_600, description="A spare that nobody took in this time is replaced by a new one.")
    start_s: Seconds = Field(15, description="From exec until the worker says hello.")
    request_s: Seconds = Field(15, description="From a request until its answer.")
    source_s: Seconds = Field(20, description="From the order to show a source until it shows or says why not.")
    heartbeat_s: Seconds = Field(1, description="Between signs of life.")
    silence_s: Seconds = Field(10, description="A worker without signs of life this long is ended.")
    stall_s: Seconds = Field(10, description="A worker that lives but whose frames stand still this long is ended.")
    evidence: int = Field(32, ge=0, le=1000, description="Reports kept of workers that hung; the oldest go.")
    adopt_s: Seconds = Field(10, description="What a worker found at the start has to say what it holds.")
    end_s: Seconds = Field(3, description="From 'end' until the worker is gone by itself; then SIGTERM.")
    term_s: Seconds = Field(2, description="From SIGTERM until SIGKILL.")
    kill_s: Seconds = Field(5, description="From SIGKILL until reaped; then cleanup counts as incomplete.")
    orphan_timeout_s: Seconds = Field(60, description="A worker that lost its control plane ends itself after this.")
    restarts: int = Field(
        5,
        ge=0,
        le=1000,
        description="Restarts of one lobby within `restart_window_s`; then it stays down until a person acts.",
    )
    restart_window_s: Seconds = Field(60, description="Window of `restarts`.")


class RecycleSettings(Table):
    """When a worker that works is replaced, so that what leaks in it is given back. None: never for this cause."""

    age_s: Seconds | None = Field(None, description="Age of a lobby worker.")
    egress_age_s: Seconds | None = Field(None, description="Age of an egress worker; its viewers choose again.")
    uses: int | None = Field(1000, ge=1, le=1_000_000, description="Renditions that a lobby worker opened.")
    memory_bytes: int | None = Field(2 << 30, ge=1 << 20, description="Private memory of a worker.")
    descriptors: int | None = Field(4096, ge=16, le=10_000_000, description="Open descriptors of a lobby worker.")
    residue: bool = Field(True, description="After a receipt of a rendition or viewer that is not clean.")
    jitter: float = Field(0.1, ge=0, le=1, description="Each worker's limits are lower by a part of up to this.")
    look_s: Seconds = Field(30, description="Between looks at what is due.")


class TrackingSettings(Table):
    """What the host measures of its own processes and devices, and how much of that it keeps."""

    enabled: bool = Field(True, description="Measure, keep and judge. Without it nothing is found.")
    step_s: Seconds = Field(1, description="Between looks while something changes.")
    idle_step_s: Seconds = Field(60, description="Between looks at what stands still.")
    history_bytes: int = Field(512 << 20, ge=16 << 20, description="File of what was measured; the oldest goes.")
    series: int = Field(4000, ge=100, le=100_000, description="Series kept; those not seen for longest go.")


class FindingSettings(Table):
    """What is done about a confirmed leak, beside telling it."""

    recycle: bool = Field(True, description="Replace the worker that leaks, make before break.")
    refuse: bool = Field(False, description="Take no new work on a device whose memory runs out.")
    margin_s: Seconds = Field(86_400, description="A limit that is met sooner than this is a finding by itself.")
    webhook: Url | None = Field(None, description="POST each change of a confirmed finding there, as JSON.")
    webhook_s: Seconds = Field(10, description="What the webhook has to answer; tried three times.")


class LimitSettings(Table):
    """Bounds on what callers may ask for."""

    lobbies: int = Field(64, ge=1, le=10_000)
    viewers: int = Field(1000, ge=1, le=100_000)
    renditions: int = Field(8, ge=1, le=64, description="Renditions of one lobby.")
    offers_per_s: float = Field(
        50, gt=0, le=10_000, description="WHEP offers and RTSP DESCRIBEs answered a second; more get 429 or 503."
    )
    rtsp_connections: int = Field(2000, ge=1, le=100_000)
    sdp_bytes: int = Field(65_536, ge=1024, le=1_048_576)


class LobbySettings(Table):
    """A lobby that the host starts with."""

    key: str | None = Field(
        None,
        min_length=1,
        max_length=80,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Creating the same key again gives the same lobby.",
    )
    name: Annotated[str, AfterValidator(one_line)] = Field(min_length=1, max_length=80)
    source: Source = Field(discriminator="kind")
    renditions: tuple[Rendition, ...] = Field((), max_length=64)
    encoders: EncodePolicy = Field(EncodePolicy(), description="How it wants to be encoded, where it differs.")


class Settings(Table):
    """All settings of a host."""

    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback needs a token.")
    port: Port = Field(8800, description="HTTP port: page, API, WHEP, metrics.")
    rtsp_port: Port = Field(8554, description="RTSP port.")
    state: Path | None = Field(
        None, description="Folder for the database and runtime files; None: under the XDG directories."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    auth: AuthSettings = Field(default_factory=AuthSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    webrtc: WebrtcSettings = Field(default_factory=WebrtcSettings)
    egress: EgressSettings = Field(default_factory=EgressSettings)
    renditions: RenditionSettings = Field(default_factory=RenditionSettings)
    adaptation: AdaptationSettings = Field(default_factory=AdaptationSettings)
    sources: SourceSettings = Field(default_factory=SourceSettings)
    encoders: EncoderSettings = Field(default_factory=EncoderSettings)
    vendors: VendorsSettings = Field(default_factory=VendorsSettings)
    workers: WorkerSettings = Field(default_factory=WorkerSettings)
    recycle: RecycleSettings = Field(default_factory=RecycleSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    findings: FindingSettings = Field(default_factory=FindingSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    lobbies: tuple[LobbySettings, ...] = Field((), description="Lobbies the host starts with.")
