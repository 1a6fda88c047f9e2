"""Where a viewer's datagrams leave: the shared UDP socket, or a TURN allocation as a second path."""

from __future__ import annotations

from collections.abc import Sequence

from steadycast.egress.udp import UdpPort
from steadycast.egress.webrtc.ice import Datagram, Remote
from steadycast.egress.webrtc.relay import Relay


class Network:
    """Both paths behind one address type."""

    def __init__(self, port: UdpPort, relay: Relay | None) -> None:
        self._port = port
        self.relay = relay
        self.is_ipv6 = ":" in str(port.address[0])

    def reaches(self, host: str) -> bool:
        """Whether the socket can send to an address of this family."""
        return (":" in host) == self.is_ipv6

    def send(self, data: bytes, remote: Remote) -> bool:
        """One datagram."""
        if not remote.relayed:
            return self._port.send((remote.host, remote.port), data)
        return self.relay is not None and self.relay.send(data, remote)

    def send_all(self, datagrams: Sequence[Datagram]) -> None:
        """Several, each to its own address."""
        for data, remote in datagrams:
            self.send(data, remote)

    def send_frame(self, packets: Sequence[bytes], remote: Remote) -> bool:
        """All packets of a frame, in one send where the kernel can."""
        if not remote.relayed:
            return self._port.send_frame((remote.host, remote.port), packets)
        sent = [self.send(packet, remote) for packet in packets]
        return all(sent)

    def queued(self, remote: Remote) -> int:
        """Bytes that wait for an address."""
        return 0 if remote.relayed else self._port.queued((remote.host, remote.port))

    def forget(self, remote: Remote) -> None:
        """Drop what waits for an address."""
        if not remote.relayed:
            self._port.forget((remote.host, remote.port))
