"""Receipts of renditions and viewers in real workers that live on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.lobbies.living import Living
from steadycast.model import Receipt, Rendition, Subject, WorkerKind
from steadycast.model import TestSource as Picture
from steadycast.tracking.quiet import FIRST, Lent, Pace
from steadycast.workers.messages import CloseRendition, CountObjects, OpenRendition
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.worker import Worker
from tests.support.egress_house import DEADLINE_S, House, houses
from tests.support.lobby_worker import Lobby, start_lobby, supervised
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process

QUICK = Pace(first=0.05, most=0.2, settle=2.5, patience=60)
SMALL = Rendition("main", width=160, height=90)
numbers = itertools.count()


class Written:
    def __init__(self) -> None:
        self.all: list[Receipt] = []

    async def until(self, count: int) -> list[Receipt]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.all) < count:
                await asyncio.sleep(0.02)
        return self.all

    def residue(self) -> list[str]:
        return [text for one in self.all for check in one.checks for text in check.residue or ()]


@contextlib.asynccontextmanager
async def looking(supervisor: Supervisor) -> AsyncIterator[tuple[Living, Written]]:
    written = Written()
    living = Living(supervisor, written.all.append, QUICK)
    try:
        yield living, written
    finally:
        await living.close()


def rendition() -> Lent:
    return Lent(Subject.RENDITION, f"seat {next(numbers)}", "main", "h264 x264 160x90", "l1", time.time())


async def one_round(lobby: Lobby, living: Living) -> None:
    lent = rendition()
    await lobby.open(SMALL, lent.key)
    living.opened(lobby.worker, lent)
    await lobby.worker.request(CloseRendition(lent.key))
    living.closed(lobby.worker, lent, "nobody watches")


async def test_twenty_renditions_leave_a_lobby_worker_as_it_was(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor, looking(supervisor) as (living, written):
        lobby = await start_lobby(supervisor)
        await lobby.show(Picture(width=160, height=90))
        await lobby.shows()
        await one_round(lobby, living)
        await written.until(1)  # the first is what the others are compared with
        for count in range(2, 5):
            await one_round(lobby, living)
            await written.until(count)
        for _ in range(16):  # these share a look
            await one_round(lobby, living)
        first, *others = await written.until(20)
        assert [check.why for check in first.checks] == [FIRST] and not first.clean
        assert [one for one in others if not one.clean] == []
        assert {one.subject for one in others} == {Subject.RENDITION} and {one.name for one in others} == {"main"}
        last = others[-1].after
        assert last is not None and others[0].after is not None and first.after is not None
        assert last.objects is not None and last.objects == others[0].after.objects == first.after.objects
        assert last.descriptors == first.after.descriptors
        assert sum((last.threads or {}).values()) <= sum((first.after.threads or {}).values())
        assert last.pss and last.private_dirty and last.processes == 1 and last.ports == ()
        assert lobby.worker.measures is not None


async def test_live_objects_are_those_of_what_is_open(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        lobby = await start_lobby(supervisor)
        assert (await lobby.worker.request(CountObjects()))["objects"] == {}
        await lobby.show(Picture(width=160, height=90))
        await lobby.shows()
        before = (await lobby.worker.request(CountObjects()))["objects"]
        await lobby.open(SMALL, "one")
        more = (await lobby.worker.request(CountObjects()))["objects"]
        assert before["GstVideoTestSrc"] == more["GstVideoTestSrc"] == 1
        assert "GstX264Enc" not in before and more["GstX264Enc"] == 1 and more["GstPad"] > before["GstPad"]
        await lobby.worker.request(CloseRendition("one"))
        assert (await lobby.worker.request(CountObjects()))["objects"] == before


class LeakyHost:
    """A supervisor whose lobby workers keep things."""

    def __init__(self, worker: Worker, living: Living, written: Written) -> None:
        self.worker, self.living, self.written = worker, living, written

    async def round(self, name: str) -> None:
        lent = Lent(Subject.RENDITION, f"{name} {next(numbers)}", name, "h264", "l1", time.time())
        await self.worker.request(OpenRendition(SMALL, lent.key))
        self.living.opened(self.worker, lent)
        await self.worker.request(CloseRendition(lent.key))
        self.living.closed(self.worker, lent, "closed")


@pytest.fixture
async def leaky(tmp_path: Path) -> AsyncIterator[LeakyHost]:
    settings = WorkerSettings(spares=0, start_s=DEADLINE_S, request_s=DEADLINE_S, heartbeat_s=0.1)
    modules = {WorkerKind.LOBBY: "tests.support.leaky_child"}
    supervisor = Supervisor(tmp_path, settings, lambda receipt: None, modules=modules, gstreamer=False)
    await supervisor.open()
    worker = await supervisor.start(WorkerKind.LOBBY, lobby="l1", on_message=lambda message, fds: None)
    async with looking(supervisor) as (living, written):
        yield LeakyHost(worker, living, written)
    await supervisor.close()


async def test_what_a_rendition_leaves_is_named(leaky: LeakyHost) -> None:
    await leaky.round("main")
    await leaky.written.until(1)
    await leaky.round("leaky")
    await leaky.written.until(2)
    assert leaky.written.residue() == ["descriptor pipe +2", "thread python +1"]
    assert not leaky.written.all[1].clean and leaky.written.all[1].name == "leaky"
    await leaky.round("main")
    await leaky.written.until(3)
    assert leaky.written.all[2].clean, "it was told, and is not blamed on the next"


async def test_receipts_of_what_goes_with_its_worker(leaky: LeakyHost) -> None:
    lent = rendition()
    leaky.living.opened(leaky.worker, lent)
    await leaky.worker.end("a person said so")
    (receipt,) = await leaky.written.until(1)
    assert receipt.clean and receipt.after is None and [check.name for check in receipt.checks] == ["process"]
    assert receipt.cause == "its worker ended: a person said so"
    leaky.living.closed(leaky.worker, lent, "closed")
    assert len(leaky.written.all) == 1


async def test_nobody_waits_for_a_look_at_the_end(leaky: LeakyHost) -> None:
    await leaky.round("main")
    await leaky.living.close()
    (receipt,) = leaky.written.all
    assert [check.residue for check in receipt.checks] == [None]


async def test_players_over_tcp_leave_an_egress_worker_as_it_was(tmp_path: Path) -> None:
    async with houses(tmp_path) as make:
        house = make()
        await house.begin()
        await house.until(house.egresses.running)
        await house.desk.feed(house.egress)
        async with looking(house.supervisor) as (living, written):
            for count in range(1, 4):
                await play(house, living)
                await written.until(count)
            first, *others = written.all
            assert [check.why for check in first.checks] == [FIRST]
            assert [one for one in others if not one.clean] == []
            assert {one.subject for one in others} == {Subject.VIEWER}
            second, third = (one.after for one in others)
            assert second is not None and third is not None
            assert second.descriptors == third.descriptors and second.threads == third.threads
            assert any(port.startswith("udp:") for port in third.ports or ())
        await house.end()


async def play(house: House, living: Living) -> None:
    with RtspViewer(house.url, DEADLINE_S) as viewer:
        await asyncio.to_thread(viewer.play)
        await asyncio.to_thread(viewer.receive_frames, 3, 0, DEADLINE_S)
        await house.until(lambda: house.desk.viewers)
        (name,) = house.desk.viewers
        lent = Lent(Subject.VIEWER, name, name, "rtsp tcp", "lobby", time.time())
        living.opened(house.egress.worker, lent)
    await house.until(lambda: name in house.desk.reasons)
    living.closed(house.egress.worker, lent, house.desk.reasons[name])
