"""The candidates of this host, the same for all viewers: what the socket is bound to, and how it looks from outside."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

import psutil

from steadycast.egress.options import EgressOptions, IceServer
from steadycast.egress.udp import UdpPort
from steadycast.egress.webrtc.aioice_parts import StunMessage
from steadycast.egress.webrtc.candidate import Candidate, priority_of
from steadycast.egress.webrtc.ice import Remote
from steadycast.egress.webrtc.network import Network
from steadycast.egress.webrtc.reflexive import Reflexive
from steadycast.egress.webrtc.relay import Relay
from steadycast.egress.webrtc.servers import ServerAddress, parse_server

_FIRST_ANSWER_S = 2.0  # how long the first offers wait for a STUN server
_MOST_HOSTS = 16


class LocalAddresses:
    """Announced addresses, and the servers that tell or lend some of them."""

    def __init__(self, port: UdpPort, options: EgressOptions, on_relayed: Callable[[bytes, Remote], None]) -> None:
        host, number = str(port.address[0]), port.address[1]
        self._port_number = number
        self._hosts = bound_hosts(host)
        self._public = options.public_address
        named = [(parse_server(server.url), server) for server in options.ice_servers]
        servers = [(address, server) for address, server in named if address is not None]
        self.network = Network(port, _relay(servers, on_relayed))
        asked = tuple(address for address, _ in servers if address.scheme == "stun")
        self._reflexive = Reflexive(asked, self.network, (self._hosts[0], number)) if asked and self._hosts else None

    async def ready(self) -> None:
        """Wait until a STUN server answered, but not longer than a moment, and only the first time."""
        if self._reflexive is not None and not self._reflexive.first.is_set():
            try:
                async with asyncio.timeout(_FIRST_ANSWER_S):
                    await self._reflexive.first.wait()
            except TimeoutError:
                self._reflexive.first.set()

    def receive(self, message: StunMessage, remote: Remote, now: float) -> bool:
        """Take a STUN server's answer; False if it is none."""
        return self._reflexive is not None and self._reflexive.receive(message, remote, now)

    def candidates(self, now: float) -> list[Candidate]:
        """All there are now, best first."""
        found = [
            Candidate(f"host{place}", priority_of("host", 65535 - place), host, self._port_number, "host")
            for place, host in enumerate(self._hosts)
        ]
        if self._public is not None and self._public not in self._hosts:
            base = (self._hosts[0], self._port_number) if self._hosts else ("0.0.0.0", 0)
            found.append(Candidate("public", priority_of("srflx"), self._public, self._port_number, "srflx", base))
        if self._reflexive is not None:
            found += self._reflexive.candidates(now)
        if self.network.relay is not None and self.network.relay.candidate is not None:
            found.append(self.network.relay.candidate)
        return found

    async def close(self) -> None:
        """Ask no server any more, and give the allocation back."""
        if self._reflexive is not None:
            await self._reflexive.close()
        if self.network.relay is not None:
            await self.network.relay.close()


def _relay(servers: list[tuple[ServerAddress, IceServer]], on_relayed: Callable[[bytes, Remote], None]) -> Relay | None:
    for address, server in servers:
        if address.scheme != "stun":
            return Relay(address, server, on_relayed)
    return None


def bound_hosts(host: str) -> list[str]:
    """The addresses that a socket bound to `host` is reached at: itself, or those of the interfaces for a wildcard.

    Loopback is named only where there is nothing else; link-local IPv6 addresses never (they need a scope).
    """
    bound = ipaddress.ip_address(host)
    if not bound.is_unspecified:
        return [str(bound)]
    named = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries]
    found = [address for address in map(_parsed, named) if address is not None and address.version == bound.version]
    outside = [address for address in found if not address.is_loopback]
    return [str(address) for address in (outside or found)][:_MOST_HOSTS]


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if address.is_link_local and address.version == 6 else address
