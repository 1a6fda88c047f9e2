"""Messages between the control plane and an egress worker."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.model import Protocol, TrackInfo

# --- control plane -> egress worker ---


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
    its first keyframe, with timestamps and sequence numbers that go on; `BusTaken` says so. Buses of one lobby worker
    share `epoch`. `bus` is the asker's name for it.
    """

    track: str
    epoch: str
    info: TrackInfo
    bus: str = ""


@dataclass(frozen=True, slots=True)
class CloseTrack:
    """Forget a track and its bus. Its viewers must be gone or are told to go."""

    track: str


@dataclass(frozen=True, slots=True)
class WhepOffer:
    """A browser's offer for a viewer of these tracks. Answered with `{"answer": sdp}`.

    `etag` and `remote` (the address that the offer came from) are kept for `ViewerStock`.
    """

    viewer: str
    tracks: tuple[str, ...]
    sdp: str
    etag: str | None = None
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class WhepPatch:
    """Trickled candidates or an ICE restart (trickle-ice-sdpfrag). Answered with `{"fragment": sdp or None}`.

    `etag` is kept for the viewer where the answer is a fragment (a restart).
    """

    viewer: str
    fragment: str
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class TurnViewer:
    """Give a WebRTC viewer another track (key) of the same codec in place of one, from its next keyframe on. Answered
    then, or with `Failed`, and it goes on as it was."""

    viewer: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class KickViewer:
    """End a viewer. Answered when it is gone."""

    viewer: str
    reason: str


@dataclass(frozen=True, slots=True)
class DrainEgress:
    """Take no new RTSP connections: the listening socket is let go. Viewers stay. Answered when that is so."""


@dataclass(frozen=True, slots=True)
class HandListener:
    """Hand over a copy of the listening RTSP socket: `RtspListener` with one descriptor is posted before the answer.
    Failed with ConflictError `egress.no_listener` where there is none (not configured, drained)."""


# --- egress worker -> control plane ---


@dataclass(frozen=True, slots=True)
class RtspListener:
    """With it comes one descriptor: a copy of the listening RTSP socket."""


@dataclass(frozen=True, slots=True)
class KeyframeWanted:
    """A viewer of this track needs a keyframe."""

    track: str


@dataclass(frozen=True, slots=True)
class BusTaken:
    """The first keyframe of a bus came: its track goes on with it, and any bus before it is let go."""

    track: str
    bus: str


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
