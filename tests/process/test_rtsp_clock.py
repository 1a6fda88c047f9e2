"""What a viewer is told of time: RTP-Info and sender reports put sound and picture on one clock, from the start."""

from __future__ import annotations

import itertools
import struct

import pytest

from tests.support.rtsp_house import House, RawClient, Reply, open_house

pytestmark = pytest.mark.process

RATES = {0: 90_000, 2: 48_000}


async def play(house: House) -> tuple[RawClient, Reply]:
    client = await RawClient.connect(house.port)
    reply = await client.ask("SETUP", house.url("test/trackID=0"), Transport="RTP/AVP/TCP;interleaved=0-1")
    second = {"Transport": "RTP/AVP/TCP;interleaved=2-3", "Session": reply.session}
    await client.ask("SETUP", house.url("test/trackID=1"), **second)
    return client, await client.ask("PLAY", house.url(), Session=reply.session)


def told_timestamps(reply: Reply) -> dict[int, int]:
    """The rtptime of each track, by channel."""
    parts = reply.headers["rtp-info"].split(",")
    return {2 * int(part.split("trackID=")[1][0]): int(part.rpartition("rtptime=")[2]) for part in parts}


async def test_sender_reports_and_rtp_info_agree_on_one_moment() -> None:
    async with open_house() as house:
        client, reply = await play(house)
        told = told_timestamps(reply)
        moments: dict[int, float] = {}
        while len(moments) < 2:
            channel, packet = await client.packet()
            if channel % 2 and packet[1] == 200:
                seconds, fraction, stamp = struct.unpack_from(">III", packet, 8)
                behind = ((stamp - told[channel - 1] + 0x80000000) & 0xFFFFFFFF) - 0x80000000
                moments[channel - 1] = seconds + fraction / 2**32 - behind / RATES[channel - 1]
        # Both tracks say when the moment of RTP-Info was; a frame of Opus is 20 ms.
        assert abs(moments[0] - moments[2]) < 0.02, moments
        await client.close()
        await house.quiet()


async def test_a_viewer_begins_with_a_keyframe_at_once_and_its_report_follows() -> None:
    async with open_house() as house:
        for _ in range(3):
            client, reply = await play(house)
            picture: list[bytes] = []
            report = None
            while len(picture) < 40 or report is None:
                channel, packet = await client.packet()
                if channel == 0:
                    picture.append(packet)
                elif channel == 1 and report is None:
                    report = len(picture)
            sequence, stamp = struct.unpack_from(">HI", picture[0], 2)
            assert f"trackID=0;seq={sequence};" in reply.headers["rtp-info"]
            # The moment of RTP-Info is that of the earliest packet of all tracks.
            assert (stamp - told_timestamps(reply)[0]) & 0xFFFFFFFF < 90_000
            # STAP-A (24) of parameter sets, or one alone (7): RFC 6184 5.2
            assert picture[0][12] & 0x1F in (24, 7)
            stamps = [struct.unpack_from(">I", packet, 4)[0] for packet in picture]
            steps = [(later - earlier) & 0xFFFFFFFF for earlier, later in itertools.pairwise(stamps)]
            assert all(step < 90_000 for step in steps)
            await client.close()
        await house.quiet()
