"""The UDP port on real sockets: whole frames, full buffers, refusals that concern one address."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.egress.bursts import Burst
from steadycast.egress.udp import Address, UdpPort
from steadycast.errors import CallerError, RefusedError

DEADLINE_S = 30.0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.005)


class Client:
    """A UDP socket that reads on its own."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.address: Address = self.sock.getsockname()
        self.got: list[bytes] = []

    def read(self) -> int:
        while True:
            try:
                self.got.append(self.sock.recv(65_536))
            except BlockingIOError:
                return len(self.got)


@pytest.fixture
async def port() -> AsyncIterator[UdpPort]:
    received.clear()
    made = UdpPort.open("127.0.0.1", (0, 0), lambda data, address: received.append((data, address)), 100_000)
    yield made
    made.close()
    made.close()


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.sock.close()


received: list[tuple[bytes, Address]] = []
FRAME = (*(bytes([number]) * 1200 for number in range(9)), b"short")


class FullSocket:
    """The port's socket with a kernel that cuts packets up, and that refuses what `failures` has an errno for."""

    def __init__(self, sock: socket.socket, failures: Callable[[list[bytes], object, Address], int]) -> None:
        self._sock = sock
        self._failures = failures

    def sendmsg(self, buffers: list[bytes], control: list[object], flags: int, address: Address) -> int:
        failed = self._failures(buffers, control, address)
        if failed:
            raise OSError(failed, "as the test wants it")
        return sum(self._sock.sendto(buffer, flags, address) for buffer in buffers)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def refuse(port: UdpPort, failures: Callable[[list[bytes], object, Address], int]) -> None:
    port._sock = FullSocket(port._sock, failures)  # type: ignore[assignment]


@given(st.lists(st.sampled_from([b"", b"a", bytes(500), bytes(1200), bytes(30_000)]), max_size=200))
def test_runs_are_what_the_kernel_can_cut(packets: list[bytes]) -> None:
    burst = Burst(packets)
    assert [packet for run in burst.runs for packet in run.packets] == packets
    assert burst.size == sum(map(len, packets))
    for run in burst.runs:
        sizes = [len(packet) for packet in run.packets]
        assert 1 <= len(sizes) <= 64
        assert sum(sizes) <= 65_507 or len(sizes) == 1
        assert len(set(sizes[:-1])) <= 1
        assert sizes[-1] <= sizes[0]
        assert bool(run.control) == (len(sizes) > 1)
        if len(sizes) > 1:
            assert 0 not in sizes


async def test_a_frame_arrives_as_its_packets_in_one_send(port: UdpPort, client: Client) -> None:
    assert port.send_frame(client.address, FRAME)
    await until(lambda: client.read() == len(FRAME))
    assert tuple(client.got) == FRAME
    statistics = port.statistics()
    assert statistics.packets == len(FRAME)
    assert statistics.sends == (1 if statistics.gso else len(FRAME))


async def test_without_segmentation_it_arrives_as_well(port: UdpPort, client: Client) -> None:
    refuse(port, lambda buffers, control, address: errno.EIO if control else 0)
    for _ in range(3):
        assert port.send_frame(client.address, FRAME)
    await until(lambda: client.read() == 3 * len(FRAME))
    assert tuple(client.got) == FRAME * 3
    assert not port.statistics().gso


async def test_one_path_without_segmentation_does_not_take_it_from_the_others(port: UdpPort, client: Client) -> None:
    narrow = Client()
    refuse(port, lambda buffers, control, address: errno.EINVAL if control and address == narrow.address else 0)
    assert port.send_frame(client.address, FRAME)
    assert port.send_frame(narrow.address, FRAME)
    await until(lambda: narrow.read() == len(FRAME))
    assert port.statistics().gso
    narrow.sock.close()


async def test_what_a_full_socket_does_not_take_is_sent_later_in_order(port: UdpPort, client: Client) -> None:
    full = True
    refuse(port, lambda buffers, control, address: errno.EAGAIN if full and len(client.got) < 1 else 0)
    for number in range(5):
        assert port.send(client.address, bytes([number]))
    assert port.queued(client.address) == 5
    assert port.statistics().queued_bytes == 5
    full = False
    await until(lambda: client.read() == 5)
    assert client.got == [bytes([number]) for number in range(5)]
    assert (port.queued(client.address), port.statistics().queued_bytes, port.statistics().queues) == (0, 0, 0)


LARGE = FRAME * 12  # 129,660 bytes


async def test_a_large_burst_goes_out_in_portions_and_in_order(client: Client) -> None:
    port = UdpPort.open("127.0.0.1", (0, 0), lambda data, address: None, 1_000_000)
    assert port.send_frame(client.address, LARGE)
    assert port.send(client.address, b"behind it")
    assert port.statistics().packets == 0
    assert port.queued(client.address) == port.statistics().queued_bytes == sum(map(len, LARGE)) + 9
    other = Client()
    assert port.send(other.address, b"not held up")
    await until(lambda: other.read() == 1)
    assert port.queued(client.address) > 0
    await until(lambda: client.read() == len(LARGE) + 1)
    assert tuple(client.got) == (*LARGE, b"behind it")
    statistics = port.statistics()
    assert (statistics.queued_bytes, statistics.queues) == (0, 0)
    assert port.send(client.address, b"at once")
    assert port.queued(client.address) == 0
    other.sock.close()
    port.close()


RUN = sum(map(len, FRAME))


@pytest.mark.parametrize(("frames", "portion"), [(12, 20_000), (120, RUN * 120 / 32)])
async def test_portions_are_what_the_port_says_or_a_part_of_what_waits(
    client: Client, frames: int, portion: float
) -> None:
    port = UdpPort.open("127.0.0.1", (0, 0), lambda data, address: None, 10_000_000)
    port.portion_bytes = 20_000
    assert port.send_frame(client.address, FRAME * frames)
    await asyncio.sleep(0)  # one turn of the loop, one portion
    assert portion <= frames * RUN - port.queued(client.address) < portion + RUN
    port.close()


async def test_portions_for_a_full_or_refused_address_end(client: Client) -> None:
    port = UdpPort.open("127.0.0.1", (0, 0), lambda data, address: None, 1_000_000)
    failures = [errno.EAGAIN, errno.ENOBUFS, errno.EAGAIN]
    refuse(port, lambda buffers, control, address: failures.pop() if failures else 0)
    assert port.send_frame(client.address, LARGE)
    await until(lambda: client.read() == len(LARGE))
    assert tuple(client.got) == LARGE
    refuse(port, lambda buffers, control, address: errno.EPERM)
    port.send_frame(client.address, LARGE)
    await until(lambda: port.statistics().queues == 0)
    assert port.statistics().queued_bytes == 0
    port.send_frame(client.address, LARGE)
    port.forget(client.address)
    assert port.statistics().queued_bytes == 0
    port.send_frame(client.address, LARGE)
    port.close()


async def test_no_buffers_is_tried_again(port: UdpPort, client: Client) -> None:
    failures = [errno.ENOBUFS] * 3
    refuse(port, lambda buffers, control, address: failures.pop() if failures else 0)
    assert port.send_frame(client.address, FRAME)
    await until(lambda: client.read() == len(FRAME))
    assert tuple(client.got) == FRAME


async def test_queues_are_bounded_and_forgotten(port: UdpPort, client: Client) -> None:
    refuse(port, lambda buffers, control, address: errno.EAGAIN if address == client.address else 0)
    sent = [port.send_frame(client.address, FRAME) for _ in range(20)]
    assert sent[:9] == [True] * 9
    assert not any(sent[10:])
    assert 0 < port.queued(client.address) <= 100_000
    other = Client()
    assert port.send_frame(other.address, FRAME), "another address is not held up"
    await until(lambda: other.read() == len(FRAME))
    port.forget(client.address)
    assert port.queued(client.address) == port.statistics().queued_bytes == 0
    port.forget(client.address)
    other.sock.close()


@pytest.mark.parametrize("failed", [errno.ECONNREFUSED, errno.EPERM, errno.ENETUNREACH])
async def test_an_address_the_kernel_refuses_hurts_no_other(port: UdpPort, client: Client, failed: int) -> None:
    refuse(port, lambda buffers, control, address: failed if address != client.address else 0)
    assert not port.send_frame(("127.0.0.1", 9), FRAME)
    assert port.send_frame(client.address, FRAME)
    await until(lambda: client.read() == len(FRAME))
    assert port.statistics().refused == 1
    assert port.statistics().gso


async def test_received_datagrams_come_with_their_sender(port: UdpPort, client: Client) -> None:
    for number in range(200):
        client.sock.sendto(bytes([number]), port.address)
    await until(lambda: len(received) == 200)
    assert received[7] == (b"\7", client.address)


async def test_a_range_of_ports_is_used_up(port: UdpPort) -> None:
    with pytest.raises(RefusedError) as caught:
        UdpPort.open("127.0.0.1", (port.port, port.port), lambda data, address: None, 1000)
    assert caught.value.code == "udp.no_port"


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CallerError):
        UdpPort.open("192.0.2.1", (0, 0), lambda data, address: None, 1000)
