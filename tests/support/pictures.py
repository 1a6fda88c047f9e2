"""When pictures were shown: a browser's video element by its own clock, or the frames that an RTSP viewer was sent."""

from __future__ import annotations

import itertools
import socket
import threading
import time

from playwright.sync_api import Page

from tests.support.rtsp_viewer import RtspViewer, TrackCount

MOST = 20_000  # moments kept: more than ten minutes of 30 frames a second

# Notes when each picture is given to the compositor, in milliseconds of Unix time (WICG video-rvfc, presentationTime).
NOTE_PICTURES = (
    """(selector) => {
  const video = selector ? document.querySelector(selector) : window.video;
  const shown = window.shown = [];
  const next = (_, picture) => {
    if (shown.length < """
    + str(MOST)
    + """) shown.push(performance.timeOrigin + picture.presentationTime);
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}"""
)


def note_pictures(page: Page, selector: str | None = None) -> None:
    """Begin to note; the element is `selector`'s, or the one that `browser.watch` made."""
    page.evaluate(NOTE_PICTURES, selector)


def shown(page: Page) -> list[float]:
    """The moments of all pictures since `note_pictures`, Unix seconds."""
    return [moment / 1000 for moment in page.evaluate("() => window.shown")]


def longest_gap(moments: list[float], since: float, until: float) -> float:
    """Seconds between two pictures in a row, at most, from the last one before `since` to the first after `until`."""
    before = [moment for moment in moments if moment <= since][-1:]
    within = [moment for moment in moments if since < moment < until]
    after = [moment for moment in moments if moment >= until][:1]
    asked = before + within + after
    return max((b - a for a, b in itertools.pairwise(asked)), default=0.0)


class Reading(RtspViewer):
    """An RTSP viewer that is read by a thread once it plays, so that it never stalls; `moments` of its frames."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 60)
        self.moments: list[float] = []
        self._thread = threading.Thread(target=self._read, daemon=True)

    def play(self) -> None:
        super().play()
        self._thread.start()

    def close(self) -> None:
        """It leaves."""
        if self._thread.ident is not None:
            self.socket.shutdown(socket.SHUT_RDWR)
            self._thread.join(10)
        self.socket.close()

    def _count(self, track: TrackCount, packet: bytes) -> None:
        frames = track.frames
        super()._count(track, packet)
        if track is self.tracks[0] and track.frames > frames and len(self.moments) < MOST:
            self.moments.append(time.time())

    def _read(self) -> None:
        try:
            while True:
                self.receive_frames(100)
                self.ask("OPTIONS", self.url)  # a sign of life
        except OSError:
            return  # it left, or the host ended
