"""Real egress workers at their places, fed by hand-made pictures, and the control plane's side of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from steadycast.config.settings import Settings
from steadycast.lobbies.egresses import Egress, Egresses
from steadycast.model import Receipt
from steadycast.workers.adoption import Adoption
from steadycast.workers.codec import to_plain
from steadycast.workers.messages import RtspDescribe, ViewerConnected, ViewerGone, ViewerJoined
from steadycast.workers.messages.stock import EgressStock
from steadycast.workers.supervisor import Supervisor
from tests.support.bus_packets import VIDEO, BusWriter

DEADLINE_S = 60.0
KEY = "lobby/main"
FRAME_S = 1 / 25
KEY_EVERY = 10


class Pictures:
    """A picture every `FRAME_S` on each of its buses; a keyframe first, and then every `KEY_EVERY` pictures."""

    def __init__(self) -> None:
        self._writers: dict[socket.socket, tuple[BusWriter, int]] = {}
        self._task = asyncio.get_running_loop().create_task(self._run())

    def bus(self) -> int:
        """A new bus; the descriptor of its reading end."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._writers[ours] = (BusWriter(), 0)
        return theirs.detach()

    def cut(self) -> None:
        """All buses end."""
        for sock in self._writers:
            sock.close()
        self._writers.clear()

    async def _run(self) -> None:
        stamp = 0
        while True:
            await asyncio.sleep(FRAME_S)
            stamp += int(FRAME_S * VIDEO.clock_rate)
            for sock, (writer, count) in tuple(self._writers.items()):
                try:
                    sock.send(writer.picture(stamp, count % KEY_EVERY == 0))
                    self._writers[sock] = (writer, count + 1)
                except BlockingIOError:  # as a sender does: on with a keyframe
                    self._writers[sock] = (writer, 0)
                except OSError:
                    sock.close()
                    del self._writers[sock]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.cut()


class Desk:
    """Who hears the workers (`EgressListener`): opens the one track for whoever describes, and counts."""

    def __init__(self, pictures: Pictures) -> None:
        self.holds: dict[str, Egress] = {}
        self.viewers: dict[str, Egress] = {}
        self.connected_viewers: set[str] = set()
        self.reasons: dict[str, str] = {}
        self.gone: dict[Egress, str] = {}
        self.lost: list[str] = []
        self.fed: set[Egress] = set()
        self._pictures = pictures

    async def feed(self, egress: Egress) -> None:
        """Open the track on this worker, where that was not done."""
        if egress not in self.fed:
            self.fed.add(egress)
            await egress.open_bus(KEY, "epoch", VIDEO, f"{egress.id}.bus", self._pictures.bus())

    async def describe(self, egress: Egress, message: RtspDescribe) -> dict[str, Any]:
        await self.feed(egress)
        self.hold(egress, message.hold)
        return {"lobby": "lobby", "name": "A lobby", "tracks": [{"track": KEY, "info": to_plain(VIDEO)}]}

    def hold(self, egress: Egress, name: str) -> None:
        self.holds[name] = egress
        egress.viewers += 1

    def hold_gone(self, egress: Egress, hold: str) -> None:
        if self.holds.pop(hold, None) is not None:
            egress.viewers -= 1

    def joined(self, egress: Egress, message: ViewerJoined) -> None:
        self.viewers[message.viewer] = egress

    def connected(self, message: ViewerConnected) -> None:
        self.connected_viewers.add(message.viewer)

    def viewer_gone(self, message: ViewerGone) -> None:
        self.viewers.pop(message.viewer, None)
        self.reasons[message.viewer] = message.reason

    def keyframe_wanted(self, track: str) -> None: ...

    def bus_taken(self, track: str, bus: str) -> None: ...

    def bus_lost(self, egress: Egress, track: str) -> None:
        self.lost.append(track)

    async def end_viewers(self, egress: Egress, reason: str) -> None:
        for viewer in [viewer for viewer, where in self.viewers.items() if where is egress]:
            await egress.kick(viewer, reason)

    def egress_gone(self, egress: Egress, why: str) -> None:
        self.gone[egress] = why


class House:
    """One control plane: `begin`, then `end` or `leave`; another one may follow on the same folder and socket."""

    def __init__(self, runtime: Path, rtsp: socket.socket, pictures: Pictures, tables: dict[str, Any]) -> None:
        workers = {"spares": 0, "start_s": DEADLINE_S, "heartbeat_s": 0.2, **tables.pop("workers", {})}
        egress = {"spares": 0, **tables.pop("egress", {})}
        self.settings = Settings.model_validate({"workers": workers, "egress": egress, **tables})
        self.receipts: list[Receipt] = []
        self.supervisor = Supervisor(runtime, self.settings.workers, self.receipts.append, gstreamer=False)
        self.egresses = Egresses(self.settings, self.supervisor, rtsp, None)
        self.desk = Desk(pictures)
        self.url = f"rtsp://127.0.0.1:{rtsp.getsockname()[1]}/lobby"

    async def open(self) -> Adoption:
        """Only look what is there."""
        await self.supervisor.open()
        return await self.supervisor.adopt()

    async def begin(self) -> tuple[tuple[Egress, EgressStock], ...]:
        """Start, with the workers that are there; answers with those, and what they held."""
        found = await self.open()
        pairs = [(one.worker, one.stock) for one in found.adopted if isinstance(one.stock, EgressStock)]
        adopted = self.egresses.adopt(pairs)
        for egress, stock in adopted:
            self.desk.fed.update({egress} if stock.buses else ())
            for hold in stock.holds:
                self.desk.hold(egress, hold.hold)
            self.desk.viewers.update(dict.fromkeys((viewer.viewer for viewer in stock.viewers), egress))
        await self.egresses.start(self.desk)
        return adopted

    @property
    def egress(self) -> Egress:
        """The only one that takes viewers."""
        (one,) = self.egresses.running()
        return one

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        await self.egresses.close()
        await self.supervisor.close()
        assert [receipt for receipt in self.receipts if not receipt.clean] == []

    async def leave(self) -> None:
        """The workers go on without a control plane."""
        await self.egresses.leave()
        await self.supervisor.leave()


@contextlib.asynccontextmanager
async def houses(runtime: Path) -> AsyncIterator[Callable[..., House]]:
    """Makes control planes, one after the other; the last one must have ended at the end."""
    rtsp, pictures = socket.create_server(("127.0.0.1", 0)), Pictures()
    try:
        yield lambda **tables: House(runtime, rtsp, pictures, tables)
    finally:
        await pictures.close()
        rtsp.close()
