"""A real egress worker: configured over its channel, fed by real GStreamer over buses, watched by an RTSP client."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.errors import ConflictError, SourceError, SteadycastError
from steadycast.model import Receipt, TrackInfo, TrackKind, WorkerKind
from steadycast.workers.channel import Descriptors
from steadycast.workers.codec import to_plain
from steadycast.workers.messages import (
    BusLost,
    CloseTrack,
    ConfigureEgress,
    KeyframeWanted,
    KickViewer,
    OpenBus,
    RtspDescribe,
    RtspGone,
    ViewerGone,
    ViewerJoined,
    WhepOffer,
    WhepPatch,
)
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker
from tests.support.bus_packets import VIDEO, BusWriter
from tests.support.rtsp_viewer import RtspRefused, RtspViewer

pytestmark = pytest.mark.process

DEADLINE_S = 60.0
KEY = "lobby/main"
SENDER = (
    "gst-launch-1.0 -q videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=30/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=300 ! h264parse config-interval=-1 ! "
    "rtph264pay mtu=1200 timestamp-offset=0 aggregate-mode=zero-latency ! rtpstreampay ! fdsink sync=false fd={fd}"
)


class House:
    """The control plane's side: a worker, what it said, and the processes that feed it."""

    def __init__(self, supervisor: Supervisor, rtsp: socket.socket) -> None:
        self.supervisor = supervisor
        self.rtsp = rtsp
        self.said: list[Any] = []
        self.worker: Worker
        self._senders: list[subprocess.Popen[bytes]] = []

    async def start(self) -> None:
        self.worker = await self.supervisor.start(
            WorkerKind.EGRESS,
            lobby=None,
            on_message=lambda message, fds: self.said.append(message),
            on_request=self._ask,
        )

    async def _ask(self, message: Any, fds: Descriptors) -> dict[str, Any]:
        assert isinstance(message, RtspDescribe)
        if message.path != "lobby":
            raise SourceError("source.lost", "The camera is away.")
        return {"lobby": "lobby", "name": "A lobby", "tracks": [{"track": KEY, "info": to_plain(VIDEO)}]}

    async def configure(self) -> dict[str, Any]:
        order = ConfigureEgress(
            host="127.0.0.1",
            udp_ports=(0, 0),
            public_address=None,
            ice_servers=(),
            digest={},
            realm="steadycast",
            handshake_s=15,
            viewer_budget_bytes=2_000_000,
            viewer_stalled_s=10,
            viewer_silence_s=30,
            history_bytes=4_000_000,
            gop_bytes=8_000_000,
            rtsp_connections=100,
            request_s=15,
        )
        return await self.worker.request(order, (os.dup(self.rtsp.fileno()),), deadline=DEADLINE_S)

    async def open_bus(self, epoch: str, key: str = KEY) -> socket.socket:
        ours, theirs = socket.socketpair()
        await self.worker.request(OpenBus(key, epoch, VIDEO), (theirs.detach(),), deadline=DEADLINE_S)
        return ours

    async def send(self, epoch: str) -> subprocess.Popen[bytes]:
        """A process that sends a live picture on a new bus."""
        bus = await self.open_bus(epoch)
        words = SENDER.format(fd=bus.fileno()).split()
        sender = subprocess.Popen(words, pass_fds=[bus.fileno()])  # noqa: ASYNC220
        bus.close()
        self._senders.append(sender)
        return sender

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                await asyncio.sleep(0.02)

    async def until_said(self, kind: type[Any]) -> Any:
        await self.until(lambda: any(isinstance(message, kind) for message in self.said))
        return next(message for message in self.said if isinstance(message, kind))

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.rtsp.getsockname()[1]}/lobby"

    async def close(self) -> None:
        for sender in self._senders:
            sender.kill()
            sender.wait()
        await self.supervisor.close()
        self.rtsp.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    receipts: list[Receipt] = []
    settings = WorkerSettings(spares=0, start_s=DEADLINE_S, heartbeat_s=0.2)
    supervisor = Supervisor(tmp_path, settings, receipts.append, gstreamer=False)
    await supervisor.open()
    made = House(supervisor, socket.create_server(("127.0.0.1", 0)))
    await made.start()
    yield made
    await made.close()
    assert [receipt.clean for receipt in receipts] == [True], (receipts, made.worker.log_tail)


async def test_a_player_survives_the_death_of_what_feeds_it(house: House) -> None:
    assert (await house.configure())["udp_port"] > 0
    first = await house.send("epoch 1")
    with RtspViewer(house.url, DEADLINE_S) as viewer:
        await asyncio.to_thread(viewer.play)
        await asyncio.to_thread(viewer.receive_frames, 20, 0, DEADLINE_S)
        joined = await house.until_said(ViewerJoined)
        assert joined.tracks == (KEY,)
        first.send_signal(signal.SIGKILL)
        assert (await house.until_said(BusLost)).track == KEY
        await house.send("epoch 2")
        count = await asyncio.to_thread(viewer.receive_frames, 30, 0, DEADLINE_S)
        # A planned change: the third sender takes over from the second, which goes on until then.
        await house.send("epoch 3")
        await house.until(lambda: house.worker.statistics.get("switches") == 2)
        await asyncio.to_thread(viewer.receive_frames, 20, 0, DEADLINE_S)
        assert count.gaps == 0
        steps = [(b - a) & 0xFFFFFFFF for a, b in pairwise(count.timestamps)]
        assert all(0 < step < DEADLINE_S * 90_000 for step in steps)
        assert house.worker.statistics["buses"] == 1
        assert house.worker.statistics["viewers"][joined.viewer]["packets"] > 0
    gone = await house.until_said(ViewerGone)
    assert gone.viewer == joined.viewer
    assert isinstance(await house.until_said(RtspGone), RtspGone)


async def test_closing_a_track_ends_its_viewers(house: House) -> None:
    await house.configure()
    await house.send("epoch 1")
    with RtspViewer(house.url, DEADLINE_S) as viewer:
        await asyncio.to_thread(viewer.play)
        await asyncio.to_thread(viewer.receive_frames, 5, 0, DEADLINE_S)
        await house.worker.request(CloseTrack(KEY))
        await house.until_said(ViewerGone)
        await house.until(lambda: house.worker.statistics.get("tracks") == 0)


async def test_a_kicked_viewer_is_gone_when_the_answer_comes(house: House) -> None:
    await house.configure()
    await house.send("epoch 1")
    with RtspViewer(house.url, DEADLINE_S) as viewer:
        await asyncio.to_thread(viewer.play)
        joined = await house.until_said(ViewerJoined)
        await house.worker.request(KickViewer(joined.viewer, "a person said so"))
        gone = await house.until_said(ViewerGone)
        assert gone == ViewerGone(joined.viewer, "a person said so")
    await house.worker.request(KickViewer("nobody", "not there"))


async def test_keyframes_are_asked_for_over_the_channel(house: House) -> None:
    await house.configure()
    bus = await house.open_bus("epoch 1")
    bus.sendall(BusWriter().picture(0, False))
    assert (await house.until_said(KeyframeWanted)).track == KEY
    bus.close()


async def refused(waiting: Awaitable[Any], kind: type[SteadycastError]) -> SteadycastError:
    with pytest.raises(kind) as caught:
        await waiting
    return caught.value


async def test_orders_that_cannot_be_done_are_answered(house: House) -> None:
    assert (await refused(house.open_bus("early"), ConflictError)).code == "egress.not_configured"
    await house.configure()
    assert (await refused(house.configure(), ConflictError)).code == "egress.configured"
    await refused(house.worker.request(WhepPatch("nobody", "a=x")), SteadycastError)
    offer = house.worker.request(WhepOffer("viewer", ("lobby/unknown",), "no sdp at all"))
    await refused(offer, SteadycastError)
    await refused(house.worker.request(OpenBus(KEY, "without", VIDEO)), SteadycastError)
    audio = TrackInfo("main", TrackKind.AUDIO, VIDEO.codec, 8000)
    bus = await house.open_bus("epoch 1")
    ours, theirs = socket.socketpair()
    order = OpenBus(KEY, "epoch 2", audio)
    assert (await refused(house.worker.request(order, (theirs.detach(),)), ConflictError)).code == "track.codec_changed"
    assert ours.recv(1) == b""
    with RtspViewer(house.url.replace("lobby", "other"), DEADLINE_S) as viewer, pytest.raises(RtspRefused):
        await asyncio.to_thread(viewer.play)
    for sock in (bus, ours):
        sock.close()


async def test_nothing_stays_in_the_worker_after_many_tracks_and_viewers(house: House) -> None:
    def descriptors() -> list[str]:
        found = []
        for entry in Path(f"/proc/{house.worker.pid}/fd").iterdir():
            try:
                found.append(entry.readlink().as_posix().split(":")[0])
            except OSError:
                continue
        return sorted(found)

    async def rounds(count: int) -> None:
        for number in range(count):
            bus, writer = await house.open_bus(f"epoch {number}"), BusWriter()
            bus.sendall(writer.picture(0, True) + writer.picture(3000, False))
            with RtspViewer(house.url, DEADLINE_S) as viewer:
                await asyncio.to_thread(viewer.play)
                bus.sendall(writer.picture(6000, True))
                await asyncio.to_thread(viewer.receive_frames, 1, 0, DEADLINE_S)
                if number % 2:
                    bus.close()
            await house.worker.request(CloseTrack(KEY))
            bus.close()

    await house.configure()
    await rounds(3)
    before = descriptors()
    await rounds(40)
    await house.until(lambda: descriptors() == before)


async def test_an_ended_worker_says_goodbye_to_its_viewers(house: House) -> None:
    await house.configure()
    await house.send("epoch 1")
    with RtspViewer(house.url, DEADLINE_S) as viewer:
        await asyncio.to_thread(viewer.play)
        await house.until_said(ViewerJoined)
        receipt = await house.worker.end("host ends")
        assert receipt.exit_code == 0
        assert receipt.clean
        with pytest.raises((ConnectionError, OSError)):
            await asyncio.to_thread(viewer.receive_frames, 10_000, 0, DEADLINE_S)
