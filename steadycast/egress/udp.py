"""One UDP socket for many viewers: a frame in one send where the kernel has GSO, bounded queues."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from steadycast.egress.bursts import Burst, Run, SendQueue
from steadycast.errors import CallerError, RefusedError

__all__ = ["Address", "Burst", "Receiver", "UdpPort", "UdpStatistics"]

Address = tuple[str, int] | tuple[str, int, int, int]
Receiver = Callable[[bytes, Address], None]

log = logging.getLogger(__name__)

_NO_GSO = frozenset({errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EMSGSIZE})
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS})

SOCKET_BYTES = 8_388_608  # asked for in both directions; the kernel gives net.core.{w,r}mem_max at most
RECEIVES_PER_WAKE = 64
_DATAGRAM_BYTES = 2048  # what viewers send (STUN, DTLS, RTCP) is smaller than a path's MTU
_RETRY_S = 0.005  # after ENOBUFS, which no writability tells the end of
# A burst that a receiver's socket buffer may not hold (212,992 bytes where nobody raised it, overhead included) goes
# out in portions, with time to read between them: 105 Mbit/s, where the port is not told otherwise. A portion is at
# least `_PORTION_PART` of what waits, so that a stream of a higher rate is not held up.
PACED_ABOVE_BYTES = 98_304
_PORTION_PART = 1 / 32
_PORTION_S = 0.005


@dataclass(frozen=True, slots=True)
class UdpStatistics:
    """Counters of a port. `refused` are sends the kernel would not do for one address (unreachable, forbidden)."""

    packets: int
    bytes: int
    sends: int
    received: int
    refused: int
    dropped_packets: int
    queued_bytes: int
    queues: int
    gso: bool


class UdpPort:
    """A bound, non-blocking UDP socket on the running loop, which it takes over."""

    def __init__(self, sock: socket.socket, receiver: Receiver, queue_bytes: int) -> None:
        """`receiver` gets each datagram and its sender; `queue_bytes` bounds what waits for one address."""
        sock.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
        self._sock = sock
        self.address: Address = sock.getsockname()
        self.port: int = self.address[1]
        self._receiver = receiver
        self.portion_bytes = 65_536  # of a large burst, sent at once
        self._queue_bytes = queue_bytes
        self._queues: dict[Address, SendQueue] = {}
        self._queued = 0
        self._gso = sys.platform == "linux"
        self._gso_works = False
        self._packets = self._bytes = self._sends = self._received = self._refused = self._dropped = 0
        self._writing = False
        self._pacer: asyncio.Handle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    @classmethod
    def open(cls, host: str, ports: tuple[int, int], receiver: Receiver, queue_bytes: int) -> UdpPort:
        """Bind the first free port of the range (first, last; (0, 0): the kernel's choice).

        Raises RefusedError (`udp.no_port`) if the whole range is in use, CallerError (`udp.address`) if the host has no
        such address.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for port in range(ports[0], ports[1] + 1):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sock.bind((host, port))
                return cls(sock, receiver, queue_bytes)
            except OSError as error:
                sock.close()
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise CallerError(
                        "udp.address",
                        f"UDP cannot be bound to {host}.",
                        why=error.strerror,
                        hint="`host` must be an address of this machine.",
                    ) from error
        raise RefusedError(
            "udp.no_port",
            f"No UDP port from {ports[0]} to {ports[1]} is free on {host}.",
            hint="Widen `webrtc.udp_ports`: each egress worker needs one port.",
        )

    def send_burst(self, address: Address, burst: Burst) -> bool:
        """Send all packets to `address`; what the socket does not take now waits in a bounded queue of the address.
        A burst of more than `PACED_ABOVE_BYTES` goes out in portions, and what is sent meanwhile waits behind it.

        False: the queue is full or the kernel refuses this address, and the burst, or the rest of it, is dropped.
        """
        queue = self._queues.get(address)
        if queue is None and burst.size > PACED_ABOVE_BYTES:
            queue = self._pace(address)
        runs = deque(burst.runs)
        if queue is not None:
            return self._enqueue(queue, runs)
        failed = self._drain(address, runs)
        if failed in _FULL:
            queue = self._queues[address] = SendQueue()
            self._flush_later(failed)
            return self._enqueue(queue, runs)
        return not failed

    def send_frame(self, address: Address, packets: Sequence[bytes]) -> bool:
        """`send_burst` of packets that only this address gets."""
        return self.send_burst(address, Burst(packets))

    def send(self, address: Address, packet: bytes) -> bool:
        """One packet (RTCP, STUN, DTLS), behind what waits for the address."""
        return self.send_burst(address, Burst((packet,)))

    def queued(self, address: Address) -> int:
        """Bytes that wait for this address."""
        queue = self._queues.get(address)
        return 0 if queue is None else queue.size

    def forget(self, address: Address) -> None:
        """Drop what waits for an address."""
        queue = self._queues.pop(address, None)
        if queue is not None:
            self._queued -= queue.size
            self._dropped += sum(len(run.packets) for run in queue.runs)

    def statistics(self) -> UdpStatistics:
        """Counted since the port was opened, and what waits now."""
        return UdpStatistics(
            packets=self._packets,
            bytes=self._bytes,
            sends=self._sends,
            received=self._received,
            refused=self._refused,
            dropped_packets=self._dropped,
            queued_bytes=self._queued,
            queues=len(self._queues),
            gso=self._gso,
        )

    def close(self) -> None:
        """Close the socket; what waits is dropped. Safe to call twice."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock.fileno())
        self._stop_flushing()
        if self._pacer is not None:
            self._pacer.cancel()
        self._queues.clear()
        self._queued = 0
        self._sock.close()

    # --- sending

    def _drain(self, address: Address, runs: deque[Run]) -> int:
        """Send runs until all are sent (0) or not (errno; those of a refused address are dropped)."""
        sendmsg = self._sock.sendmsg
        while runs:
            run = runs[0]
            if run.control and not self._gso:
                self._split(runs)
                continue
            try:
                sendmsg(run.packets, run.control, 0, address)
            except OSError as error:
                failed = error.errno or errno.EIO
                if failed in _NO_GSO and run.control:
                    self._refuse_gso(error)
                    self._split(runs)
                    continue
                if failed not in _FULL:
                    self._refused += 1
                    self._dropped += sum(len(left.packets) for left in runs)
                    runs.clear()
                return failed
            runs.popleft()
            self._sends += 1
            self._packets += len(run.packets)
            self._bytes += run.size
            self._gso_works = self._gso_works or bool(run.control)
        return 0

    def _split(self, runs: deque[Run]) -> None:
        """The first run, packet by packet."""
        runs.extendleft(Run((packet,)) for packet in reversed(runs.popleft().packets))

    def _refuse_gso(self, error: OSError) -> None:
        # Once it worked, a refusal is about one path (its MTU, its interface), and the others keep it.
        if not self._gso_works:
            log.warning("UDP segmentation offload is refused: %s; packets are sent one by one", error.strerror)
            self._gso = False

    def _enqueue(self, queue: SendQueue, runs: deque[Run]) -> bool:
        size = sum([run.size for run in runs])
        if queue.size + size > self._queue_bytes:
            self._dropped += sum([len(run.packets) for run in runs])
            return False
        queue.runs += runs
        queue.size += size
        self._queued += size
        return True

    def _flush_later(self, failed: int) -> None:
        if failed == errno.ENOBUFS:
            if self._retry is None:
                self._retry = self._loop.call_later(_RETRY_S, self._flush)
        elif not self._writing:
            self._writing = True
            self._loop.add_writer(self._sock.fileno(), self._flush)

    def _stop_flushing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._sock.fileno())
            self._writing = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _flush(self) -> None:
        """Send what waits, one address after the other, until the socket is full again."""
        self._stop_flushing()
        for address, queue in list(self._queues.items()):
            if queue.paced:
                continue
            failed = self._drain_queue(address, queue, queue.runs)
            if failed in _FULL:
                # The next flush begins with the others.
                self._queues[address] = self._queues.pop(address)
                self._flush_later(failed)
                return
            del self._queues[address]

    def _pace(self, address: Address) -> SendQueue:
        queue = self._queues[address] = SendQueue(paced=True)
        if self._pacer is None:
            self._pacer = self._loop.call_soon(self._send_portions)
        return queue

    def _send_portions(self) -> None:
        """One portion to each address that is paced."""
        self._pacer = None
        for address, queue in list(self._queues.items()):
            if not queue.paced:
                continue
            portion: deque[Run] = deque()
            size, enough = 0, max(self.portion_bytes, queue.size * _PORTION_PART)
            while queue.runs and size < enough:
                size += queue.runs[0].size
                portion.append(queue.runs.popleft())
            self._drain_queue(address, queue, portion)
            queue.runs.extendleft(reversed(portion))  # a full socket: again in the next turn
            if not queue.runs:
                del self._queues[address]
            elif self._pacer is None:
                self._pacer = self._loop.call_later(_PORTION_S, self._send_portions)

    def _drain_queue(self, address: Address, queue: SendQueue, runs: deque[Run]) -> int:
        """`_drain` of runs that the queue counts."""
        before = sum([run.size for run in runs])
        failed = self._drain(address, runs)
        sent = before - sum([run.size for run in runs])
        queue.size -= sent
        self._queued -= sent
        return failed

    # --- receiving

    def _readable(self) -> None:
        for _ in range(RECEIVES_PER_WAKE):
            if self._sock.fileno() < 0:
                return
            try:
                data, address = self._sock.recvfrom(_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # a note of the network about something sent earlier, to one address
            self._received += 1
            self._receiver(data, address)
