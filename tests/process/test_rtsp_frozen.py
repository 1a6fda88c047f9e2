"""Clients that freeze, vanish or read too slowly are found and hold nothing; those that live stay."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from steadycast.egress.options import EgressOptions
from steadycast.egress.rtsp.playback import PlaybackStatistics
from tests.support.rtsp_house import House, RawClient, open_house, until

pytestmark = pytest.mark.process


@asynccontextmanager
async def player(house: House, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real player that plays until it is killed."""
    child = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def ffmpeg(house: House, transport: str, path: str) -> list[str]:
    return ["ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", house.url(path), "-f", "null", "-"]


def gstreamer(house: House, transport: str, path: str) -> list[str]:
    return ["gst-launch-1.0", "-q", "rtspsrc", f"location={house.url(path)}", f"protocols={transport}", "!", "fakesink"]


@pytest.mark.parametrize(
    ("program", "path", "silence_s"),
    # ffmpeg asks GET_PARAMETER twice in the session's timeout; rtspsrc sends a report every 2.5 to 6.2 s, whatever.
    [(ffmpeg, "test/mute", 3.0), (gstreamer, "quiet", 8.0)],
)
async def test_a_frozen_player_is_found_and_holds_nothing(
    program: Callable[[House, str, str], list[str]], path: str, silence_s: float
) -> None:
    """Also where so little is sent (`quiet` is sound alone) that the kernel takes all of it for the frozen player."""
    await asyncio.gather(*(freeze_one(program, path, silence_s, transport) for transport in ("tcp", "udp")))


async def freeze_one(
    program: Callable[[House, str, str], list[str]], path: str, silence_s: float, transport: str
) -> None:
    async with open_house(EgressOptions(viewer_silence_s=silence_s)) as house:
        tracks = house.world.lobbies["test"].tracks
        house.world.lobbies["quiet"] = type(house.world.lobbies["test"])("l1", "Quiet", (tracks[1],))
        async with player(house, *program(house, transport, path)) as frozen:
            async with player(house, *program(house, transport, path)):
                await until(lambda: house.world.watching == 2, "both play")
                # Players stay, although they play on for longer than the silence that is allowed.
                await asyncio.sleep(1.5 * silence_s)
                assert house.world.watching == 2, house.world.gone
                os.kill(frozen.pid, signal.SIGSTOP)
                await until(lambda: house.world.watching == 1, "the frozen one is gone")
                assert list(house.world.gone.values()) == [f"it gave no sign of life for {silence_s:g} s"]
                await until(lambda: house.state()[:2] == (1, 1), "its connection and session are gone")
                statistics = house.server.statistics()
                assert statistics is not None and statistics.silent == 1
                assert house.world.open_holds == 1
            await house.quiet()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_killed_player_is_gone_at_once(transport: str) -> None:
    async with open_house() as house:
        async with player(house, *ffmpeg(house, transport, "test")) as child:
            await until(lambda: house.world.watching == 1, "it plays")
            child.kill()
            # Long before the silence (30 s) would end it.
            await until(lambda: house.world.watching == 0, "gone", 10)
        await house.quiet()


async def test_a_client_that_does_not_read_is_bounded_and_dropped_and_others_lose_nothing() -> None:
    options = EgressOptions(viewer_budget_bytes=131_072, viewer_stalled_s=2, viewer_silence_s=60)
    async with open_house(options, kbps=12_000) as house:
        reading = await playing(house)
        stuck = await playing(house, receive_bytes=4096)
        highest = 0
        watcher = asyncio.create_task(gaps(reading))

        def dropped() -> bool:
            nonlocal highest
            statistics = house.server.statistics()
            assert statistics is not None
            highest = max(highest, *(viewer.queued_bytes for viewer in statistics.viewers), 0)
            return house.world.watching == 1

        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(dropped, "the stuck one is dropped")
        assert list(house.world.gone.values()) == ["it could not keep up with the stream"]
        # The budget, and at most one frame (here: of 12 Mbit/s, 30 a second) and answers on top.
        assert highest < 131_072 + 1_000_000
        watcher.cancel()
        (lost,) = await asyncio.gather(watcher, return_exceptions=True)
        assert isinstance(lost, asyncio.CancelledError), lost
        for client in (reading, stuck):
            client.writer.transport.abort()
        await house.quiet()


async def playing(house: House, receive_bytes: int = 0) -> RawClient:
    """A client that plays the picture inside its connection."""
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", house.port))
    client = RawClient(*await asyncio.open_connection(sock=sock))
    reply = await client.ask("SETUP", house.url("test/mute"), Transport="RTP/AVP/TCP;unicast")
    assert (await client.ask("PLAY", house.url("test/mute"), Session=reply.session)).status == 200
    return client


async def gaps(client: RawClient) -> None:
    """Read for ever; AssertionError at the first hole in the sequence numbers."""
    last: int | None = None
    while True:
        channel, packet = await client.packet()
        if channel == 0:
            number = int.from_bytes(packet[2:4], "big")
            assert last is None or number == (last + 1) & 0xFFFF, (last, number)
            last = number


async def test_a_client_that_never_reads_its_answers_is_cut() -> None:
    async with open_house(EgressOptions(viewer_budget_bytes=65_536)) as house:
        client = await RawClient.connect(house.port)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        words = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 1000

        async def flood() -> None:
            while True:
                client.writer.write(words)
                await client.writer.drain()

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(flood(), 60)
        client.writer.transport.abort()
        await house.quiet()


async def test_a_lobby_that_ends_does_not_wait_for_a_frozen_client() -> None:
    async with open_house(kbps=12_000) as house:
        stuck = await playing(house, receive_bytes=4096)
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: any(viewer.queued_bytes for viewer in viewers(house)), "its connection is full")
        house.fanout.close_track("l1/main", "the lobby was deleted")
        assert list(house.world.gone.values()) == ["the lobby was deleted"]
        await until(lambda: house.state()[0] == 0, "the connection is cut", 15)
        stuck.writer.transport.abort()
        await house.quiet()


def viewers(house: House) -> tuple[PlaybackStatistics, ...]:
    statistics = house.server.statistics()
    assert statistics is not None
    return statistics.viewers
