"""The pair of UDP ports, even for RTP and odd for RTCP (RFC 3550 section 11), that all viewers of a process share."""

from __future__ import annotations

from collections.abc import Callable

from steadycast.egress.udp import Address, UdpPort
from steadycast.errors import RefusedError

TRIES = 64
PORTION_BYTES = 16_384  # 26 Mbit/s: players read slowly while they find out what they are sent

Hearer = Callable[[bytes], None]


def _key(address: Address) -> tuple[str, int]:
    return address[0].partition("%")[0], address[1]


class PortPair:
    """Sends for all UDP viewers and hands what they send to the one who registered their address."""

    def __init__(self, host: str, queue_bytes: int) -> None:
        """Binds the pair; raises RefusedError (`udp.no_port`) if none is free."""
        self._hearers: dict[tuple[str, int], list[Hearer]] = {}
        self.rtp, self.rtcp = self._open(host, queue_bytes)
        self.rtp.portion_bytes = PORTION_BYTES

    def _open(self, host: str, queue_bytes: int) -> tuple[UdpPort, UdpPort]:
        for _ in range(TRIES):
            first = UdpPort.open(host, (0, 0), self._received, queue_bytes)
            number = first.address[1]
            other = number ^ 1
            try:
                second = UdpPort.open(host, (other, other), self._received, queue_bytes)
            except RefusedError:
                first.close()
                continue
            return (first, second) if number < other else (second, first)
        raise RefusedError(
            "udp.no_port",
            "no pair of UDP ports is free for RTSP",
            why=f"{TRIES} ports of {host} were tried, and the next to each was in use",
            retry_after=10,
        )

    @property
    def numbers(self) -> tuple[int, int]:
        """RTP and RTCP port."""
        return self.rtp.address[1], self.rtcp.address[1]

    def listen(self, address: Address, hearer: Hearer) -> None:
        """Call `hearer` with what comes from an address; several may listen to one."""
        self._hearers.setdefault(_key(address), []).append(hearer)

    def unlisten(self, address: Address, hearer: Hearer) -> None:
        key = _key(address)
        hearers = self._hearers.get(key, [])
        if hearer in hearers:
            hearers.remove(hearer)
        if not hearers:
            self._hearers.pop(key, None)

    @property
    def listening(self) -> int:
        """Addresses that somebody listens to."""
        return len(self._hearers)

    def _received(self, data: bytes, address: Address) -> None:
        for hearer in tuple(self._hearers.get(_key(address), ())):
            hearer(data)

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()
        self._hearers.clear()
