"""What an egress worker is told once, at its start. Times in seconds, sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server for the host's own candidates."""

    url: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class EgressOptions:
    """`digest` maps `MD5` or `SHA-256` to the hex HA1 that RTSP clients must know; empty: no login.

    `udp_ports` are the first and last port of the range for WebRTC; (0, 0) lets the kernel choose.
    """

    host: str = "127.0.0.1"
    udp_ports: tuple[int, int] = (0, 0)
    public_address: str | None = None
    ice_servers: tuple[IceServer, ...] = ()
    digest: dict[str, str] = field(default_factory=dict, repr=False)
    realm: str = "steadycast"
    handshake_s: float = 15.0
    viewer_budget_bytes: int = 2_097_152
    viewer_stalled_s: float = 10.0
    viewer_silence_s: float = 30.0
    history_bytes: int = 4_194_304
    gop_bytes: int = 8_388_608
    rtsp_connections: int = 2000
    request_s: float = 15.0
