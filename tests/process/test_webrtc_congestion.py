"""Viewers on real sockets tell what the way to them carries, and it is believed as far as it makes sense."""

from __future__ import annotations

import asyncio
import struct

import pytest

from steadycast.egress.webrtc.peer import PeerStatistics
from tests.support.webrtc_house import TRACKS, House, house, playing, until
from tests.support.webrtc_viewer import LightViewer

pytestmark = pytest.mark.process


def peer(home: House) -> PeerStatistics:
    (found,) = home.peers.statistics().peers
    return found


async def test_a_narrow_way_is_seen_and_resends_keep_their_numbers() -> None:
    """The picture has 1.5 Mbit/s, and the way is said to carry 0.6."""
    async with house() as home, playing(home):
        viewer = LightViewer(narrow_bps=600_000)
        answer = await home.peers.offer("one", TRACKS, viewer.offer())
        assert answer.count("transport-cc") == 1 and answer.count("a=extmap:5 ") == 1
        await viewer.start(answer)
        async with asyncio.timeout(30):
            while (estimate := peer(home).estimate_bps) is None or not 300_000 < estimate < 650_000:
                viewer.tell()
                await asyncio.sleep(0.05)
        viewer.lose_every = 40
        await until(lambda: len(viewer.missing(viewer.video_ssrc)) > 2, "some are lost")
        viewer.lose_every = 0
        lost = viewer.missing(viewer.video_ssrc)
        viewer.nack(viewer.video_ssrc, lost)
        await until(lambda: not viewer.missing(viewer.video_ssrc), "resends")
        assert all(packet.number == packet.sequence for packet in viewer.of(viewer.video_ssrc))
        assert all(packet.number is None for packet in viewer.of(viewer.audio_ssrc))
        viewer.vanish()


async def test_a_bound_counts_where_no_arrivals_are_told_and_nonsense_does_not() -> None:
    async with house() as home, playing(home):
        viewer = LightViewer()
        answer = await home.peers.offer(
            "one", TRACKS, viewer.offer().replace("a=rtpmap:102", "a=rtcp-fb:102 goog-remb\r\na=rtpmap:102")
        )
        assert "a=rtcp-fb:102 goog-remb" in answer and "transport-cc" not in answer
        await viewer.start(answer)
        for body in (b"", b"REMB", b"REMB\x01\xff\xff\xff", b"\xff" * 64):
            viewer.feedback(205, 15, viewer.video_ssrc, body + bytes(-len(body) % 4))
        viewer.feedback(206, 15, 0, b"REMB" + bytes([1]) + (4 << 18 | 25_000).to_bytes(3, "big") + struct.pack(">I", 1))
        await until(lambda: peer(home).estimate_bps == 400_000, "the bound")
        assert not home.told.gone
        viewer.vanish()
