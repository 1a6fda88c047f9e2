"""One UDP socket for many viewers: a frame in one send where the kernel can cut it up (GSO), bounded queues where not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Address = tuple[str, int] | tuple[str, int, int, int]
Receiver = Callable[[bytes, Address], None]


@dataclass(frozen=True, slots=True)
class UdpStatistics:
    """Counters of a port. `refused` are sends that the kernel would not do for one address (unreachable, forbidden)."""

    packets: int
    bytes: int
    sends: int
    received: int
    refused: int
    dropped_packets: int
    queued_bytes: int
    gso: bool


class Burst:
    """Packets made ready for sending, once for many addresses: cut into runs that one GSO send each can carry."""

    __slots__ = ("packets", "runs", "size")

    packets: Sequence[bytes]
    size: int  # bytes of all packets

    def __init__(self, packets: Sequence[bytes]) -> None:
        raise NotImplementedError


class UdpPort:
    """A bound, non-blocking UDP socket on the running loop."""

    address: Address  # what it is bound to

    @classmethod
    def open(cls, host: str, ports: tuple[int, int], receiver: Receiver, queue_bytes: int) -> UdpPort:
        """Bind a port of the range (first, last; (0, 0): the kernel's choice) and hand what arrives to `receiver`.

        `queue_bytes` bounds what is kept for one address while the socket is full. Raises RefusedError
        (`udp.no_port`) if the whole range is in use.
        """
        raise NotImplementedError

    def send_burst(self, address: Address, burst: Burst) -> bool:
        """Send all packets to `address`; what the socket does not take now waits in a bounded queue of the address.

        False: the queue is full or the kernel refuses this address; nothing (more) of the burst will be sent.
        """
        raise NotImplementedError

    def send_frame(self, address: Address, packets: Sequence[bytes]) -> bool:
        """`send_burst` of packets that only this address gets."""
        raise NotImplementedError

    def send(self, address: Address, packet: bytes) -> bool:
        """One packet (RTCP, STUN, DTLS)."""
        raise NotImplementedError

    def queued(self, address: Address) -> int:
        """Bytes that wait for this address."""
        raise NotImplementedError

    def forget(self, address: Address) -> None:
        """Drop what waits for an address."""
        raise NotImplementedError

    def statistics(self) -> UdpStatistics:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
