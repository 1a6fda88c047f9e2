"""A viewer on real sockets is given a smaller track in place of its own, and sees no more than a keyframe."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from itertools import pairwise

import pytest

from steadycast.egress.webrtc import peers as peers_module
from steadycast.errors import ConflictError, DeadlineError, NotFoundError
from steadycast.model import Codec
from tests.support.webrtc_house import TRACKS, VIDEO, house, until
from tests.support.webrtc_viewer import LightViewer

pytestmark = pytest.mark.process

LOW = "lobby/low"
# A parameter set and an IDR slice in one packet (STAP-A, RFC 6184 section 5.7.1).
KEY = b"\x78" + b"".join(struct.pack(">H", len(unit)) + unit for unit in (b"\x67sps", b"\x65key"))


def write(bus: socket.socket, number: int, payload: bytes) -> None:
    """One picture of one packet, a 25th of a second after the one before."""
    packet = struct.pack(">BBHII", 0x80, 0x80 | 96, number, 3600 * number, 1) + payload
    bus.sendall(struct.pack(">H", len(packet)) + packet)


async def test_a_viewer_turns_at_a_keyframe_or_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "TURN_S", 0.3)
    async with house() as home:
        main, audio = home.open_buses()
        reader, low = socket.socketpair()
        home.fanout.open_bus(LOW, "one", replace(VIDEO, name="low"), reader)
        other, vp8 = socket.socketpair()
        home.fanout.open_bus("lobby/vp8", "one", replace(VIDEO, name="vp8", codec=Codec.VP8), other)
        with main, audio, low, vp8:
            write(main, 0, KEY)
            write(low, 0, KEY)
            viewer = LightViewer()
            await viewer.start(await home.peers.offer("one", TRACKS, viewer.offer()))
            video = viewer.video_ssrc
            await until(lambda: len(viewer.of(video)) == 1, "the keyframe")
            with pytest.raises(NotFoundError):
                await home.peers.turn("one", TRACKS[0], "lobby/nothing")
            with pytest.raises(ConflictError):
                await home.peers.turn("one", TRACKS[0], "lobby/vp8")
            with pytest.raises(DeadlineError):  # no keyframe comes
                await home.peers.turn("one", TRACKS[0], LOW)
            write(low, 1, b"\x41low")
            write(main, 1, b"\x41main")
            await until(lambda: len(viewer.of(video)) == 2, "it goes on as it was")
            monkeypatch.setattr(peers_module, "TURN_S", 30.0)
            turning = asyncio.create_task(home.peers.turn("one", TRACKS[0], LOW))
            await until(lambda: home.told.keyframes.count(LOW) >= 2, "a keyframe is asked for")
            write(low, 2, b"\x41no key")
            write(low, 3, KEY)
            await turning
            write(main, 4, b"\x41main")
            write(low, 4, b"\x41low")
            await until(lambda: len(viewer.of(video)) == 4, "what the other track has")
            got = viewer.of(video)
            assert [one.payload[-4:] for one in got] == [KEY[-4:], b"main", KEY[-4:], b"\x41low"]
            assert not viewer.missing(video)
            assert all(0 < (b.timestamp - a.timestamp) & 0xFFFFFFFF < 90_000 for a, b in pairwise(got))
            (held,) = home.peers.held()
            assert held.tracks == (LOW, TRACKS[1])
            home.fanout.close_track(TRACKS[0])
            write(low, 5, b"\x41low")
            await until(lambda: len(viewer.of(video)) == 5, "the track before is nothing to it any more")
            assert not home.told.gone
            viewer.vanish()
