"""The two ways a track's packets go to a client: datagrams from the shared ports, or inside its own connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from steadycast.egress.rtsp.frames import FrameForms, interleave
from steadycast.egress.rtsp.ports import PortPair
from steadycast.egress.rtsp.transport import Channels, UdpPorts, spell_channels, spell_udp
from steadycast.egress.udp import Address


class Lane(Protocol):
    """A way for one track of one client."""

    def queued(self) -> int:
        """Bytes that were not sent yet."""
        ...

    def send(self, forms: FrameForms) -> bool:
        """Send a frame. False: it (or a part of it) is lost."""
        ...

    def control(self, packet: bytes) -> None:
        """Send RTCP."""
        ...

    def spell(self, ssrc: int) -> str:
        """The Transport header that says what was agreed."""
        ...

    def close(self) -> None: ...


class UdpLane:
    """Datagrams to the client's two ports, at the address it speaks RTSP from."""

    def __init__(self, ports: PortPair, peer: Address, client: UdpPorts, hear: Callable[[bytes], None]) -> None:
        self._ports = ports
        self._client = client
        self._rtp = at_port(peer, client.rtp)
        self._rtcp = at_port(peer, client.rtcp)
        self._hear = hear
        for address in (self._rtp, self._rtcp):
            ports.listen(address, hear)

    def queued(self) -> int:
        return self._ports.rtp.queued(self._rtp)

    def send(self, forms: FrameForms) -> bool:
        return self._ports.rtp.send_burst(self._rtp, forms.burst())

    def control(self, packet: bytes) -> None:
        self._ports.rtcp.send(self._rtcp, packet)

    def spell(self, ssrc: int) -> str:
        return spell_udp(self._client, self._ports.numbers, ssrc)

    def close(self) -> None:
        for address in (self._rtp, self._rtcp):
            self._ports.unlisten(address, self._hear)
        self._ports.rtp.forget(self._rtp)
        self._ports.rtcp.forget(self._rtcp)


class ChannelLane:
    """Two channels of the RTSP connection."""

    def __init__(self, transport: asyncio.Transport, channels: Channels) -> None:
        self._transport = transport
        self.channels = channels

    def queued(self) -> int:
        return self._transport.get_write_buffer_size()

    def send(self, forms: FrameForms) -> bool:
        if self._transport.is_closing():
            return False
        self._transport.write(forms.joined(self.channels.rtp))
        return True

    def control(self, packet: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(interleave(self.channels.rtcp, packet))

    def spell(self, ssrc: int) -> str:
        return spell_channels(self.channels, ssrc)

    def close(self) -> None:
        """The channels end with the connection."""


def at_port(peer: Address, port: int) -> Address:
    """The peer's address (IPv4 or IPv6, with flow and scope) at another port."""
    return (peer[0], port) if len(peer) == 2 else (peer[0], port, *peer[2:])
