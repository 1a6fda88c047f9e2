"""What a receiver counts of one stream, and UDP sockets that take a whole GSO send at once."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_UDP_GRO = 104  # include/uapi/linux/udp.h
_RECEIVE_BYTES = 65_536


@dataclass
class StreamCount:
    """Packets, losses and frames of one RTP stream; `checked` of them were decrypted or parsed whole."""

    packets: int = 0
    lost: int = 0
    frames: int = 0
    checked: int = 0
    bad: int = 0
    last: int | None = None

    def take(self, packet: bytes) -> None:
        sequence = packet[2] << 8 | packet[3]
        if self.last is not None:
            self.lost += (sequence - self.last - 1) & 0xFFFF if (sequence - self.last) & 0xFFFF < 0x8000 else 0
        self.last = sequence
        self.packets += 1
        self.frames += packet[1] >> 7


def udp_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A non-blocking socket with segments put together by the kernel where it can."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_UDP, _UDP_GRO, 1)
    sock.bind((host, port))
    return sock


def datagrams(sock: socket.socket, at_most: int = 64) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """What is waiting in the socket, cut into the datagrams that were sent."""
    for _ in range(at_most):
        try:
            data, ancillary, _, address = sock.recvmsg(_RECEIVE_BYTES, 64)
        except (BlockingIOError, ConnectionError):
            return
        size = len(data)
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_UDP, _UDP_GRO):
                size = struct.unpack_from("=H" if len(value) < 4 else "=i", value)[0]
        for start in range(0, len(data), max(size, 1)):
            yield data[start : start + size], address


Report = Callable[[], dict[str, int]]


def report(streams: list[StreamCount]) -> dict[str, int]:
    """Sums over streams, as the parent process reads them."""
    return {
        "with_data": sum(stream.packets > 0 for stream in streams),
        "packets": sum(stream.packets for stream in streams),
        "lost": sum(stream.lost for stream in streams),
        "frames": sum(stream.frames for stream in streams),
        "checked": sum(stream.checked for stream in streams),
        "bad": sum(stream.bad for stream in streams),
    }
