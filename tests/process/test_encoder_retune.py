"""Another bitrate for an encoder that plays: in a real lobby worker, seen in what comes out of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from steadycast.errors import ConflictError
from steadycast.model import Codec, EncoderOrder, Rendition, Retuned, TestSource
from steadycast.vendors.simulated.driver import DriverFacts, SimulatedDriver
from steadycast.workers.codec import from_plain
from steadycast.workers.messages import RetuneRendition
from tests.support.lobby_worker import Lobby, Reader, lobby_worker, ordered

pytestmark = pytest.mark.process

SHOWN = TestSource(width=640, height=360, fps=50)
FRAMES = 60  # that are weighed
SETTLED = 30  # until the rate control has come down from what it owed
MAIN = Rendition("main", bitrate_kbps=2000, keyframe_s=12)  # no keyframe but the first


def simulated(folder: Path) -> tuple[SimulatedDriver, EncoderOrder]:
    driver = SimulatedDriver(folder / "driver")
    driver.install(DriverFacts(1, 1, shared=True, vram_bytes=8 << 30, session_vram_bytes=1 << 20, refusal_code=21), {})
    options = {"driver-folder": str(folder / "driver"), "gpu": "0", "style": "modern"}
    return driver, dataclasses.replace(ordered("simulated"), device="simulated:0", options=options)


async def retune(lobby: Lobby, instance: str, rendition: Rendition, kbps: int | None = None) -> Retuned:
    return from_plain(Retuned, await lobby.worker.request(RetuneRendition(instance, rendition, kbps)))


async def weight(reader: Reader) -> float:
    """Mean size of the next frames, once the rate control has settled. Bytes."""
    await reader.frames(len(reader.timestamps()) + SETTLED)
    first = len(reader.packets)
    await reader.frames(len(reader.timestamps()) + FRAMES)
    packets = reader.packets[first:]
    return sum(len(one.payload) for one in packets) / len({one.timestamp for one in packets})


async def test_a_bitrate_changes_in_place(tmp_path: Path) -> None:
    driver, order = simulated(tmp_path)
    low = dataclasses.replace(MAIN, bitrate_kbps=200)
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(SHOWN)
        await lobby.shows()
        await lobby.open(MAIN, "main.1", order)
        sessions = driver.sessions()
        reader = await lobby.read("main.1")
        before = await weight(reader)
        assert await retune(lobby, "main.1", low) == Retuned(200)
        lowered = await weight(reader)
        assert await retune(lobby, "main.1", low, 1500) == Retuned(1500)
        raised = await weight(reader)
        assert lowered < before / 2 and raised > lowered * 2, (before, lowered, raised)
        assert reader.gaps() == 0 and reader.keyframes(Codec.H264) == 1
        assert set(reader.steps()) == {90_000 // SHOWN.fps}
        assert driver.sessions() == sessions and len(sessions) == 1


async def test_what_takes_another_encoder_is_said_and_nothing_changes(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(SHOWN)
        await lobby.shows()
        await lobby.open(MAIN, "main.1")
        smaller = await retune(lobby, "main.1", dataclasses.replace(MAIN, height=90))
        assert smaller.bitrate_kbps is None and "more than its bitrate" in str(smaller.why)
        with pytest.raises(ConflictError):
            await retune(lobby, "main.2", MAIN)
        reader = await lobby.read("main.1")
        await reader.frames(4)
