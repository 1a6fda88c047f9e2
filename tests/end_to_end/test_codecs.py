"""H.265, VP8, VP9 and AV1 from a real host: a browser, players and plain receivers get what they ask for, decode it,
and stay when its encoder is lost."""

from __future__ import annotations

import asyncio
import re
import signal
import struct
import subprocess
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from playwright.sync_api import Browser, Page

from steadycast.egress.core.marks import KEY, reader
from steadycast.model import Codec
from tests.support.av1 import stream
from tests.support.browser import LOOK, PREFER, watch
from tests.support.gst_player import counted, play
from tests.support.host import Host, wait_for
from tests.support.rtsp_viewer import RtspRefused, RtspViewer, TrackCount
from tests.support.webrtc_viewer import LightViewer, Packet

pytestmark = pytest.mark.browser

SOURCE = {"kind": "test", "width": 320, "height": 180, "fps": 25}
DECODERS = {
    "vp8": "rtpvp8depay ! vp8dec",
    "vp9": "rtpvp9depay ! vp9dec",
    "h265": "rtph265depay ! h265parse ! avdec_h265",
}
T = TypeVar("T")
LONG_S = 60  # the longest wait of these tests: each codec is tried when it is first asked for


@pytest.fixture(scope="module")
def lobby(host: Host) -> Iterator[str]:
    lobby = host.create("Codecs", SOURCE)["id"]
    host.wait_state(lobby, "STREAMING")
    yield lobby
    host.delete(lobby)


@pytest.fixture(scope="module")
def declared(host: Host) -> Iterator[str]:
    """A lobby of two codecs, H.264 not among them, that makes a keyframe on request only (or after 20 s)."""
    renditions = [
        {"name": "first", "codec": "vp9", "keyframe_s": 20},
        {"name": "other", "codec": "h265", "keyframe_s": 20},
    ]
    lobby = host.create("Declared", SOURCE, renditions=renditions)["id"]
    host.wait_state(lobby, "STREAMING")
    yield lobby
    host.delete(lobby)


def open_page(browser: Browser, host: Host, codec: str | None = None) -> Page:
    page = browser.new_page()
    page.goto(host.url)
    if codec is not None:
        page.evaluate(PREFER, f"video/{codec.upper()}")
    return page


def wait_moving(page: Page, frames: int = 0) -> dict[str, Any]:
    """The picture, when it is one, more than `frames` were decoded, and it changed."""

    def shows() -> dict[str, Any] | None:
        seen = page.evaluate(LOOK)
        return dict(seen) if seen and seen["frames"] > frames and seen["spread"] > 20 else None

    first = wait_for("a picture", shows, LONG_S)

    def changed() -> dict[str, Any] | None:
        seen = dict(page.evaluate(LOOK))
        return seen if seen["hash"] != first["hash"] and seen["frames"] > first["frames"] + 10 else None

    return wait_for("another picture", changed, LONG_S)


def test_browser_plays_what_it_asks_for_and_stays_when_the_encoder_is_lost(
    browser: Browser, host: Host, lobby: str
) -> None:
    pages = {codec: open_page(browser, host, codec) for codec in ("vp8", "vp9", "av1")}
    for codec, page in pages.items():
        watch(page, lobby)
        seen = wait_moving(page)
        assert (seen["codec"].lower(), seen["width"], seen["height"]) == (f"video/{codec}", 320, 180)
    pids = set(host.lobby(lobby)["workers"])
    worker = next(process for process in host.workers("lobby") if process.pid in pids)
    worker.send_signal(signal.SIGKILL)
    wait_for("a new worker", lambda: (set(host.lobby(lobby)["workers"]) or pids).isdisjoint(pids))
    host.wait_state(lobby, "STREAMING")
    for page in pages.values():
        assert wait_moving(page, page.evaluate(LOOK)["frames"] + 20)["state"] == "connected"
        page.close()


def test_declared_renditions_are_taken_in_their_order(browser: Browser, host: Host, declared: str) -> None:
    """A browser that offers everything gets the first that it takes; the next one begins with the frames so far."""
    pages = [open_page(browser, host) for _ in range(2)]
    for page in pages:
        watch(page, declared)
        assert wait_moving(page)["codec"] == "video/VP9"
    running = [one for one in host.lobby(declared)["renditions"] if one["running"]]
    assert [(one["name"], one["viewers"]) for one in running] == [("first", 2)]
    for page in pages:
        page.close()


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run in a thread: the browser has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_h265_is_for_those_who_take_nothing_else(host: Host, declared: str, tmp_path: Path) -> None:
    """And a lost picture brings a keyframe, though the next one is 20 s away; all of it decodes."""
    apart(watch_h265(host, declared, tmp_path / "h265"))


async def watch_h265(host: Host, declared: str, path: Path) -> None:
    viewer = LightViewer(video="H265/90000", video_fmtp=None)
    answer = offer(host, declared, viewer.offer())
    assert answer.status_code == 201, answer.text
    assert "a=rtpmap:102 H265/90000" in answer.text
    await viewer.start(answer.text)
    await frames(viewer, 20)
    for round_ in (1, 2):
        await ask_for_keyframe(viewer, round_)
    await frames(viewer, len(pictures(viewer)) + 10)
    viewer.vanish()
    host.request("DELETE", answer.headers["location"])
    await decodes(viewer.of(viewer.video_ssrc), path)


def offer(host: Host, lobby: str, sdp: str) -> httpx.Response:
    return httpx.post(
        f"{host.url}/whep/{lobby}", content=sdp, headers={"content-type": "application/sdp"}, timeout=LONG_S
    )


def pictures(viewer: LightViewer) -> list[int]:
    return sorted({packet.timestamp for packet in viewer.of(viewer.video_ssrc)})


def keyframes(viewer: LightViewer) -> int:
    mark = reader(Codec.H265)
    return len({packet.timestamp for packet in viewer.of(viewer.video_ssrc) if mark(packet.payload) & KEY})


async def frames(viewer: LightViewer, count: int) -> None:
    async with asyncio.timeout(LONG_S):
        while len(pictures(viewer)) < count:
            await asyncio.sleep(0.05)


async def ask_for_keyframe(viewer: LightViewer, had: int) -> None:
    """Say that a picture is lost until there are more than `had` keyframes."""
    async with asyncio.timeout(15):
        while keyframes(viewer) <= had:
            viewer.feedback(206, 1, viewer.video_ssrc)
            await asyncio.sleep(0.2)


async def decodes(packets: list[Packet], path: Path) -> None:
    """By GStreamer's own depayloader, without a complaint."""
    with path.open("wb") as file:
        for packet in sorted(packets, key=lambda one: (one.sequence - packets[0].sequence) & 0xFFFF):
            head = struct.pack(">BBHII", 0x80, packet.marker << 7 | 96, packet.sequence, packet.timestamp, 1)
            file.write(struct.pack(">H", len(head) + len(packet.payload)) + head + packet.payload)
    caps = "application/x-rtp-stream,media=video,clock-rate=90000,encoding-name=H265,payload=96"
    line = f"filesrc location={path} ! {caps} ! rtpstreamdepay ! {DECODERS['h265']} !"
    count = len({packet.timestamp for packet in packets})
    played = await play(*line.split(), *counted("picture"), "!", "fakesink", frames={"picture": count - 2})
    assert played.enough and "WARNING" not in played.out and "ERROR" not in played.out, played.out[-3000:]


def test_gstreamer_decodes_over_udp(host: Host, lobby: str) -> None:
    """Three players in one process."""
    words = []
    for codec, decoder in DECODERS.items():
        line = f"rtspsrc location={host.rtsp}/{lobby}/main-{codec} protocols=udp latency=100 timeout=0"
        words += [*f"{line} ! application/x-rtp,media=video ! {decoder} !".split(), *counted(codec)]
        words += ["!", "fakesink", "sync=false", "async=false"]
    played = apart(play(*words, frames=dict.fromkeys(DECODERS, 30)))
    assert played.enough and "WARNING" not in played.out and "ERROR" not in played.out, played.out[-3000:]


def test_ffmpeg_decodes_over_tcp(host: Host, lobby: str) -> None:
    def decode(codec: str) -> tuple[int, str]:
        words = [
            "ffmpeg",
            "-v",
            "error",
            "-xerror",
            "-rtsp_transport",
            "tcp",
            "-i",
            f"{host.rtsp}/{lobby}/main-{codec}",
        ]
        words += [
            "-map",
            "0:v",
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            "1:90000",
            "-frames:v",
            "30",
            "-f",
            "null",
            "-",
        ]
        played = subprocess.run(words, capture_output=True, text=True, timeout=LONG_S, check=False)
        return played.returncode, played.stderr

    with ThreadPoolExecutor(len(DECODERS)) as pool:
        assert dict(zip(DECODERS, pool.map(decode, DECODERS), strict=True)) == dict.fromkeys(DECODERS, (0, ""))


class KeepingViewer(RtspViewer):
    """Keeps the payloads of the picture by timestamp."""

    def __init__(self, url: str) -> None:
        super().__init__(url, LONG_S)
        self.units: dict[int, list[bytes]] = {}

    def __enter__(self) -> KeepingViewer:
        return self

    def _count(self, track: TrackCount, packet: bytes) -> None:
        super()._count(track, packet)
        if track is self.tracks[0]:
            self.units.setdefault(struct.unpack_from(">I", packet, 4)[0], []).append(packet[12:])


def test_av1_over_rtsp_is_put_together_and_decodes(host: Host, lobby: str, tmp_path: Path) -> None:
    """The players of these versions know no AV1 in RTP, so it is received here and decoded by another's decoder."""
    with KeepingViewer(f"{host.rtsp}/{lobby}/main-av1") as viewer:
        viewer.play()
        assert "a=rtpmap:96 AV1/90000" in viewer.sdp
        assert "a=fmtp:96 profile=0; level-idx=0; tier=0" in viewer.sdp
        track = viewer.receive_frames(40, deadline_s=LONG_S)
        viewer.teardown()
    assert track.gaps == 0
    path = tmp_path / "stream.obu"
    path.write_bytes(stream(list(viewer.units.values())[:40]))
    words = ["ffprobe", "-v", "error", "-f", "obu", "-count_frames", "-show_entries", "stream=nb_read_frames"]
    probed = subprocess.run(
        [*words, "-of", "csv=p=0", str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert (probed.stdout.strip().strip(","), probed.stderr) == ("40", "")


def test_sdp_tells_what_h265_needs(host: Host, lobby: str) -> None:
    with RtspViewer(f"{host.rtsp}/{lobby}/main-h265", LONG_S) as viewer:
        viewer.play()
        (line,) = re.findall(r"a=fmtp:96 (.*)", viewer.sdp)
        viewer.teardown()
    told = dict(pair.split("=", 1) for pair in line.strip().split("; "))
    assert {"sprop-vps", "sprop-sps", "sprop-pps"} <= set(told)
    assert (told["profile-id"], told["tier-flag"]) == ("1", "0")


def test_where_nothing_encodes_it_the_refusal_says_so(host: Host) -> None:
    lobby = host.create("Refused", SOURCE, encoders={"hardware": "require", "when_full": "refuse"})["id"]
    host.wait_state(lobby, "STREAMING")
    answer = offer(host, lobby, LightViewer(video="VP9/90000", video_fmtp=None).offer())
    assert (answer.status_code, answer.json()["code"]) == (503, "no_encoder")
    with RtspViewer(f"{host.rtsp}/{lobby}/main-av1", LONG_S) as viewer, pytest.raises(RtspRefused) as told:
        viewer.play()
    assert told.value.status == 503
    host.delete(lobby)
