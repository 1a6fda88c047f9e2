"""What lobby and display workers hold, asked by the next control plane after the one that knew them went away."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.model import Codec, EncoderOrder, Receipt, Rendition, TestSource, WorkerKind
from steadycast.tracking import proc
from steadycast.vendors.simulated.driver import DriverFacts, SimulatedDriver
from steadycast.workers.adoption import Adopted
from steadycast.workers.channel import Descriptors
from steadycast.workers.messages import CommandExited, EncoderReported, OpenRendition, ShowDisplay, SourceReady
from steadycast.workers.messages.stock import DisplayStock, LobbyStock
from steadycast.workers.supervisor import Supervisor
from tests.support.lobby_worker import GENEROUS_S, Lobby, ordered, software

pytestmark = pytest.mark.process

SMALL = TestSource(width=320, height=180, fps=15)


class Planes:
    """Control planes in this process, one after the other."""

    def __init__(self, runtime: Path) -> None:
        self.receipts: list[Receipt] = []
        self.now: Supervisor
        self._runtime = runtime

    async def begin(self) -> tuple[Adopted, ...]:
        settings = WorkerSettings(spares=0, start_s=GENEROUS_S, request_s=GENEROUS_S, adopt_s=GENEROUS_S, end_s=20)
        self.now = Supervisor(self._runtime, settings, self.receipts.append, gstreamer=False)
        await self.now.open()
        return (await self.now.adopt()).adopted

    async def follow(self) -> Adopted:
        """The one worker, under the next control plane."""
        await self.now.leave()
        (adopted,) = await self.begin()
        return adopted

    async def end(self) -> None:
        await self.now.close()
        assert [receipt.clean for receipt in self.receipts] == [True]


async def lobby_of(planes: Planes) -> Lobby:
    lobby = Lobby()
    lobby.worker = await planes.now.start(WorkerKind.LOBBY, lobby="lobby", on_message=lobby.heard)
    return lobby


def stock_of(adopted: Adopted) -> LobbyStock:
    assert isinstance(adopted.stock, LobbyStock)
    return adopted.stock


def hangs(folder: Path) -> tuple[SimulatedDriver, EncoderOrder]:
    """An encoder that does not open as long as its driver hangs."""
    driver = SimulatedDriver(folder / "driver")
    facts = DriverFacts(1, 4, shared=True, vram_bytes=8 << 30, session_vram_bytes=1 << 20, refusal_code=21)
    driver.install(facts, {"hang_on_open": 1})
    options = {"driver-folder": str(folder / "driver"), "gpu": "0", "style": "modern"}
    return driver, dataclasses.replace(ordered("simulated"), device="simulated:0", options=options)


async def test_a_lobby_worker_tells_what_is_open_and_who_reads(tmp_path: Path) -> None:
    planes = Planes(tmp_path / "runtime")
    await planes.begin()
    lobby = await lobby_of(planes)
    empty = stock_of(await planes.follow())
    assert empty == LobbyStock()
    (worker,) = planes.now.workers
    lobby.worker = worker
    worker.take("lobby", lobby.heard, None)
    await lobby.show(SMALL, epoch="one", open_s=30.0)
    await lobby.shows()
    await lobby.track("audio")
    rendition = Rendition("main", bitrate_kbps=200)
    info = await lobby.open(rendition, "main.1")
    picture, sound = await lobby.read("main.1", "bus 1"), await lobby.read("audio", "bus 2")
    await picture.frames(3)
    adopted = await planes.follow()
    await picture.frames(20)  # it streams on
    stock = stock_of(adopted)
    assert stock.order is not None and (stock.order.epoch, stock.order.source) == ("one", SMALL)
    assert stock.ready == lobby.ready[-1] and isinstance(stock.ready, SourceReady) and stock.failed is None
    (instance,) = stock.instances
    assert (instance.instance, instance.rendition, instance.order) == ("main.1", rendition, software(Codec.H264))
    assert instance.track.name == info.name and instance.report is not None and instance.report.device == "software"
    assert (instance.readers, stock.readers) == (("bus 1",), {"audio": ("bus 2",)})
    for reader in (picture, sound):
        reader.close()
    await planes.end()


async def test_what_opens_for_nobody_is_ended_and_may_be_opened_again(tmp_path: Path) -> None:
    driver, order = hangs(tmp_path)
    planes = Planes(tmp_path / "runtime")
    await planes.begin()
    lobby = await lobby_of(planes)
    await lobby.show(SMALL, open_s=30.0)
    await lobby.shows()
    message = OpenRendition(Rendition("main"), "main.1", order)
    asking = asyncio.create_task(lobby.worker.request(message, deadline=GENEROUS_S))
    await asyncio.sleep(0)  # it is sent
    adopted = await planes.follow()
    await asyncio.gather(asking, return_exceptions=True)
    assert stock_of(adopted).instances == ()
    again = Lobby()
    again.worker = adopted.worker
    adopted.worker.take("lobby", again.heard, None)
    opening = asyncio.create_task(again.open_reported(Rendition("main"), "main.1", order))
    await asyncio.sleep(0)
    driver.set_faults({"hang_on_open": 0})
    _, report = await opening  # a new one: the other has ended
    assert report is not None and report.device == "simulated:0"
    (instance,) = stock_of(await planes.follow()).instances
    assert instance.instance == "main.1" and instance.order == order
    assert len(driver.sessions()) == 1
    assert not [news for news in again.encoders if not isinstance(news, EncoderReported)]
    await planes.end()


async def test_a_display_worker_tells_the_end_that_nobody_heard(tmp_path: Path) -> None:
    planes = Planes(tmp_path / "runtime")
    await planes.begin()
    heard: list[Any] = []

    def hear(message: Any, fds: Descriptors) -> None:
        heard.append(message)

    worker = await planes.now.start(WorkerKind.DISPLAY, lobby="lobby", on_message=hear)
    order = ShowDisplay("lobby", ("sh", "-c", "echo last words; exec sleep 600"), 320, 240)
    shown = await worker.request(order)
    await planes.now.leave()
    async with asyncio.timeout(GENEROUS_S):
        while not (programs := programs_of(worker.pid)):
            await asyncio.sleep(0.02)
        os.kill(programs[0], signal.SIGKILL)
        while programs_of(worker.pid):
            await asyncio.sleep(0.02)
    (adopted,) = await planes.begin()
    stock = adopted.stock
    assert isinstance(stock, DisplayStock)
    assert stock.order == order and {"display": stock.display, "xauthority": stock.xauthority} == shown
    assert stock.exited == CommandExited(None, signal.SIGKILL, "last words") and stock.failed is None
    assert stock.shown_s > 0 and heard == []
    await planes.end()


def programs_of(pid: int) -> list[int]:
    """The program of a display worker, once it said its words."""
    return [child for child in proc.children(pid) if (one := proc.stat(child)) is not None and one.name == "sleep"]
