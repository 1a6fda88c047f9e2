"""A person who looks at a lobby in the host's own page, in a real Chromium: the picture is decoded and looked at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Error, Page, async_playwright

from tests.support.browser import CHROMIUM, SWITCHES
from tests.support.chaos.viewers import Viewer

LOOK_S = 0.25
SPREAD = 20  # of brightness; a picture of one colour has none

# Frames shown so far by the element of now, spread of brightness of the picture, and what the player says of itself.
LOOK = """() => {
  const video = document.querySelector('video'), screen = document.querySelector('.screen');
  const tone = screen ? screen.dataset.tone : null, text = screen ? screen.innerText.slice(0, 80) : '';
  if (!video || !video.videoWidth) return {frames: 0, spread: 0, tone, text};
  const canvas = document.createElement('canvas');
  canvas.width = 32; canvas.height = 18;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 32, 18);
  const data = context.getImageData(0, 0, 32, 18).data;
  let sum = 0, squares = 0;
  for (let i = 0; i < data.length; i += 4) { sum += data[i + 1]; squares += data[i + 1] * data[i + 1]; }
  const n = data.length / 4, mean = sum / n;
  const frames = video.getVideoPlaybackQuality().totalVideoFrames;
  return {frames, spread: squares / n - mean * mean, tone, text};
}"""


class PageViewer(Viewer):
    """Its `last` is when a new picture was seen that is not of one colour."""

    def __init__(self, page: Page, lobby: str) -> None:
        self._page = page
        super().__init__("page", lobby, None)

    async def _watch(self) -> None:
        before = 0
        while True:
            try:
                seen = await self._page.evaluate(LOOK)
            except Error as error:  # the page is busy, or goes
                self.doing = str(error)[:80]
                await asyncio.sleep(LOOK_S)
                continue
            self.doing = f"{seen['tone']}: {' '.join(seen['text'].split())}"
            self.has_session = seen["tone"] == "play"
            if seen["frames"] != before and seen["spread"] > SPREAD:
                self.saw()
            before = seen["frames"]
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def person(url: str, lobby: str, first_s: float) -> AsyncIterator[PageViewer]:
    """Looks at the lobby from the host's page, and sees it if that took no longer than `first_s`: before that, the page
    itself may not be there. `available` says whether there is a browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = await browser.new_page()
        viewer = PageViewer(page, lobby)
        try:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(first_s):
                    await page.goto(f"{url}/#/lobby/{lobby}", timeout=first_s * 1000, wait_until="commit")
                    while not viewer.frames:
                        await asyncio.sleep(LOOK_S)
            yield viewer
        finally:
            await viewer.stop()
            await browser.close()


def available() -> bool:
    """Whether this machine has a browser."""
    return CHROMIUM is not None
