"""What the control plane and its workers say to each other: one frozen dataclass a message, one table of names.

Pure. A message travels as one datagram of a SOCK_SEQPACKET Unix socket: JSON, with descriptors beside it where the
message's text says so. A message that is asked with `Channel.request` is answered with `Done` or `Failed` of the same
`seq`. The sender is always known by its socket, so no message carries a worker id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steadycast.model import Protocol, Rendition, Source, TrackInfo

# --- both ways ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a request that worked. `body` is what the request's text promises."""

    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer to a request that did not work: the fields of `SteadycastError`, and its class by name.

    `status` is the HTTP status of a `CallerError`.
    """

    error: str
    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    retry_after: float | None = None
    status: int | None = None


# --- worker -> control plane, any kind ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a worker: who it is. `start_time` is field 22 of /proc/self/stat (clock ticks)."""

    kind: str
    pid: int
    start_time: int
    token: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sign of life, with the worker's own counters (frames sent, viewers, ...). Unix seconds."""

    at: float
    statistics: dict[str, Any] = field(default_factory=dict)


# --- control plane -> worker, any kind ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """End cleanly and exit; not answered: the exit is the answer."""

    reason: str


# --- control plane -> lobby worker ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShowSource:
    """Build the source and play it. Answered at once; then `SourceReady` or `SourceFailed` follow within the deadline.

    `display` and `xauthority` are given for a desktop source. Sizes in bytes, times in seconds.
    """

    lobby: str
    source: Source
    display: str | None = None
    xauthority: str | None = None
    mtu: int = 1200
    keyframe_s: float = 2.0
    bits_per_pixel: float = 0.09
    timeout_s: float = 8.0


@dataclass(frozen=True, slots=True)
class OpenRendition:
    """Start a rendition. Answered with `{"track": TrackInfo}` when its first packet is made. Opening twice is no error."""

    rendition: Rendition


@dataclass(frozen=True, slots=True)
class CloseRendition:
    """End a rendition. Answered when its elements are gone."""

    name: str


@dataclass(frozen=True, slots=True)
class AttachReader:
    """Send a track's packets into the Unix stream socket that comes with this message (one descriptor)."""

    track: str
    reader: str


@dataclass(frozen=True, slots=True)
class DetachReader:
    """Stop sending to a reader and close its socket."""

    track: str
    reader: str


@dataclass(frozen=True, slots=True)
class ForceKeyframe:
    """Make the next frame of a track a keyframe (at most twice a second; ignored for `copy`). Not answered."""

    track: str


# --- lobby worker -> control plane ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceReady:
    """The source shows. `tracks` are what can be read without opening a rendition: `copy` and `audio`, where they exist.

    Sent again when what is known of it changes (`reorders` was found out, say).
    """

    tracks: tuple[TrackInfo, ...]
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """The source does not show (any more), in the words of the source. The worker keeps nothing running and waits for `End`.

    `retry` says whether trying again can help (a camera that went away: yes; a file that is no media: no).
    """

    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    retry: bool = False


# --- control plane -> display worker --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShowDisplay:
    """Start an X display of this size and run the command on it. Answered with `{"display": ":7", "xauthority": path}`.

    The display is up when the answer comes; the command was started. Its end is told by `CommandExited`.
    """

    lobby: str
    command: tuple[str, ...]
    width: int
    height: int


# --- display worker -> control plane --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommandExited:
    """The command on the display ended. `exit_code` is None where a signal ended it; `output` is its last lines."""

    exit_code: int | None
    signal: int | None
    output: str = ""


@dataclass(frozen=True, slots=True)
class DisplayFailed:
    """The X server ended."""

    what: str
    output: str = ""


# --- control plane -> egress worker ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IceServerInfo:
    url: str
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigureEgress:
    """First order of an egress worker; with it comes one descriptor: the listening RTSP socket.

    `digest` maps an algorithm (`MD5`, `SHA-256`) to the hex HA1 that RTSP clients must know; empty: no login.
    Answered with `{"udp_port": int}`.
    """

    host: str
    udp_ports: tuple[int, int]
    public_address: str | None
    ice_servers: tuple[IceServerInfo, ...]
    digest: dict[str, str]
    realm: str
    handshake_s: float
    viewer_budget_bytes: int
    viewer_stalled_s: float
    viewer_silence_s: float
    history_bytes: int
    gop_bytes: int
    rtsp_connections: int
    request_s: float


@dataclass(frozen=True, slots=True)
class OpenBus:
    """Read a track from the Unix stream socket that comes with this message (one descriptor).

    `track` is `<lobby id>/<track name>`. For a track that is open already the viewers are switched to the new bus at
    its first keyframe, with timestamps and sequence numbers that go on. Buses of one lobby worker share `epoch`.
    """

    track: str
    epoch: str
    info: TrackInfo


@dataclass(frozen=True, slots=True)
class CloseTrack:
    """Forget a track and its bus. Its viewers must be gone or are told to go."""

    track: str


@dataclass(frozen=True, slots=True)
class WhepOffer:
    """A browser's offer for a viewer of these tracks. Answered with `{"answer": sdp}`."""

    viewer: str
    tracks: tuple[str, ...]
    sdp: str


@dataclass(frozen=True, slots=True)
class WhepPatch:
    """Trickled candidates or an ICE restart (application/trickle-ice-sdpfrag). Answered with `{"fragment": sdp or None}`."""

    viewer: str
    fragment: str


@dataclass(frozen=True, slots=True)
class KickViewer:
    """End a viewer. Answered when it is gone."""

    viewer: str
    reason: str


# --- egress worker -> control plane ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyframeWanted:
    """A viewer of this track needs a keyframe."""

    track: str


@dataclass(frozen=True, slots=True)
class BusLost:
    """A track's bus ended (its lobby worker is gone or dropped us). Viewers stay and wait for a new one."""

    track: str


@dataclass(frozen=True, slots=True)
class RtspDescribe:
    """A request of the egress worker: an RTSP client wants this path (no leading slash; `lobby` or `lobby/rendition`).

    Answered with `{"lobby": id, "tracks": [{"track": key, "info": TrackInfo}], "name": str}` when the tracks are open
    here, or `Failed`. `hold` names the connection: the tracks are kept for it until `RtspGone` of the same name.
    """

    path: str
    hold: str
    remote: str


@dataclass(frozen=True, slots=True)
class RtspGone:
    """The connection that described a path is gone."""

    hold: str


@dataclass(frozen=True, slots=True)
class ViewerJoined:
    """An RTSP client began to play (WHEP viewers are known by their offer). `transport` is `udp` or `tcp`."""

    viewer: str
    lobby: str
    tracks: tuple[str, ...]
    protocol: Protocol
    remote: str
    transport: str
    hold: str


@dataclass(frozen=True, slots=True)
class ViewerConnected:
    """A WHEP viewer finished its handshake. `remote` is its address."""

    viewer: str
    remote: str


@dataclass(frozen=True, slots=True)
class ViewerGone:
    """A viewer ended: it left, went silent, was too slow, or was kicked."""

    viewer: str
    reason: str


MESSAGES: dict[str, type[Any]] = {
    message.__name__: message
    for message in (
        Done, Failed, Hello, Heartbeat, End,
        ShowSource, OpenRendition, CloseRendition, AttachReader, DetachReader, ForceKeyframe, SourceReady, SourceFailed,
        ShowDisplay, CommandExited, DisplayFailed,
        ConfigureEgress, OpenBus, CloseTrack, WhepOffer, WhepPatch, KickViewer,
        KeyframeWanted, BusLost, RtspDescribe, RtspGone, ViewerJoined, ViewerConnected, ViewerGone,
    )
}  # fmt: skip
