"""Each kind of source in a real lobby worker: what it tells of itself, and the RTP that comes out."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from steadycast.errors import CallerError, ConflictError, NotFoundError
from steadycast.model import Codec, DesktopSource, FileSource, Rendition, RtspSource, TestSource, WorkerKind
from steadycast.workers.messages import (
    CloseRendition,
    DetachReader,
    ForceKeyframe,
    OpenRendition,
    ShowDisplay,
    ShowSource,
)
from tests.support.camera import movie
from tests.support.camera_process import Camera
from tests.support.lobby_worker import Lobby, lobby_worker, start_lobby, supervised

pytestmark = pytest.mark.process


async def test_the_test_source(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=640, height=360, fps=25))
        ready = await lobby.shows()
        assert (ready.width, ready.height, ready.fps) == (640, 360, 25)
        info = await lobby.open(Rendition("main"))
        assert (info.codec, info.width, info.height, info.fps) == (Codec.H264, 640, 360, 25)
        assert info.encoder == "x264enc"
        assert info.reorders is False
        assert info.fmtp["profile-level-id"].startswith("42c0")
        video, audio = await lobby.read("main"), await lobby.read("audio")
        await asyncio.gather(video.frames(30), audio.frames(50))
        assert video.starts_with_keyframe(Codec.H264)
        assert video.gaps() == audio.gaps() == 0
        # A busy machine may lose raw frames, never shift them: each step is a whole number of frames.
        assert all(step > 0 and abs(step - 3600 * round(step / 3600)) <= 90 for step in video.steps()), video.steps()
        assert set(audio.steps()) == {960}
        assert (await lobby.track("audio")).encoder == "opusenc"


async def test_tracks_share_a_clock(tmp_path: Path) -> None:
    """The latest packets of picture and sound, read side by side, are of the same moment, give or take some frames."""
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180))
        await lobby.shows()
        await lobby.open(Rendition("main"))
        video, audio = await lobby.read("main"), await lobby.read("audio")
        await asyncio.gather(video.frames(20), audio.frames(40))
        pictures = {stamp / 90_000 for stamp in video.timestamps()}
        sounds = {stamp / 48_000 for stamp in audio.timestamps()}
        assert max(min(pictures), min(sounds)) < min(max(pictures), max(sounds)), "they have no moment in common"


async def test_several_renditions_and_their_end(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=640, height=360, fps=30))
        await lobby.shows()
        small = await lobby.open(Rendition("small", height=180, fps=10, bitrate_kbps=200))
        again = await lobby.open(Rendition("small", height=180, fps=10, bitrate_kbps=200))
        assert small == again
        await lobby.open(Rendition("any name / at all"))
        assert (small.width, small.height, small.fps) == (320, 180, 10)
        reader, other = await lobby.read("small"), await lobby.read("any name / at all")
        await reader.frames(8)
        assert all(step >= 2 * 3000 for step in reader.steps())
        assert await lobby.worker.request(CloseRendition("small")) == {"closed": True}
        assert await lobby.worker.request(CloseRendition("small")) == {"closed": False}
        await reader.until(lambda one: one.ended)
        await other.frames(len(other.timestamps()) + 10)
        with pytest.raises(NotFoundError):
            await lobby.read("small")


async def test_keyframes_on_demand(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180, fps=30), keyframe_s=60)
        await lobby.shows()
        await lobby.open(Rendition("main"))
        reader = await lobby.read("main")
        await reader.until(lambda one: one.keyframes(Codec.H264) >= 1)
        before = reader.keyframes(Codec.H264)
        for _ in range(50):
            lobby.worker.post(ForceKeyframe("main"))
        await reader.until(lambda one: one.keyframes(Codec.H264) >= before + 1)
        await reader.frames(len(reader.timestamps()) + 40)
        assert reader.keyframes(Codec.H264) <= before + 3, "fifty requests at once are not put together"
        lobby.worker.post(ForceKeyframe("main"))
        settled = reader.keyframes(Codec.H264)
        await reader.until(lambda one: one.keyframes(Codec.H264) > settled)
        assert len(reader.timestamps()) < 500, "not when asked for, but by the longest interval"


async def test_a_late_reader_begins_at_a_keyframe(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(TestSource(width=320, height=180, fps=30), keyframe_s=60)
        await lobby.shows()
        await lobby.open(Rendition("main"))
        first = await lobby.read("main", "first")
        await first.frames(40)
        late = await lobby.read("main", "late")
        await late.frames(5)
        assert late.starts_with_keyframe(Codec.H264)
        assert await lobby.worker.request(DetachReader("main", "late")) == {"detached": True}
        await late.until(lambda one: one.ended)
        assert await lobby.worker.request(DetachReader("main", "late")) == {"detached": False}
        await first.frames(len(first.timestamps()) + 10)


async def test_orders_that_cannot_be_followed(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        with pytest.raises(ConflictError):
            await lobby.open(Rendition("early"))
        await lobby.show(TestSource(width=320, height=180))
        await lobby.shows()
        with pytest.raises(ConflictError):
            await lobby.worker.request(ShowSource("lobby", TestSource()))
        with pytest.raises(CallerError, match="raw pictures"):
            await lobby.worker.request(OpenRendition(Rendition("passed on", codec="copy"), "passed on"))
        with pytest.raises(ConflictError):
            await lobby.open(Rendition("audio"))
        with pytest.raises(NotFoundError):
            await lobby.read("nothing")
        reader = await lobby.read("audio", "twice")
        with pytest.raises(ConflictError):
            await lobby.read("audio", "twice")
        await reader.frames(5)


async def test_a_looped_file_goes_on_without_a_step_back(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(FileSource(str(movie())))
        ready = await lobby.shows()
        assert (ready.width, ready.height, ready.fps) == (1280, 720, 25)
        copy = await lobby.track("copy")
        assert (copy.codec, copy.encoder, copy.reorders) == (Codec.H264, None, False)
        assert copy.fmtp["profile-level-id"] == "4d401f"
        video, audio = await lobby.read("copy"), await lobby.read("audio")
        over_the_turn = 132 + 132 + 20  # the file has 132 frames
        await asyncio.gather(video.frames(over_the_turn), audio.frames(over_the_turn * 2))
        assert video.keyframes(Codec.H264) >= 2, "it did not turn"
        assert video.gaps() == audio.gaps() == 0
        assert all(0 < step <= 9000 for step in video.steps()), video.steps()
        assert all(0 < step <= 4800 for step in audio.steps()), audio.steps()


@pytest.mark.parametrize("loop", [True, False])
async def test_a_file_is_gone_on_with_where_it_is(tmp_path: Path, loop: bool) -> None:
    """A minute of film with a keyframe each second, that another worker began 20.5 s ago, and seven rounds before."""
    film, raw = tmp_path / "film.mp4", tmp_path / "film.h264"
    picture = "-f lavfi -i testsrc2=size=160x120:rate=10 -f lavfi -i sine -t 60 -c:v libx264 -g 10 -bf 0 -c:a aac"
    for words in (f"{picture} -preset ultrafast {film}", f"-i {film} -c copy -bsf:v h264_mp4toannexb {raw}"):
        child = await asyncio.create_subprocess_exec("ffmpeg", "-v", "error", *words.split())
        assert await asyncio.wait_for(child.wait(), 60) == 0
    async with lobby_worker(tmp_path) as lobby:
        began = time.monotonic() - 20.5 - (7 * 60 if loop else 0)
        await lobby.show(FileSource(str(film), loop=loop), began=began)
        await lobby.shows()
        reader = await lobby.read("copy")
        await reader.until(lambda one: one.keyframes(Codec.H264) > 0)
        slice_ = next(packet.payload for packet in reader.packets if packet.payload[0] & 0x1F in (5, 28))
        stream = raw.read_bytes()
        before = stream.index(slice_[2:] if slice_[0] & 0x1F == 28 else slice_[1:])
        second = stream[:before].count(bytes((0, 0, 1, 0x65)))  # keyframes up to this one
        assert 20 <= second - 1 < 50, "it does not begin where the other one is"
        await lobby.until(lambda: lobby.worker.statistics.get("source", {}).get("began"))
        shown = time.monotonic() - lobby.worker.statistics["source"]["began"]
        assert second - 1 <= shown < 55, "a third one would not begin where this one is"


async def test_a_file_is_encoded_too(tmp_path: Path) -> None:
    async with lobby_worker(tmp_path) as lobby:
        await lobby.show(FileSource(str(movie())))
        await lobby.shows()
        info = await lobby.open(Rendition("small", width=320))
        assert (info.width, info.height) == (320, 180)
        reader = await lobby.read("small")
        await reader.frames(20)
        await lobby.worker.request(CloseRendition("small"))
        await lobby.open(Rendition("small", width=160))
        copy = await lobby.open(Rendition("as it is", codec="copy"))
        assert copy.encoder is None
        assert copy.name == "as it is"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(("codec", "audio"), [("h264", "aac"), ("h265", "pcmu"), ("h264-b", "opus")])
async def test_a_camera(tmp_path: Path, codec: str, audio: str, transport: str) -> None:
    camera = Camera("--codec", codec, "--audio", audio, "--transport", transport)
    try:
        async with lobby_worker(tmp_path) as lobby:
            await lobby.show(RtspSource(camera.url), timeout_s=30)
            await lobby.shows()
            copy = await lobby.track("copy")
            expected = Codec.H265 if codec == "h265" else Codec.H264
            assert (copy.codec, copy.encoder, copy.fps) == (expected, None, 25)
            assert copy.reorders is (codec == "h264-b")
            sound = await lobby.track("audio")
            assert sound.encoder == (None if audio == "opus" else "opusenc")
            info = await lobby.open(Rendition("small", width=320))
            assert info.codec is Codec.H264
            readers = [await lobby.read(name) for name in ("copy", "audio", "small")]
            await asyncio.gather(*(reader.frames(30) for reader in readers))
            assert readers[0].starts_with_keyframe(expected)
            assert readers[2].starts_with_keyframe(Codec.H264)
            assert all(reader.gaps() == 0 for reader in readers)
    finally:
        camera.kill()


async def test_a_rendition_does_not_wait_for_the_cameras_keyframe(tmp_path: Path) -> None:
    """The camera makes a keyframe each 5.28 s; frames of the group so far must have been decoded for this picture."""
    camera = Camera("--codec", "h264")
    try:
        async with lobby_worker(tmp_path) as lobby:
            await lobby.show(RtspSource(camera.url), timeout_s=30)
            await lobby.shows()
            copy = await lobby.read("copy")
            await copy.frames(20)
            await lobby.open(Rendition("main", width=320))
            reader = await lobby.read("main")
            await asyncio.gather(reader.frames(2), copy.frames(40))
            _, *later = copy.keyframe_times(Codec.H264)
            assert not later or reader.packets[0].timestamp < later[0]
    finally:
        camera.kill()


async def test_a_desktop(tmp_path: Path) -> None:
    async with supervised(tmp_path, end_s=20) as supervisor:
        display = await supervisor.start(WorkerKind.DISPLAY, lobby="lobby", on_message=lambda message, fds: None)
        shown = await display.request(ShowDisplay("lobby", ("ico", "-sleep", "0.02"), 640, 480))
        lobby: Lobby = await start_lobby(supervisor)
        await lobby.show(DesktopSource(width=640, height=480, fps=20), **shown)
        ready = await lobby.shows()
        assert (ready.width, ready.height, ready.fps, ready.tracks) == (640, 480, 20, ())
        await lobby.open(Rendition("main"))
        reader = await lobby.read("main")
        await reader.frames(30)
        display.kill()
        failure = await lobby.fails()
        assert (failure.code, failure.retry) == ("desktop.display_gone", True)
        receipt = await lobby.worker.end("the display is gone")
        assert receipt.clean
        assert receipt.signal is None
