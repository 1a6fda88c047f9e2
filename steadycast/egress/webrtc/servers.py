"""Addresses of STUN and TURN servers (RFC 7064, RFC 7065). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

_PORTS = {"stun": 3478, "turn": 3478, "turns": 5349}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server: scheme `stun`, `turn` or `turns`; transport `udp` or `tcp`."""

    scheme: str
    host: str
    port: int
    transport: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.host}:{self.port}"


def parse_server(url: str) -> ServerAddress | None:
    """The server of a `stun:`, `turn:` or `turns:` URL; None for anything else."""
    scheme, _, rest = url.partition(":")
    address, _, query = rest.removeprefix("//").partition("?")
    if scheme not in _PORTS or not address:
        return None
    host, port = _host_and_port(address, _PORTS[scheme])
    if not host or not 0 < port < 65536:
        return None
    named = parse_qs(query).get("transport", ["tcp" if scheme == "turns" else "udp"])[0]
    return ServerAddress(scheme, host, port, named if named in ("udp", "tcp") else "udp")


def _host_and_port(address: str, default: int) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    if address.endswith("]") or not separator:
        host, port = address, ""
    if not port:
        return host.strip("[]"), default
    return host.strip("[]"), int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
