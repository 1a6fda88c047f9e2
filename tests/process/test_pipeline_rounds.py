"""Many rounds in one playing pipeline: its descriptors and threads, looked at from outside, stay what they were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from steadycast.errors import SteadycastError
from steadycast.model import FileSource, Rendition, RtspSource, Source, TestSource
from steadycast.tracking import proc
from steadycast.workers.messages import CloseRendition, DetachReader
from tests.support.camera import movie
from tests.support.camera_process import Camera
from tests.support.lobby_worker import GENEROUS_S, Lobby, lobby_worker, start_lobby, supervised

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROUNDS = 40


def held(pid: int) -> tuple[int, int]:
    """Descriptors and threads of a worker."""
    descriptors, threads = proc.descriptors(pid), proc.threads_by_name(pid)
    assert descriptors is not None
    assert threads is not None
    return len(descriptors), sum(threads.values())


async def back_to(pid: int, limit: tuple[int, int]) -> None:
    """GStreamer keeps idle threads of its pool for some seconds, so this is waited for."""
    async with asyncio.timeout(GENEROUS_S):
        while True:
            descriptors, threads = held(pid)
            if descriptors <= limit[0] and threads <= limit[1]:
                return
            await asyncio.sleep(0.1)


async def one_round(lobby: Lobby, number: int) -> None:
    await lobby.open(Rendition("round", width=160, height=90))
    reader = await lobby.read("round", f"reader-{number}")
    await reader.frames(2)
    gone = await lobby.read("round", "leaves by itself")
    gone.close()
    if number % 2:
        await lobby.worker.request(DetachReader("round", f"reader-{number}"))
    await lobby.worker.request(CloseRendition("round"))
    await reader.until(lambda one: one.ended)
    reader.close()


async def rounds(lobby: Lobby, count: int) -> None:
    for number in range(count):
        await one_round(lobby, number)


async def many_rounds(lobby: Lobby, source: Source, count: int) -> None:
    await lobby.show(source, timeout_s=30)
    await lobby.shows()
    watcher = await lobby.read("audio", "watcher")  # the other tracks go on all the while
    await watcher.frames(5)
    await rounds(lobby, 3)  # what is loaded once
    before = await settled(lobby.worker.pid)
    await rounds(lobby, count)
    await back_to(lobby.worker.pid, before)
    reading = len(watcher.timestamps())
    await watcher.frames(reading + 5)
    watcher.close()


async def settled(pid: int) -> tuple[int, int]:
    """When the number of threads has not changed for a while."""
    same, last = 0, held(pid)
    while same < 25:
        await asyncio.sleep(0.1)
        now = held(pid)
        same, last = (same + 1, now) if now == last else (0, now)
    return last


async def test_renditions_of_raw_pictures(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await many_rounds(lobby, TestSource(width=320, height=180), ROUNDS)


async def test_renditions_of_a_file_that_is_decoded_for_them(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await many_rounds(lobby, FileSource(str(movie())), ROUNDS)


async def test_failed_orders_leave_nothing(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180))
        await lobby.shows()
        await rounds(lobby, 2)
        before = await settled(lobby.worker.pid)
        for number in range(ROUNDS):
            attempts: list[Callable[[], object]] = [
                lambda: lobby.open(Rendition("copy of nothing", codec="copy")),
                lambda: lobby.open(Rendition("audio")),
                lambda number=number: lobby.read("nothing", f"reader-{number}"),  # type: ignore[misc]
            ]
            for attempt in attempts:
                with pytest.raises(SteadycastError):
                    await attempt()  # type: ignore[misc]
        await back_to(lobby.worker.pid, before)


async def test_opening_and_closing_at_the_same_moment(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(FileSource(str(movie())))
        await lobby.shows()
        await rounds(lobby, 2)
        before = await settled(lobby.worker.pid)
        for _ in range(8):
            orders = [lobby.open(Rendition(name, width=160)) for name in ("a", "b", "a", "c")]
            closes = [lobby.worker.request(CloseRendition(name)) for name in ("a", "b", "c")]
            results = await asyncio.gather(*orders, *closes, return_exceptions=True)
            unexpected = [r for r in results if isinstance(r, BaseException) and not isinstance(r, SteadycastError)]
            assert unexpected == []
            for name in ("a", "b", "c"):
                await lobby.worker.request(CloseRendition(name))
        await back_to(lobby.worker.pid, before)
        await one_round(lobby, 0)


async def test_cameras_one_after_the_other(tmp_path: Path) -> None:
    """A worker shows one source in its life, so this is many workers, and each must end cleanly."""
    camera = Camera("--audio", "aac")
    try:
        async with supervised(tmp_path, end_s=20) as supervisor:
            for _ in range(10):
                lobby = await start_lobby(supervisor)
                await lobby.show(RtspSource(camera.url), timeout_s=30)
                await lobby.shows()
                reader = await lobby.read("copy")
                await reader.frames(3)
                receipt = await lobby.worker.end("next")
                assert receipt.clean, receipt
                assert receipt.exit_code == 0, receipt
                reader.close()
    finally:
        camera.kill()


async def test_a_reader_that_does_not_read_costs_nobody_else(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(FileSource(str(movie())), keyframe_s=0.5)
        await lobby.shows()
        await lobby.open(Rendition("rich", bitrate_kbps=40_000))
        frozen, other = await lobby.read("rich", "frozen"), await lobby.read("rich", "other")
        await other.until(lambda one: len(one.packets) > 9000)  # more than twice the most that is kept for a reader
        assert other.gaps() == 0
        # What was kept for it, and framing that is whole behind the gap.
        last = other.packets[-1].timestamp
        await frozen.until(lambda one: bool(one.packets) and one.packets[-1].timestamp >= last)
        assert frozen.gaps() >= 1
        assert len(frozen.packets) < len(other.packets)
        assert lobby.worker.statistics["tracks"]["rich"]["packets_dropped"] > 0
