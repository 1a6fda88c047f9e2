"""Viewers on real sockets, fed with real H.264 and Opus: media, resends, moves, restarts, and every kind of end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import socket
import struct
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from steadycast.egress.options import EgressOptions
from steadycast.egress.webrtc import peers as peers_module
from steadycast.errors import CallerError, ConflictError, NotFoundError, RefusedError
from tests.support.webrtc_house import PICTURE, TRACKS, House, house, playing, until
from tests.support.webrtc_viewer import LightViewer

pytestmark = pytest.mark.process


@contextlib.asynccontextmanager
async def watching(home: House, name: str = "one", viewer: LightViewer | None = None) -> AsyncIterator[LightViewer]:
    viewer = viewer or LightViewer()
    await viewer.start(await home.peers.offer(name, TRACKS, viewer.offer()))
    try:
        yield viewer
    finally:
        viewer.vanish()


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
async def test_picture_and_sound_come_without_a_hole(setup: str) -> None:
    async with house() as home, playing(home), watching(home, viewer=LightViewer(setup=setup)) as viewer:
        await until(lambda: len(viewer.of(viewer.video_ssrc)) > 200, "video")
        await until(lambda: len(viewer.of(viewer.audio_ssrc)) > 100, "audio")
        assert home.told.connected == [("one", f"127.0.0.1:{viewer.address[1]}")]
        assert not viewer.missing(viewer.video_ssrc) and not viewer.missing(viewer.audio_ssrc)
        assert {packet.payload_type for packet in viewer.of(viewer.video_ssrc)} == {102}
        assert {packet.payload_type for packet in viewer.of(viewer.audio_ssrc)} == {111}
        assert home.peers.statistics().connected == 1


async def test_over_ipv6() -> None:
    async with house(EgressOptions(host="::1")) as home, playing(home), watching(home) as viewer:
        await until(lambda: len(viewer.of(viewer.video_ssrc)) > 100, "video")
        assert home.told.connected == [("one", f"[::1]:{viewer.address[1]}")]


async def test_a_late_viewer_begins_with_the_group_of_pictures() -> None:
    """What was sent before it came is sent to it at once, and no keyframe is asked for."""
    async with house() as home:
        video, audio = home.open_buses()
        with video, audio:
            frames = [KEYFRAME] + [b"\x41" + b"delta" * 50 for _ in range(9)]
            for number, payload in enumerate(frames):
                write(video, number, 3000 * number, payload)
            async with watching(home) as viewer:
                await until(lambda: len(viewer.of(viewer.video_ssrc)) == 10, "the whole group")
                assert viewer.packets[0].payload == frames[0]
                stamps = [packet.timestamp for packet in viewer.of(viewer.video_ssrc)]
                assert all(0 < (later - earlier) & 0xFFFFFFFF <= 3000 for earlier, later in pairwise(stamps))
                assert not home.told.keyframes


# A parameter set and an IDR slice in one packet (STAP-A, RFC 6184 section 5.7.1).
KEYFRAME = b"\x78" + b"".join(struct.pack(">H", len(unit)) + unit for unit in (b"\x67sps", b"\x65" + b"key" * 100))


def write(bus: socket.socket, sequence: int, timestamp: int, payload: bytes) -> None:
    """One RTP packet that ends its frame, in RFC 4571 framing."""
    packet = struct.pack(">BBHII", 0x80, 0x80 | 96, sequence, timestamp, 1) + payload
    bus.sendall(struct.pack(">H", len(packet)) + packet)


async def test_lost_packets_are_sent_again() -> None:
    async with house() as home, playing(home), watching(home, viewer=LightViewer(lose_every=10)) as viewer:
        await until(lambda: viewer.came > 300, "packets")
        viewer.lose_every = 0
        missing = viewer.missing(viewer.video_ssrc)
        assert len(missing) > 10
        for start in range(0, len(missing), 50):
            viewer.nack(viewer.video_ssrc, missing[start : start + 50])
        await until(lambda: not set(missing) & set(viewer.missing(viewer.video_ssrc)), "all resent")
        assert home.peers.statistics().peers[0].resent_packets >= len(missing)


async def test_a_viewer_that_lost_the_picture_gets_a_keyframe_asked_for() -> None:
    # No keyframe comes by itself: one would answer the wish before it is due.
    rare = PICTURE.replace("key-int-max=30", "key-int-max=3000").replace("bitrate=1500", "bitrate=300")
    async with house() as home, playing(home, picture=rare), watching(home) as viewer:
        await until(lambda: viewer.of(viewer.video_ssrc), "media")
        for wish in (lose_picture, ask_again):
            home.told.keyframes.clear()
            wish(viewer)
            await until(lambda: "lobby/main" in home.told.keyframes, wish.__name__)


def lose_picture(viewer: LightViewer) -> None:
    """PLI (RFC 4585 section 6.3.1)."""
    viewer.feedback(206, 1, viewer.video_ssrc)


def ask_again(viewer: LightViewer) -> None:
    """FIR (RFC 5104 section 4.3.1)."""
    viewer.feedback(206, 4, viewer.video_ssrc, struct.pack(">IBBH", viewer.video_ssrc, 1, 0, 0))


async def test_sender_reports_keep_picture_and_sound_in_step() -> None:
    async with house() as home, playing(home), watching(home) as viewer:
        await until(lambda: len(senders(viewer)) >= 4, "reports")
        reports = senders(viewer)
        assert {ssrc for ssrc, _, _ in reports} == {viewer.video_ssrc, viewer.audio_ssrc}
        # A report says which timestamp belongs to which moment: between two of a stream the clock rate must come out.
        for ssrc, rate in ((viewer.video_ssrc, 90_000), (viewer.audio_ssrc, 48_000)):
            (_, first, start), *_, (_, last, end) = [report for report in reports if report[0] == ssrc]
            if last - first > 0.5:
                assert abs(((end - start) & 0xFFFFFFFF) / (last - first) / rate - 1) < 0.2
        assert len({cname for report in viewer.reports for cname in cnames(report)}) == 1


def senders(viewer: LightViewer) -> list[tuple[int, float, int]]:
    """SSRC, seconds, timestamp of each sender report."""
    found = []
    for report in viewer.reports:
        start = 0
        while start + 8 <= len(report):
            kind, words = report[start + 1], struct.unpack_from(">H", report, start + 2)[0]
            if kind == 200:
                ssrc, ntp, stamp = struct.unpack_from(">IQI", report, start + 4)
                found.append((ssrc, ntp / 2**32, stamp))
            start += 4 * (words + 1)
    return found


def cnames(report: bytes) -> list[bytes]:
    start, found = 0, []
    while start + 8 <= len(report):
        kind, words = report[start + 1], struct.unpack_from(">H", report, start + 2)[0]
        if kind == 202:
            found.append(report[start + 10 : start + 10 + report[start + 9]])
        start += 4 * (words + 1)
    return found


async def test_media_follows_a_viewer_to_another_address() -> None:
    async with house() as home, playing(home), watching(home) as viewer:
        await until(lambda: len(viewer.packets) > 50, "media")
        before = viewer.address
        await viewer.move()
        port = viewer.address[1]
        assert port != before[1]
        async with asyncio.timeout(30):
            while home.peers.statistics().peers[0].remote != f"127.0.0.1:{port}":
                # As a browser does that gave up its old address for this one within the first seconds.
                await viewer.knock()
                await asyncio.sleep(0.1)
        count = len(viewer.packets)
        await until(lambda: len(viewer.packets) > count + 50, "media at the new address")
        assert home.peers.statistics().peers[0].remote == f"127.0.0.1:{viewer.address[1]}"


async def test_ice_restart() -> None:
    async with house() as home, playing(home), watching(home) as viewer:
        await until(lambda: len(viewer.packets) > 50, "media")
        viewer.ufrag, viewer.pwd = "fresh" + viewer.ufrag, "fresh" + viewer.pwd
        fragment = await home.peers.patch("one", f"a=ice-ufrag:{viewer.ufrag}\r\na=ice-pwd:{viewer.pwd}\r\n")
        assert fragment is not None and "a=end-of-candidates" in fragment
        old = viewer.their_ufrag
        viewer.learn(fragment)
        assert viewer.their_ufrag != old
        await viewer.move()
        count = len(viewer.packets)
        await until(lambda: len(viewer.packets) > count + 50, "media after the restart")
        await until(lambda: home.peers.statistics().peers[0].remote == f"127.0.0.1:{viewer.address[1]}", "moved")
        assert home.peers.statistics().connected == 1 and not home.told.gone


async def test_trickled_candidates_are_checked() -> None:
    async with house() as home:
        viewer = LightViewer()
        home.open_buses()
        await home.peers.offer("one", TRACKS, viewer.offer())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waiting:
            waiting.bind(("127.0.0.1", 0))
            waiting.setblocking(False)
            line = f"a=candidate:1 1 udp 1 127.0.0.1 {waiting.getsockname()[1]} typ host"
            assert await home.peers.patch("one", f"a=ice-ufrag:{viewer.ufrag}\r\n{line}\r\n") is None
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(waiting, 2048), 20)
        assert data[:2] == b"\0\1"  # a binding request


async def test_every_end_is_told_once_with_its_reason() -> None:
    options = EgressOptions(viewer_silence_s=1.5, handshake_s=1.0)
    async with house(options) as home, playing(home):
        async with watching(home, "leaves") as viewer:
            viewer.say_goodbye()
            await until(lambda: home.told.gone, "left")
        async with watching(home, "kicked") as viewer:
            await home.peers.end("kicked", "an operator said so")
            await home.peers.end("kicked", "twice")
            await until(lambda: viewer.closed, "close_notify")
            assert any(
                (report[1] == 201 and b"\x81\xcb" in report) or b"\x82\xcb" in report for report in viewer.reports
            )
        async with watching(home, "silent"):
            pass
        await home.peers.offer("never", TRACKS, LightViewer().offer())
        await until(lambda: len(home.told.gone) == 4, "all gone")
        async with watching(home, "closed"):
            for track in TRACKS:
                home.fanout.close_track(track, "the lobby ended")
            await until(lambda: len(home.told.gone) == 5, "closed")
        reasons = dict(home.told.gone)
        assert reasons["leaves"] == "the viewer left" and reasons["kicked"] == "an operator said so"
        assert "stopped answering" in reasons["silent"] and "did not connect" in reasons["never"]
        assert reasons["closed"] == "the lobby ended"
        statistics = home.peers.statistics()
        assert (statistics.connected, statistics.connecting, statistics.directory) == (0, 0, 0)


async def test_a_handshake_with_another_certificate_fails() -> None:
    async with house() as home, playing(home):
        viewer = LightViewer()
        offer = viewer.offer().replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:")
        answer = await home.peers.offer("one", TRACKS, offer)
        starting = asyncio.ensure_future(viewer.start(answer))
        await until(lambda: home.told.gone, "refused")
        assert "certificate" in home.told.gone[0][1] and not home.told.connected
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        viewer.vanish()


async def test_refusals() -> None:
    async with house() as home:
        home.open_buses()
        with pytest.raises(NotFoundError):
            await home.peers.offer("one", ("nobody/main",), LightViewer().offer())
        with pytest.raises(NotFoundError):
            await home.peers.patch("nobody", "a=candidate:1 1 udp 1 127.0.0.1 5 typ host")
        await home.peers.offer("one", TRACKS, LightViewer().offer())
        with pytest.raises(ConflictError):
            await home.peers.offer("one", TRACKS, LightViewer().offer())
        with pytest.raises(CallerError):
            await home.peers.patch("one", "a=ice-ufrag:another\r\n")
        for number in range(peers_module.MOST_HANDSHAKES - 1):
            await home.peers.offer(f"v{number}", TRACKS, LightViewer().offer())
        with pytest.raises(RefusedError) as refused:
            await home.peers.offer("last", TRACKS, LightViewer().offer())
        assert refused.value.retry_after


async def test_hostile_datagrams_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as home, playing(home), watching(home) as viewer:
        chance = random.Random(1)
        await until(lambda: len(viewer.packets) > 20, "media")
        for size in [*range(40), *(chance.randrange(1500) for _ in range(300))]:
            data = bytearray(chance.randbytes(size))
            for first in (0, 1, 22, 63, 128, 200):
                if data:
                    data[0] = first
                if size > 8 and chance.random() < 0.5:
                    data[4:8] = b"\x21\x12\xa4\x42"
                viewer._send(bytes(data))
                await asyncio.sleep(0)
        count = len(viewer.packets)
        await until(lambda: len(viewer.packets) > count + 100, "media goes on")
        assert not home.told.gone and not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_two_hundred_offers_leave_nothing() -> None:
    """Half of them never connect, some leave politely, some vanish: nothing of them stays."""
    options = EgressOptions(viewer_silence_s=2.0, handshake_s=2.0)
    async with house(options) as home, playing(home):
        await wave(home, "warm", 20)
        before = held(home)
        for number in range(9):
            await wave(home, f"wave{number}", 20)
        assert held(home) == before
        assert len({viewer for viewer, _ in home.told.gone}) == len(home.told.gone) == 200
        statistics = home.peers.statistics()
        assert (statistics.directory, statistics.connecting, statistics.connected) == (0, 0, 0)
        assert home.port.statistics().queues == 0


async def wave(home: House, name: str, count: int) -> None:
    viewers = []
    for number in range(count):
        viewer = LightViewer()
        answer = await home.peers.offer(f"{name}-{number}", TRACKS, viewer.offer())
        if number % 2:
            await viewer.start(answer)
            viewers.append(viewer)
    for number, viewer in enumerate(viewers):
        if number % 2:
            viewer.say_goodbye()
        viewer.vanish()
    await until(lambda: not home.peers.statistics().peers, "all gone")


def held(home: House) -> dict[str, int]:
    gc.collect()
    kinds = ("Peer", "IceAgent", "DtlsSession", "TrackStream", "Outlet", "Connection", "Session", "RtcpProtection")
    objects = [type(thing).__name__ for thing in gc.get_objects()]
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "tasks": len(asyncio.all_tasks()),
        "subscribers": home.fanout.statistics().subscribers,
        **{kind: objects.count(kind) for kind in kinds},
    }
