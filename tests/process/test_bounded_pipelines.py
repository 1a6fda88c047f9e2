"""Every pipeline that is built is bounded: whatever is slow, nothing in it grows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from steadycast.errors import EncoderError
from steadycast.model import EncoderOrder, EncoderReport, FileSource, Rendition, Source, TestSource
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.lobby import LobbyPipeline, Ready
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.source_plan import SourceOrder
from tests.support import outside
from tests.support.camera import movie
from tests.support.lobby_worker import lobby_worker, ordered

pytestmark = pytest.mark.process

ROWS = {"h264": "x264", "h265": "x265", "vp8": "vp8", "vp9": "vp9", "av1": "aom"}
MOST_NS, MOST_BYTES, MOST_BUFFERS = 2_000_000_000, 64 << 20, 4000
KINDS = ("queue", "queue2", "multiqueue", "appsrc", "appsink", "multisocketsink")


def elements(pipeline: Any) -> Iterator[Any]:
    found = pipeline.iterate_recurse()
    while (step := found.next())[0] == Gst.IteratorResult.OK:
        if step[1].get_factory() is not None:  # a bin of ours has none
            yield step[1]


def within(element: Any, *bounds: tuple[str, int]) -> bool:
    """Whether one of these properties bounds it; 0 and -1 are no bound."""
    return any(0 < int(element.get_property(name)) <= most for name, most in bounds if element.find_property(name))


def is_bounded(element: Any, kind: str) -> bool:
    """Whether it holds a bounded amount and does not wait for ever with it."""
    if kind in ("queue", "queue2", "multiqueue"):
        sizes = (("max-size-buffers", 250), ("max-size-bytes", MOST_BYTES), ("max-size-time", MOST_NS))
        return within(element, *sizes)
    if kind == "appsrc":
        sizes = (("max-buffers", 64), ("max-bytes", MOST_BYTES), ("max-time", MOST_NS))
        stops = element.get_property("block") or element.get_property("leaky-type") != 0
        return within(element, *sizes) and bool(stops)
    if kind == "appsink":
        return within(element, ("max-buffers", 64))
    return within(element, ("buffers-max", MOST_BUFFERS), ("bytes-max", MOST_BYTES))


@asynccontextmanager
async def playing(source: Source) -> AsyncIterator[LobbyPipeline]:
    ready: list[Ready] = []
    failed: list[Any] = []
    errors: list[EncoderError | EncoderReport] = []
    order = SourceOrder(source, Limits(), None, None, 20.0, None)
    pipeline = LobbyPipeline(order, ready.append, failed.append, lambda _, news: errors.append(news))
    await pipeline.play()
    try:
        await outside.until(lambda: ready or failed)
        assert not failed
        yield pipeline
    finally:
        await pipeline.close()


@pytest.mark.parametrize("kind", ["test", "file"])
async def test_no_queue_is_without_a_bound(kind: str) -> None:
    source: Source = TestSource(width=160, height=120, fps=10) if kind == "test" else FileSource(str(movie()))
    async with playing(source) as pipeline:
        for codec, row in ROWS.items():
            rendition = Rendition(codec, codec=codec, width=160, height=120)  # type: ignore[arg-type]
            await pipeline.open_rendition(rendition, codec, ordered(row))
        found = [(one, one.get_factory().get_name()) for one in elements(pipeline.whole)]
        held = [(one, kind) for one, kind in found if kind in KINDS]
        assert len([kind for _, kind in held if kind == "queue"]) >= len(ROWS)
        assert [one.get_name() for one, kind in held if not is_bounded(one, kind)] == []
        del found, held


def slow(order: EncoderOrder) -> EncoderOrder:
    """An encoder that takes a fifth of a second for each frame."""
    text = "identity sleep-time=200000 ! x264enc tune=zerolatency speed-preset=ultrafast bitrate={bitrate_kbps}"
    return dataclasses.replace(order, entry="fragment", fragment=text)


async def test_a_slow_encoder_loses_frames_and_its_process_does_not_grow(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=1280, height=720, fps=30))
        await lobby.shows()
        await lobby.open(Rendition("main"), "main", slow(ordered("x264")))
        worker = psutil.Process(lobby.worker.pid)

        def raw() -> dict[str, int]:
            told: dict[str, int] = lobby.worker.statistics.get("tracks", {}).get("main", {}).get("raw") or {}
            return told

        await outside.until(lambda: raw().get("dropped", 0) > 30)
        began, level, first = time.monotonic(), worker.memory_full_info().uss, raw()
        await outside.until(lambda: raw()["dropped"] > first["dropped"] + 100)
        now = raw()
        assert worker.memory_full_info().uss < level + (4 << 20), "three pictures, of more than a hundred"
        assert now["came"] - first["came"] > 100 and time.monotonic() > began
        assert now["created"] <= 8 and now["reused"] > 0, "the same few pictures are used again"
