"""Encoders that rest in a real lobby worker: what they cost, who gets them next, and what that one sees first."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from steadycast.errors import ConflictError, EncoderError, NotFoundError
from steadycast.model import Codec, EncoderFault, EncoderOrder, FileSource, Rendition, TestSource, TrackInfo
from steadycast.vendors.simulated.driver import DriverFacts, SimulatedDriver
from steadycast.workers.codec import from_plain
from steadycast.workers.messages import ParkRendition, TakeOverRendition
from tests.process.test_pipeline_rounds import back_to, settled
from tests.support import ramp
from tests.support.lobby_worker import GENEROUS_S, Lobby, Reader, lobby_worker, ordered

pytestmark = pytest.mark.process

MAIN = Rendition("main", width=320, height=180)
AWAY = 2 * ramp.FPS  # frames of the source, while nobody watches
ROUNDS = 20
# An operator's encoder that has pictures in it all the time, also when it goes to rest.
HOLDS_BACK = EncoderOrder(
    "software", "software", Codec.H264, "fragment",
    fragment="videoconvert ! x264enc bitrate={bitrate_kbps} rc-lookahead=5 sync-lookahead=0 threads=1 bframes=0 "
    "option-string=scenecut=0",
)  # fmt: skip


async def park(lobby: Lobby, instance: str = "main.1") -> None:
    assert await lobby.worker.request(ParkRendition(instance), deadline=GENEROUS_S) == {}


async def take_over(lobby: Lobby, rendition: Rendition = MAIN, instance: str = "main.1") -> TrackInfo:
    answer = await lobby.worker.request(TakeOverRendition(rendition, instance), deadline=GENEROUS_S)
    return from_plain(TrackInfo, answer["track"])


def driver_in(folder: Path) -> tuple[SimulatedDriver, EncoderOrder]:
    driver = SimulatedDriver(folder / "driver")
    driver.install(DriverFacts(1, 1, shared=True, vram_bytes=8 << 30, session_vram_bytes=1 << 20, refusal_code=21), {})
    options = {"driver-folder": str(folder / "driver"), "gpu": "0", "style": "modern"}
    return driver, dataclasses.replace(ordered("simulated"), device="simulated:0", options=options)


async def until(condition: Callable[[], bool]) -> None:
    """A heartbeat says so."""
    async with asyncio.timeout(GENEROUS_S):
        while not condition():
            await asyncio.sleep(0.05)


async def seen(reader: Reader) -> int:
    """The place in the film of the first frame that came."""
    await reader.frames(3)
    return ramp.places(reader.packets)[0]


@pytest.mark.parametrize(("fps", "order"), [(4, ordered("x264")), (None, HOLDS_BACK)])
async def test_the_next_viewer_sees_now_and_nothing_of_before(
    tmp_path: Path, fps: int | None, order: EncoderOrder
) -> None:
    rendition = dataclasses.replace(MAIN, fps=fps, bitrate_kbps=400)
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(FileSource(str(ramp.film(tmp_path / "film.mp4"))))
        await lobby.shows()
        opened = await lobby.open(rendition, "main.1", order)
        first = await lobby.read("main.1", "first")
        await first.frames(4)
        await park(lobby)
        await park(lobby)  # no error
        await first.until(lambda one: one.ended)
        left = ramp.places(first.packets)[-1]
        with pytest.raises(ConflictError):
            await lobby.read("main.1", "too early")
        film = await lobby.read("copy", "film")
        await film.frames(AWAY)
        now = ramp.places(film.packets)[0] + len(film.timestamps()) - 1
        low = 200 if order.fragment is None else 400  # what an operator wrote takes no other bitrate while it plays
        taken = await take_over(lobby, dataclasses.replace(rendition, name="low", bitrate_kbps=low))
        assert taken == dataclasses.replace(opened, name="low", fmtp=taken.fmtp)
        next_one = await lobby.read("main.1", "next")
        place = await seen(next_one)
        assert ramp.is_later(place, than=now - 1) and not ramp.is_later(left, than=place), (left, now, place)
        assert next_one.starts_with_keyframe(Codec.H264)
        again = await lobby.read("main.1", "another")  # it is shared as ever
        await again.frames(2)


async def test_one_that_rests_is_fed_nothing(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180, fps=25))
        await lobby.shows()
        await lobby.open(MAIN, "main.1")
        await park(lobby)

        def frames() -> tuple[int, int]:
            told = lobby.worker.statistics
            return told["source"]["frames"], told["tracks"]["main.1"]["frames"]

        def rests() -> bool:
            told = lobby.worker.statistics.get("tracks", {}).get("main.1")
            return bool(told) and told["parked"] is True

        await until(rests)
        shown, made = frames()
        await until(lambda: frames()[0] > shown + 50)
        assert frames()[1] == made
        await take_over(lobby)
        await until(lambda: frames()[1] > made + 10)


async def test_one_that_is_not_what_is_asked_for_is_closed(tmp_path: Path) -> None:
    driver, order = driver_in(tmp_path)
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180, fps=25))
        await lobby.shows()
        for asked, word in (
            (dataclasses.replace(MAIN, height=90), "320x180"),
            (dataclasses.replace(MAIN, fps=5), "25 frames a second"),
            (dataclasses.replace(MAIN, codec="vp8"), "H264"),
        ):
            await lobby.open(MAIN, "main.1", order)
            await park(lobby)
            assert len(driver.sessions()) == 1  # its place is taken all the while
            with pytest.raises(ConflictError) as refused:
                await take_over(lobby, asked)
            assert refused.value.code == "rendition.not_reusable" and word in str(refused.value.why)
            assert not driver.sessions()
        with pytest.raises(NotFoundError):
            await take_over(lobby)
        with pytest.raises(NotFoundError):
            await park(lobby)


async def test_a_driver_that_was_lost_meanwhile_is_found_out_before_anybody_watches(tmp_path: Path) -> None:
    driver, order = driver_in(tmp_path)
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180, fps=25))
        await lobby.shows()
        await lobby.open(MAIN, "main.1", order)
        await park(lobby)
        driver.set_faults({"driver_lost": 1})
        with pytest.raises(EncoderError) as lost:
            await take_over(lobby)
        assert lost.value.code == EncoderFault.DRIVER_LOST
        assert not driver.sessions()
        await lobby.open(MAIN, "main.2")
        await (await lobby.read("main.2")).frames(2)


async def test_many_rounds_leave_nothing_behind(tmp_path: Path) -> None:
    driver, order = driver_in(tmp_path)
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180, fps=50))
        await lobby.shows()
        await lobby.open(MAIN, "main.1", order)

        async def rounds(count: int) -> None:
            for number in range(count):
                reader = await lobby.read("main.1", f"reader-{number}")
                await reader.frames(1)
                await park(lobby)
                await reader.until(lambda one: one.ended)
                reader.close()
                await take_over(lobby)

        await rounds(2)
        before = await settled(lobby.worker.pid)
        await rounds(ROUNDS)
        await back_to(lobby.worker.pid, before)
        assert len(driver.sessions()) == 1
