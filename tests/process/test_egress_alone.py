"""An egress worker without a control plane: who watches goes on, who asks waits, and the next one learns all of it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from steadycast.egress.rtsp.address import TRACK_PREFIX
from steadycast.errors import ConflictError
from steadycast.model import Protocol
from steadycast.workers.adoption import take_stock
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import DrainEgress, HandListener, RtspListener
from steadycast.workers.messages.stock import EgressStock, HoldStock
from steadycast.workers.worker import Worker
from tests.support.bus_packets import AUDIO, VIDEO
from tests.support.egress_house import DEADLINE_S, KEY, houses
from tests.support.rtsp_viewer import RtspViewer, TrackCount
from tests.support.webrtc_viewer import LightViewer

pytestmark = pytest.mark.process


async def sees(viewer: RtspViewer) -> None:
    assert (await asyncio.to_thread(viewer.receive_frames, 15, 0, DEADLINE_S)).gaps == 0


async def described(url: str) -> RtspViewer:
    viewer = RtspViewer(url, DEADLINE_S)
    await asyncio.to_thread(viewer.ask, "DESCRIBE", url)
    return viewer


async def play_described(viewer: RtspViewer) -> None:
    """SETUP and PLAY: nobody is asked for that."""
    viewer.tracks.append(TrackCount())
    headers, _ = await asyncio.to_thread(
        viewer.ask, "SETUP", f"{viewer.url}/{TRACK_PREFIX}0", Transport="RTP/AVP/TCP;unicast;interleaved=0-1"
    )
    viewer.session = headers["session"].split(";")[0]
    await asyncio.to_thread(viewer.ask, "PLAY", viewer.url)


async def test_viewers_go_on_and_the_next_control_plane_learns_of_them(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        first = plan()
        await first.begin()
        egress, bus = first.egress, f"{first.egress.id}.bus"
        with RtspViewer(first.url, DEADLINE_S) as player, await described(first.url) as late:
            await asyncio.to_thread(player.play)
            sound, theirs = socket.socketpair()
            await egress.open_bus("lobby/audio", "epoch", AUDIO, "sound", theirs.detach())
            browser, tracks = LightViewer(), (KEY, "lobby/audio")
            await browser.start(await egress.offer("v_1", tracks, browser.offer(), "tag 1", "1.2.3.4"))
            await egress.offer("v_2", tracks, LightViewer().offer(), "tag 2", "1.2.3.4")
            await first.until(lambda: browser.packets and first.desk.viewers and first.desk.connected_viewers)
            waits, waiting = socket.socketpair()
            await egress.open_bus("lobby/other", "epoch", VIDEO, "no keyframe yet", waiting.detach())
            await first.leave()
            await play_described(late)
            await sees(late)
            with RtspViewer(first.url, DEADLINE_S) as asks:
                asking = asyncio.create_task(asyncio.to_thread(asks.play))
                sound.close()
                await sees(player)
                second = plan()
                ((egress, stock),) = await second.begin()
                await asking
                await sees(asks)
                came = browser.came
                await second.until(lambda: browser.came > came + 20)
        waits.close()
        check_buses(stock, bus)
        check_viewers(stock, set(first.desk.viewers), browser.address[1])
        assert set(stock.holds) == {HoldStock(hold, "lobby", (KEY,)) for hold in first.desk.holds}
        assert len(stock.holds) == 2 and {one.hold for one in stock.viewers if one.hold} == set(first.desk.holds)
        await second.end()


def check_buses(stock: EgressStock, bus: str) -> None:
    found = {one.track: (one.epoch, one.bus, one.waiting) for one in stock.buses}
    assert found == {
        KEY: ("epoch", bus, None),
        "lobby/audio": (None, None, None),  # it ended while nobody heard of it
        "lobby/other": ("epoch", None, "no keyframe yet"),
    }


def check_viewers(stock: EgressStock, players: set[str], port: int) -> None:
    viewers = {one.viewer: one for one in stock.viewers}
    assert {one.lobby for one in stock.viewers} == {"lobby"} and all(one.since > 1e9 for one in stock.viewers)
    connected, coming = viewers.pop("v_1"), viewers.pop("v_2")
    assert (connected.connected, connected.etag, connected.remote) == (True, "tag 1", f"127.0.0.1:{port}")
    assert (coming.connected, coming.etag, coming.remote) == (False, "tag 2", "1.2.3.4")
    assert connected.protocol is Protocol.WHEP and connected.tracks == (KEY, "lobby/audio")
    assert len(viewers) == 2 and players < set(viewers)  # one began to play while nobody heard of it
    assert {one.transport for one in viewers.values()} == {"tcp"} and all(one.hold for one in viewers.values())


async def test_the_listening_socket_can_be_handed_over_and_let_go(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        first = plan()
        await first.begin()
        with await described(first.url):
            await first.leave()
            second = plan()
            (adopted,) = (await second.open()).adopted
            worker, port = adopted.worker, int(first.url.split(":")[2].split("/")[0])
            with await handed(worker) as copy:
                assert copy.getsockname() == ("127.0.0.1", port)
                await worker.request(DrainEgress())
                with pytest.raises(ConflictError, match="no RTSP connections are accepted") as refused:
                    await handed(worker)
                assert refused.value.code == "egress.no_listener"
                with socket.create_connection(("127.0.0.1", port)) as client:
                    copy.settimeout(DEADLINE_S)
                    taken, _ = await asyncio.to_thread(copy.accept)  # nobody else takes it
                    assert taken.getpeername() == client.getsockname()
                    taken.close()
            stock = await take_stock(worker, asyncio.get_running_loop().time() + DEADLINE_S)
            assert isinstance(stock, EgressStock) and stock.draining and len(stock.holds) == 1
        await second.end()


async def handed(worker: Worker) -> socket.socket:
    got: list[socket.socket] = []

    def hear(message: Any, fds: Descriptors) -> None:
        if isinstance(message, RtspListener):
            got.append(socket.socket(fileno=fds.take()))

    worker.take(None, hear, None)
    await worker.request(HandListener())
    (listener,) = got
    return listener
