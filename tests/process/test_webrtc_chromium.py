"""A real browser plays what the fan-out has: picture not black, sound received, both through one socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from tests.support.browser import CHROMIUM, LOOK, SWITCHES
from tests.support.webrtc_house import PICTURE, TRACKS, VIDEO, House, house, playing, until

pytestmark = pytest.mark.browser

JOIN = """async () => {
  const pc = new RTCPeerConnection();
  window.pc = pc;
  const video = document.createElement('video');
  video.muted = true; video.autoplay = true; video.playsInline = true;
  document.body.append(video);
  window.video = video;
  pc.ontrack = (event) => { window.streams = (window.streams || []).concat(event.streams.map((s) => s.id));
    video.srcObject = event.streams[0]; };
  pc.addTransceiver('video', {direction: 'recvonly'});
  pc.addTransceiver('audio', {direction: 'recvonly'});
  await pc.setLocalDescription(await pc.createOffer());
  await pc.setRemoteDescription({type: 'answer', sdp: await window.whep(pc.localDescription.sdp)});
}"""


@contextlib.asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not in this distribution")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


async def join(page: Page, home: House, viewer: str) -> None:
    await page.expose_function("whep", lambda sdp: home.peers.offer(viewer, TRACKS, sdp))
    await page.evaluate(JOIN)


async def look(page: Page, frames: int) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            seen = await page.evaluate(LOOK)
            if seen is not None and seen["frames"] >= frames and seen["audioPackets"] > 10:
                return dict(seen)
            await asyncio.sleep(0.1)


async def test_chromium_plays_picture_and_sound() -> None:
    async with house() as home, playing(home), browser_page() as page:
        await join(page, home, "one")
        seen = await look(page, frames=30)
        assert (seen["width"], seen["height"]) == (640, 360)
        assert seen["codec"] == "video/H264"
        assert seen["mean"] > 40 and seen["spread"] > 500  # colour bars: neither black nor flat
        assert [viewer for viewer, _ in home.told.connected] == ["one"]
        assert len(set(await page.evaluate("window.streams"))) == 1  # one stream, so they are kept in step
        assert "transport-cc" in await page.evaluate("window.pc.remoteDescription.sdp")
        await until(lambda: told_of_the_way(home), "transport-wide feedback and reports")
        await home.peers.end("one", "kicked")
        await until(lambda: home.told.gone == [("one", "kicked")], "gone")
        await page.wait_for_function("window.pc.connectionState !== 'connected'", timeout=30_000)


def told_of_the_way(home: House) -> bool:
    (peer,) = home.peers.statistics().peers
    return peer.lost_fraction is not None and peer.rtt_s is not None


RESTART = """async () => {
  const offer = await window.pc.createOffer({iceRestart: true});
  await window.pc.setLocalDescription(offer);
  const line = (name) => offer.sdp.match(new RegExp('a=' + name + ':.*'))[0];
  const fragment = await window.patch(line('ice-ufrag') + '\\r\\n' + line('ice-pwd') + '\\r\\n');
  const fresh = (name) => fragment.match(new RegExp('a=' + name + ':[^\\r\\n]*'))[0];
  let answer = window.answer;
  for (const name of ['ice-ufrag', 'ice-pwd'])
    answer = answer.replaceAll(new RegExp('a=' + name + ':[^\\r\\n]*', 'g'), fresh(name));
  await window.pc.setRemoteDescription({type: 'answer', sdp: answer});
}"""


async def test_chromium_restarts_ice_and_plays_on() -> None:
    async with house() as home, playing(home), browser_page() as page:
        await join(page, home, "one")
        await page.expose_function("patch", lambda fragment: home.peers.patch("one", fragment))
        seen = await look(page, frames=30)
        before = len(home.peers.statistics().peers)
        await page.evaluate("window.answer = window.pc.remoteDescription.sdp")
        await page.evaluate(RESTART)
        again = await look(page, frames=seen["frames"] + 60)
        assert again["state"] == "connected" and before == 1 and not home.told.gone


async def test_a_picture_that_began_long_ago_shows_at_once() -> None:
    """No keyframe is made on demand: what is shown to the second viewer began with the first one's."""
    slow = PICTURE.replace("key-int-max=30", "key-int-max=3000").replace("bitrate=1500", "bitrate=300")
    async with house() as home, playing(home, picture=slow), browser_page() as page:
        await until(lambda: newest_frame(home) >= 60, "two seconds of pictures")
        await join(page, home, "late")
        await look(page, frames=10)
        assert home.fanout.statistics().tracks[0].counters.keyframes == 1


def newest_frame(home: House) -> int:
    return home.fanout.statistics().tracks[0].counters.frames


SMALL = PICTURE.replace("width=640,height=360", "width=320,height=180").replace("bitrate=1500", "bitrate=300")


async def test_chromium_turns_to_a_smaller_picture_and_back() -> None:
    """In the same connection: another size, and no packet is missed."""
    async with house() as home, playing(home), browser_page() as page:
        reader, writer = socket.socketpair()
        home.fanout.open_bus("lobby/low", "one", replace(VIDEO, name="low"), reader)
        line = SMALL.format(video=writer.fileno()).split()
        child = await asyncio.create_subprocess_exec("gst-launch-1.0", "-q", *line, pass_fds=[writer.fileno()])
        writer.close()
        try:
            await join(page, home, "one")
            seen = await look(page, frames=10)
            for width, before, after in ((320, TRACKS[0], "lobby/low"), (640, "lobby/low", TRACKS[0])):
                await home.peers.turn("one", before, after)
                async with asyncio.timeout(40):
                    while (seen := await look(page, frames=seen["frames"] + 10))["width"] != width:
                        pass
            lost = await page.evaluate(
                "(async () => [...(await window.pc.getStats()).values()]"
                ".find((s) => s.type === 'inbound-rtp' && s.kind === 'video').packetsLost)()"
            )
            assert (seen["state"], lost) == ("connected", 0) and not home.told.gone
        finally:
            child.kill()
            await child.wait()
