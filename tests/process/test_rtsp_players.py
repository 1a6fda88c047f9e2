"""Real players against the real server: ffmpeg, GStreamer's rtspsrc, VLC, live555, over UDP and TCP each."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.gst_player import counted, play
from tests.support.rtsp_house import House, open_house, run, until

pytestmark = pytest.mark.process


async def probe(house: House, transport: str, path: str, frames: int) -> tuple[list[dict[str, Any]], list[int]]:
    """Streams, and the timestamps of decoded pictures, as ffprobe sees them."""
    ran = await run(
        "ffprobe", "-v", "error", "-rtsp_transport", transport, "-read_intervals", f"%+#{frames}",
        "-select_streams", "v", "-show_frames", "-show_streams", "-of", "json", house.url(path),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    seen = json.loads(ran.out)
    return seen["streams"], [int(frame["pts"]) for frame in seen["frames"] if "pts" in frame]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(("path", "codec"), [("test", "h264"), ("test/mute", "h264"), ("hevc", "hevc")])
async def test_ffprobe(transport: str, path: str, codec: str) -> None:
    async with open_house(hevc=codec == "hevc") as house:
        streams, stamps = await probe(house, transport, path, 40)
        assert (streams[0]["codec_name"], streams[0]["width"], streams[0]["height"]) == (codec, 320, 240)
        assert len(stamps) >= 30
        assert stamps == sorted(set(stamps))
        assert {viewer.transport for viewer in house.world.joined} == {transport}
        await house.quiet()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_decodes_picture_and_sound_without_an_error(transport: str) -> None:
    async with open_house() as house:
        ran = await run(
            "ffmpeg", "-v", "warning", "-rtsp_transport", transport, "-i", house.url(),
            "-t", "4", "-map", "0:v", "-map", "0:a", "-f", "null", "-progress", "-", "-",
        )  # fmt: skip
        assert ran.code == 0, ran.err
        assert not [line for line in ran.err.splitlines() if "missed" in line or "error" in line.lower()], ran.err
        assert int(ran.out.rpartition("frame=")[2].split()[0]) >= 60
        await house.quiet()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_gstreamer_plays_picture_and_sound(transport: str) -> None:
    async with open_house() as house:
        played = await play(
            "rtspsrc", f"location={house.url()}", f"protocols={transport}", "latency=100", "name=s",
            "s.", "!", "application/x-rtp,media=video", "!", "rtph264depay", "!", "avdec_h264", "!",
            *counted("picture"), "!", "fakesink", "s.", "!", "application/x-rtp,media=audio", "!",
            "rtpopusdepay", "!", "opusdec", "!", *counted("sound"), "!", "fakesink",
            frames={"picture": 60, "sound": 60},
        )  # fmt: skip
        assert played.enough and "width=(int)320" in played.out, played.out[-3000:]
        await house.quiet()
        assert set(house.world.gone.values()) == {"it left"}
        assert {viewer.transport for viewer in house.world.joined} == {transport}


async def test_gstreamer_falls_back_from_what_is_not_there_to_tcp() -> None:
    async with open_house() as house:
        played = await play(
            "rtspsrc", f"location={house.url('test/mute')}", "protocols=udp-mcast+tcp", "!",
            "rtph264depay", "!", "avdec_h264", "!", *counted("picture"), "!", "fakesink", frames={"picture": 20},
        )  # fmt: skip
        assert played.enough, played.out[-3000:]
        await house.quiet()
        assert {viewer.transport for viewer in house.world.joined} == {"tcp"}


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that another user can write to; VLC does not run as root."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o777)
    return tmp_path


def vlc_speaks_rtsp() -> bool:
    """Debian's VLC comes without live555; a plugin built by hand is found where VLC itself looks, too."""
    own = os.environ.get("VLC_PLUGIN_PATH")
    folders = [*Path("/usr/lib").glob("*/vlc/plugins"), *([Path(own)] if own else [])]
    return any((folder / "access" / "liblive555_plugin.so").exists() for folder in folders)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.skipif(not vlc_speaks_rtsp(), reason="VLC's RTSP (live555) is not in this distribution")
async def test_vlc(transport: str, open_folder: Path) -> None:
    out = open_folder / "seen.ts"
    async with open_house() as house:
        ran = await run(
            "cvlc", "--no-audio", *(["--rtsp-tcp"] if transport == "tcp" else []), "--run-time=6",
            "--sout", f"#std{{access=file,mux=ts,dst={out}}}", house.url(), "vlc://quit",
            user=pwd.getpwnam("nobody").pw_uid,
        )  # fmt: skip
        assert ran.code == 0, ran.err
        seen = await run("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv", str(out))
        assert "h264,320" in seen.out, seen.err
        await house.quiet()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.skipif(shutil.which("openRTSP") is None, reason="live555's openRTSP is not in this distribution")
async def test_open_rtsp(transport: str, tmp_path: Path) -> None:
    async with open_house() as house:
        options = ["-t"] if transport == "tcp" else []
        ran = await run("openRTSP", "-Q", "-d", "4", "-F", f"{tmp_path}/seen-", *options, house.url())
        assert ran.code == 0, ran.err
        assert ran.err.count("num_packets_lost\t0") == 2, ran.err
        picture, sound = tmp_path / "seen-video-H264-1", tmp_path / "seen-audio-OPUS-2"
        seen = await run(
            "ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,nb_read_frames",
            "-of", "csv=p=0", str(picture),
        )  # fmt: skip
        assert seen.err == ""
        codec, width, frames = seen.out.strip().split(",")
        assert (codec, width) == ("h264", "320") and int(frames) >= 30
        assert sound.stat().st_size > 1000
        await house.quiet()
        assert {viewer.transport for viewer in house.world.joined} == {transport}


async def test_many_players_of_each_kind_see_one_stream() -> None:
    async with open_house() as house:
        children = []
        for number in range(6):
            transport = "tcp" if number % 2 else "udp"
            children.append(probe(house, transport, "test", 30))
        for streams, stamps in await asyncio.gather(*children):
            assert streams[0]["codec_name"] == "h264" and len(stamps) >= 20
        await until(lambda: house.world.watching == 0, "all gone")
        assert len(house.world.joined) == 6
        await house.quiet()
