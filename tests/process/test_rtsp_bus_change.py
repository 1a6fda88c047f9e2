"""A lobby worker is replaced: RTSP viewers keep their connection, numbers and clock go on, the picture comes back."""

from __future__ import annotations

import asyncio
import itertools
import struct

import pytest

from tests.support.rtsp_house import (
    AUDIO,
    VIDEO,
    RawClient,
    audio_branch,
    open_house,
    run,
    start_source,
    until,
    video_branch,
)

pytestmark = pytest.mark.process

SOURCES = {"l1/main": (VIDEO, video_branch), "l1/audio": (AUDIO, audio_branch)}


async def test_numbers_and_clock_go_on_over_a_change_of_bus() -> None:
    async with open_house() as house:
        client = await RawClient.connect(house.port)
        reply = await client.ask("SETUP", house.url("test/trackID=0"), Transport="RTP/AVP/TCP;interleaved=0-1")
        second = {"Transport": "RTP/AVP/TCP;interleaved=2-3", "Session": reply.session}
        await client.ask("SETUP", house.url("test/trackID=1"), **second)
        await client.ask("PLAY", house.url(), Session=reply.session)
        await client.both_tracks()
        client.packets.clear()
        seen: dict[int, list[tuple[int, int]]] = {0: [], 2: []}
        reading = asyncio.create_task(remember(client, seen))
        await until(lambda: all(len(packets) > 20 for packets in seen.values()), "packets of the first worker")
        child = await start_source(house.fanout, dict(SOURCES))
        try:
            house.source.kill()
            await house.source.wait()
            marks = {channel: len(packets) for channel, packets in seen.items()}
            await until(lambda: all(len(seen[channel]) > marks[channel] + 60 for channel in seen), "of the second")
        finally:
            child.kill()
            await child.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        for packets in seen.values():
            for (number, stamp), (following, later) in itertools.pairwise(packets):
                assert following == (number + 1) & 0xFFFF
                assert (later - stamp) & 0xFFFFFFFF < 90_000 * 20
        assert house.world.gone == {}
        await client.close()
        await house.quiet()


async def remember(client: RawClient, seen: dict[int, list[tuple[int, int]]]) -> None:
    while True:
        channel, packet = await client.packet()
        if channel in seen:
            number, stamp = struct.unpack_from(">HI", packet, 2)
            seen[channel].append((number, stamp))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_player_plays_on(transport: str) -> None:
    async with open_house() as house:
        playing = asyncio.create_task(
            run(
                "ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", house.url("test/mute"),
                "-frames:v", "240", "-f", "null", "-progress", "-", "-",
            )
        )  # fmt: skip
        await until(lambda: house.world.watching == 1, "it plays")
        house.source.kill()
        await house.source.wait()
        child = await start_source(house.fanout, dict(SOURCES))
        try:
            ran = await playing
        finally:
            child.kill()
            await child.wait()
        assert ran.code == 0, ran.err
        assert int(ran.out.rpartition("frame=")[2].split()[0]) >= 240
        assert len(house.world.joined) == 1
        await house.quiet()
