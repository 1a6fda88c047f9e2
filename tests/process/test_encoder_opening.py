"""Encoders in a real lobby worker: each software row of the table, the simulated driver's refusals, hangs, failures."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from steadycast.errors import CallerError, ConflictError, EncoderError
from steadycast.lobbies.mask import masked_text
from steadycast.model import Codec, EncoderFault, EncoderOrder, EncoderReport, Rendition, TestSource
from steadycast.tracking import proc
from steadycast.vendors.simulated.driver import DriverFacts, SimulatedDriver
from steadycast.workers.evidence import EvidenceFolder, Hang
from steadycast.workers.messages import CloseRendition, EncoderReported, OpenRendition, RenditionFailed
from tests.support import outside
from tests.support.lobby_worker import Lobby, lobby_worker, ordered, start_lobby, supervised

pytestmark = pytest.mark.process

SMALL = TestSource(width=320, height=180, fps=25)
MEMORY = "memory:SimulatedMemory"
STUCK = 76  # exit code of a worker whose GStreamer does not end


def driver_in(folder: Path, sessions: int = 1, refusal_code: int = 21, **faults: int) -> SimulatedDriver:
    driver = SimulatedDriver(folder / "driver")
    facts = DriverFacts(
        1, sessions, shared=True, vram_bytes=8 << 30, session_vram_bytes=1 << 20, refusal_code=refusal_code
    )
    driver.install(facts, faults)
    return driver


def simulated(folder: Path, style: str) -> EncoderOrder:
    options = {"driver-folder": str(folder / "driver"), "gpu": "0", "style": style}
    return dataclasses.replace(ordered("simulated"), device="simulated:0", options=options)


async def showing(lobby: Lobby, **more: float) -> Lobby:
    await lobby.show(SMALL, **more)
    await lobby.shows()
    return lobby


async def plays(lobby: Lobby, instance: str, reader: str) -> None:
    """Frames come, and more of them."""
    bus = await lobby.read(instance, reader)
    await bus.frames(4)
    bus.close()


async def refused(lobby: Lobby, instance: str, order: EncoderOrder) -> EncoderError:
    with pytest.raises(EncoderError) as caught:
        await lobby.open(Rendition("main"), instance, order)
    return caught.value


async def test_every_software_encoder_makes_frames(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby, open_s=30)
        for entry in ("x264", "openh264", "x265", "vp8", "vp9", "aom"):
            order = ordered(entry)
            rendition = Rendition(entry, order.codec.value, height=90, bitrate_kbps=200)  # type: ignore[arg-type]
            info, report = await lobby.open_reported(rendition, f"{entry}.1", order)
            assert (info.name, info.codec, info.encoder) == (entry, order.codec, order.elements[0])
            assert report is not None
            assert (report.device, report.element, report.planned, report.memory) == (
                "software", order.elements[0], None, None
            )  # fmt: skip
            await plays(lobby, f"{entry}.1", "reader")
            assert await lobby.worker.request(CloseRendition(f"{entry}.1")) == {"closed": True}


async def test_a_rendition_is_open_twice_while_it_moves(tmp_path: Path) -> None:
    driver_in(tmp_path)
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby)
        one = await lobby.open(Rendition("main"), "main.1")
        two, report = await lobby.open_reported(Rendition("main"), "main.2", simulated(tmp_path, "modern"))
        assert (one.name, two.name) == ("main", "main")
        assert report == EncoderReport("simulated:0", "steadycastsimh264enc", MEMORY, MEMORY)
        await plays(lobby, "main.1", "a")
        await plays(lobby, "main.2", "b")
        assert await lobby.worker.request(CloseRendition("main.1")) == {"closed": True}
        await plays(lobby, "main.2", "c")
        with pytest.raises(ConflictError):
            await lobby.open(Rendition("copy"), "copy.1")


async def test_what_no_encoder_takes_is_named(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby)
        fragment = EncoderOrder(
            "software", "software", Codec.H264, "fragment", fragment="x264enc bitrat={bitrate_kbps}"
        )
        error = await refused(lobby, "main.1", fragment)
        assert (error.code, error.hint) == (EncoderFault.SETTINGS, "did you mean bitrate?")
        good = "videoconvert ! x264enc bitrate={bitrate_kbps} key-int-max={keyframe_frames} tune=zerolatency"
        info = await lobby.open(Rendition("main"), "main.2", dataclasses.replace(fragment, fragment=good))
        assert info.encoder == "x264enc"
        await plays(lobby, "main.2", "reader")
        for wrong in ("vp8enc deadline=1", "x264enc ! fakesink", "videotestsrc ! x264enc", "x264enc option-string='a"):
            error = await refused(lobby, "main.5", dataclasses.replace(fragment, fragment=wrong))
            assert error.code == EncoderFault.SETTINGS, wrong
        several = (
            'videoscale ! video/x-raw,width=160,height=90 ! x264enc option-string="scenecut=0:ref=1" tune=zerolatency '
            "! h264parse ! identity name=payloader"
        )
        await lobby.open(Rendition("main"), "main.6", dataclasses.replace(fragment, fragment=several))
        await plays(lobby, "main.6", "several")
        unknown = dataclasses.replace(ordered("x264"), elements=("nosuchenc",))
        assert (await refused(lobby, "main.3", unknown)).code == EncoderFault.MISSING
        with pytest.raises(CallerError):
            await lobby.worker.request(OpenRendition(Rendition("main"), "main.4"))


@pytest.mark.parametrize(
    ("style", "code", "fault"),
    [
        ("legacy", 10, EncoderFault.OUT_OF_MEMORY),
        ("modern", 21, EncoderFault.CLIENT_KEY),
        ("missing", 21, EncoderFault.MISSING),
    ],
)
async def test_a_refusal_leaves_nothing_and_the_next_try_works(
    tmp_path: Path, style: str, code: int, fault: EncoderFault
) -> None:
    driver = driver_in(tmp_path, refusal_code=code, refuse_next=3)
    order = simulated(tmp_path, style)
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby)
        await lobby.open(Rendition("other"))
        reader = await lobby.read("other")
        for number in range(3):
            assert (await refused(lobby, f"main.{number}", order)).code == fault
        await reader.frames(len(reader.timestamps()) + 4)
        assert reader.gaps() == 0
        await lobby.open(Rendition("main"), "main.9", order)
        await plays(lobby, "main.9", "main")
        assert [holder.pid for holder in driver.sessions()] == [lobby.worker.pid]
        await lobby.worker.request(CloseRendition("main.9"))
        assert not driver.sessions()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("fail_after_frames", EncoderFault.FAILED), ("driver_lost", EncoderFault.DRIVER_LOST)],
)
async def test_an_open_encoder_fails(tmp_path: Path, fault: str, expected: EncoderFault) -> None:
    driver = driver_in(tmp_path, memory_copies=1)
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby)
        await lobby.open(Rendition("other"))
        if fault == "fail_after_frames":
            driver.set_faults({fault: 20, "memory_copies": 1})
        _, report = await lobby.open_reported(Rendition("main"), "main.1", simulated(tmp_path, "modern"))
        assert report is not None
        assert (report.planned, report.memory) == (MEMORY, None)
        reader = await lobby.read("main.1")
        await reader.frames(2)
        if fault == "driver_lost":
            driver.set_faults({fault: 1})
        await lobby.until(lambda: lobby.encoders)
        told = lobby.encoders[0]
        assert isinstance(told, RenditionFailed)
        assert (told.instance, told.code) == ("main.1", expected)
        await reader.until(lambda one: one.ended)
        await plays(lobby, "other", "still")
        assert not driver.sessions()
        assert not any(isinstance(one, EncoderReported) for one in lobby.encoders)


async def test_an_open_encoder_copies_and_then_stands_still(tmp_path: Path) -> None:
    driver = driver_in(tmp_path, stall_after_frames=50)
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby)
        await lobby.open(Rendition("other"))
        _, report = await lobby.open_reported(Rendition("main"), "main.1", simulated(tmp_path, "modern"))
        assert report is not None
        assert report.memory == MEMORY
        reader = await lobby.read("main.1")
        driver.set_faults({"memory_copies": 1})
        await lobby.until(lambda: len(lobby.encoders) > 1)
        copies, stalled = lobby.encoders
        assert isinstance(copies, EncoderReported)
        assert (copies.instance, copies.report.planned, copies.report.memory) == ("main.1", MEMORY, None)
        assert isinstance(stalled, RenditionFailed)
        assert (stalled.instance, stalled.code) == ("main.1", EncoderFault.FAILED)
        assert "takes frames and has made none" in str(stalled.why)
        await reader.until(lambda one: one.ended)
        await plays(lobby, "other", "still")
        assert not driver.sessions()


async def test_refusals_at_the_same_moment_are_told_apart(tmp_path: Path) -> None:
    """One driver's status in the debug log is not another's."""
    full = driver_in(tmp_path / "full", sessions=0, refusal_code=21)
    lost = driver_in(tmp_path / "lost", driver_lost=1)
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby)
        for style in ("legacy", "modern"):
            orders = [simulated(tmp_path / one, style) for one in ("full", "lost")] * 4
            tries = (refused(lobby, f"{style}.{number}", order) for number, order in enumerate(orders))
            faults = [error.code for error in await asyncio.gather(*tries)]
            assert faults == [EncoderFault.CLIENT_KEY, EncoderFault.DRIVER_LOST] * 4, style
        assert not (*full.sessions(), *lost.sessions())


@pytest.mark.parametrize("style", ["legacy", "modern"])
async def test_a_hang_is_told_and_ends_the_process(tmp_path: Path, style: str) -> None:
    """With evidence of the driver's call, which is kept before the worker is told to end."""
    driver = driver_in(tmp_path, hang_on_open=1)
    folder = EvidenceFolder(tmp_path / "evidence", 1, masked_text)
    async with supervised(tmp_path, folder, end_s=20) as supervisor:
        lobby = await showing(await start_lobby(supervisor), open_s=1.0)
        await lobby.open(Rendition("other"))
        reader = await lobby.read("other")
        assert (await refused(lobby, "main.1", simulated(tmp_path, style))).code == EncoderFault.HUNG
        failed = await lobby.fails()
        assert (failed.code, failed.hung) == ("worker.stuck", True)
        await reader.until(lambda one: len(one.timestamps()) > 15 or one.ended)
        assert len(reader.timestamps()) > 15, "the others waited for it"
        with pytest.raises(ConflictError):
            await lobby.open(Rendition("more"))
        receipt = await lobby.worker.end("it hangs", Hang.PART)
        assert receipt.exit_code == STUCK, receipt
        assert [rung.name for rung in receipt.rungs] == ["evidence", "end", "looked"]
        assert receipt.evidence is not None
        case = folder.read(receipt.evidence)
        assert case is not None and case["cause"] == "it hangs"
        assert "vendors/simulated/driver.py" in case["stacks"]["text"], case["stacks"]
        assert "// lobby: PLAYING" in case["graph"]["text"], case["graph"]
        assert not driver.sessions()


@pytest.mark.parametrize(
    ("element", "fault"), [("identity drop-probability=1.0", "encoder.failed"), ("identity error-after=1", "encoder.")]
)
async def test_a_fragment_that_makes_nothing_is_closed(tmp_path: Path, element: str, fault: str) -> None:
    order = EncoderOrder("mine", "mine", Codec.H264, "fragment", fragment=f"{element} ! x264enc tune=zerolatency")
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby, open_s=1.0)
        await lobby.open(Rendition("other"))
        for number in range(2):
            assert (await refused(lobby, f"main.{number}", order)).code.startswith(fault)
        await plays(lobby, "other", "still")
        assert lobby.failed is None


def held(pid: int) -> tuple[int, int]:
    """Descriptors and threads of a worker."""
    descriptors, threads = proc.descriptors(pid), proc.threads_by_name(pid)
    assert descriptors is not None
    assert threads is not None
    return len(descriptors), sum(threads.values())


async def test_many_refusals_leave_nothing(tmp_path: Path) -> None:
    driver = driver_in(tmp_path, sessions=0)
    orders = [simulated(tmp_path, style) for style in ("legacy", "modern")]
    async with lobby_worker(tmp_path) as lobby:
        await showing(lobby)
        pid = lobby.worker.pid
        for order in orders:
            await refused(lobby, "first", order)
        before = held(pid)
        for number in range(40):
            await refused(lobby, f"main.{number}", orders[number % 2])
        # GStreamer keeps idle threads of its pool for some seconds.
        await outside.until(lambda: held(pid)[0] <= before[0] and held(pid)[1] <= before[1])
        assert not driver.sessions()
        await lobby.open(Rendition("after"))
        await plays(lobby, "after", "reader")
