"""aiortc, an independent WebRTC implementation, plays picture and sound."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

from tests.support.webrtc_house import TRACKS, house, playing, until

pytestmark = pytest.mark.process


async def test_aiortc_plays() -> None:
    async with house() as home, playing(home):
        connection = RTCPeerConnection()
        tracks: dict[str, MediaStreamTrack] = {}

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            tracks[track.kind] = track

        connection.addTransceiver("video", direction="recvonly")
        connection.addTransceiver("audio", direction="recvonly")
        await connection.setLocalDescription(await connection.createOffer())
        answer = await home.peers.offer("one", TRACKS, connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(60):
            pictures = [await tracks["video"].recv() for _ in range(20)]
            sounds = [await tracks["audio"].recv() for _ in range(20)]
        assert {(picture.width, picture.height) for picture in pictures} == {(640, 360)}  # type: ignore[union-attr]
        stamps = [picture.pts for picture in pictures]
        assert None not in stamps and stamps == sorted(set(stamps))  # type: ignore[type-var]
        assert all(sound.sample_rate == 48_000 for sound in sounds)  # type: ignore[union-attr]
        await connection.close()
        await until(lambda: home.told.gone == [("one", "the viewer left")], "left")
