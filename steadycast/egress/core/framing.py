"""RFC 4571 framing: a 16-bit length before each packet on a byte stream."""

from __future__ import annotations


class Deframer:
    """Cuts what was read from a stream into packets. Holds at most one unfinished packet (64 KiB)."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """The packets that `data` completes; `data` may be overwritten afterwards."""
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        size = len(view)
        packets = []
        start = 0
        while size - start >= 2:
            end = start + 2 + (view[start] << 8 | view[start + 1])
            if end > size:
                break
            packets.append(bytes(view[start + 2 : end]))
            start = end
        self._rest = bytes(view[start:])
        return packets
