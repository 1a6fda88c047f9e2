"""The first RTSP viewer of a track: its bus brings the group of pictures so far only after PLAY, and all at once."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from steadycast.egress.events import DescribedTrack, Description
from steadycast.egress.fanout import Fanout
from steadycast.egress.options import EgressOptions
from steadycast.egress.rtsp.server import RtspServer
from tests.support.bus_packets import VIDEO, BusWriter
from tests.support.rtsp_house import RawClient, World, until

pytestmark = pytest.mark.process

KEY = "l1/copy"
PICTURES = 100  # 40 ms each: four seconds
STEP = 3600
PACKETS = 2 + 3 * PICTURES  # with the parameter sets of the keyframe


class Fresh:
    """A server with one track that has no frame yet, and the lobby worker's end of its bus."""

    def __init__(self, server: RtspServer, fanout: Fanout, world: World, port: int, bus: socket.socket) -> None:
        self.server = server
        self.fanout = fanout
        self.world = world
        self.url = f"rtsp://127.0.0.1:{port}/film"
        self.port = port
        self._bus = bus
        self._writer = BusWriter()

    def write(self, pictures: range) -> None:
        """Pictures 40 ms apart; the first of all is the keyframe."""
        self._bus.sendall(b"".join(self._writer.picture(STEP * number, number == 0) for number in pictures))

    async def play(self, transport: str = "RTP/AVP/TCP;interleaved=0-1") -> tuple[RawClient, str]:
        client = await RawClient.connect(self.port)
        reply = await client.ask("SETUP", f"{self.url}/trackID=0", Transport=transport)
        played = await client.ask("PLAY", self.url, Session=reply.session)
        assert played.status == 200 and "rtp-info" not in played.headers
        return client, reply.session

    async def quiet(self) -> None:
        await until(lambda: self.fanout.statistics().subscribers == 0, "nobody watches")
        await until(lambda: self.world.open_holds == 0, "nothing is held")


@asynccontextmanager
async def fresh() -> AsyncIterator[Fresh]:
    world = World()
    fanout = Fanout(4_000_000, 4_000_000, lambda key: None, lambda key: None)
    ours, theirs = socket.socketpair()
    world.lobbies["film"] = Description("l1", "A film", (DescribedTrack(KEY, VIDEO),))
    listener = socket.create_server(("127.0.0.1", 0))
    server = RtspServer(fanout, listener, EgressOptions(), world)
    await server.start()
    fanout.open_bus(KEY, "epoch", VIDEO, theirs)
    try:
        yield Fresh(server, fanout, world, listener.getsockname()[1], ours)
    finally:
        await server.close()
        fanout.close()
        ours.close()


async def pictures(client: RawClient, count: int) -> list[tuple[int, int]]:
    """Sequence number and timestamp of the next packets of the picture."""
    found: list[tuple[int, int]] = []
    while len(found) < count:
        channel, packet = await client.packet()
        if channel == 0:
            found.append(struct.unpack_from(">HI", packet, 2))
    return found


async def test_it_sees_the_newest_picture_and_not_what_was_seconds_ago() -> None:
    async with fresh() as house:
        client, _ = await house.play()
        house.write(range(PICTURES))
        shown = await pictures(client, PACKETS)
        house.write(range(PICTURES, PICTURES + 2))
        shown += await pictures(client, 6)
        for (number, stamp), (following, later) in itertools.pairwise(shown):
            assert following == (number + 1) & 0xFFFF
            assert (later - stamp) & 0xFFFFFFFF < 90_000
        # 1 ms a picture instead of 40, so that the player is at the newest at once; then at its own pace.
        stamps = [stamp for _, stamp in shown]
        assert (stamps[PACKETS - 1] - stamps[0]) & 0xFFFFFFFF == 90 * (PICTURES - 1)
        assert (stamps[-1] - stamps[PACKETS - 1]) & 0xFFFFFFFF == 2 * STEP
        await client.close()
        await house.quiet()


async def test_pictures_one_by_one_are_sent_as_they_are() -> None:
    async with fresh() as house:
        client, _ = await house.play()
        house.write(range(1))
        assert len(await pictures(client, 5)) == 5
        house.write(range(1, 2))
        (_, last), *_ = await pictures(client, 3)
        house.write(range(2, 3))
        (_, later), *_ = await pictures(client, 3)
        assert (later - last) & 0xFFFFFFFF == STEP
        await client.close()
        await house.quiet()


async def test_who_leaves_or_pauses_meanwhile_gets_nothing_and_leaves_nothing() -> None:
    async with fresh() as house:
        leaving, session = await house.play()
        paused, other = await house.play()
        house.write(range(PICTURES))
        assert (await leaving.ask("TEARDOWN", house.url, Session=session)).status == 200
        assert (await paused.ask("PAUSE", house.url, Session=other)).status == 200
        await until(lambda: house.fanout.statistics().subscribers == 0, "nobody is sent anything")
        again = await paused.ask("PLAY", house.url, Session=other)
        assert "seq=" in again.headers["rtp-info"]
        assert len(await pictures(paused, PACKETS)) == PACKETS
        await asyncio.gather(leaving.close(), paused.close())
        await house.quiet()
