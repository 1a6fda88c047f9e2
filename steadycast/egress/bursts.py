"""Packets made ready for UDP: cut into runs that the kernel can take in one send. Pure."""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Sequence

# Linux: the kernel cuts what is sent into datagrams of this size (linux/udp.h); a send carries at most 64 of them, and
# no more than one IP packet may.
_UDP_SEGMENT = 103
_SEGMENTS = 64
_SEND_BYTES = 65_000


class Run:
    """Consecutive packets of one size, the last may be shorter: one GSO send. `control` is its ancillary data."""

    __slots__ = ("control", "packets", "size")

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.packets = packets
        self.size = sum(map(len, packets))
        self.control: list[tuple[int, int, bytes]] = []
        if len(packets) > 1:
            self.control = [(socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("H", len(packets[0])))]


class Burst:
    """Packets made ready for sending, once for many addresses: cut into runs. `size` is the bytes of all packets."""

    __slots__ = ("runs", "size")

    def __init__(self, packets: Sequence[bytes]) -> None:
        self.runs = _runs(packets)
        self.size = sum([run.size for run in self.runs])


def _runs(packets: Sequence[bytes]) -> list[Run]:
    runs = []
    start, count = 0, len(packets)
    while start < count:
        length = len(packets[start])
        longest = min(count, start + _SEGMENTS, start + max(1, _SEND_BYTES // length)) if length else start + 1
        end = start + 1
        while end < longest and len(packets[end]) == length:
            end += 1
        if end < longest and 0 < len(packets[end]) < length:
            end += 1
        runs.append(Run(packets[start:end]))
        start = end
    return runs


class SendQueue:
    """Runs that wait for one address, in bytes `size`. `paced` ones go out in portions."""

    __slots__ = ("paced", "runs", "size")

    def __init__(self, paced: bool = False) -> None:
        self.runs: deque[Run] = deque()
        self.size = 0
        self.paced = paced
