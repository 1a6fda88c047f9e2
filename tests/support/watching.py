"""A viewer in a thread of its own that watches over RTSP for as long as a test does something else, and what it saw."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from tests.support.chaos.lag import Lag
from tests.support.host import wait_for
from tests.support.rtsp_viewer import RtspViewer, TrackCount
from tests.support.seen import UNTOUCHED_S, Judgement, faults

ALIVE_S = 10.0  # between signs of life to the server
TOUCHED = Judgement()
UNTOUCHED = Judgement(UNTOUCHED_S)


class Watcher:
    """`track` and `sound` count what came; `arrived` has the time of each frame of the picture (monotonic seconds)."""

    def __init__(self, url: str) -> None:
        self.viewer = RtspViewer(url)
        self._lag = Lag()
        self.viewer.play()
        self.arrived: list[float] = [time.monotonic()] * self.track.frames
        self.ended: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def track(self) -> TrackCount:
        return self.viewer.tracks[0]

    @property
    def sound(self) -> TrackCount | None:
        return self.viewer.tracks[1] if len(self.viewer.tracks) > 1 else None

    def frames_more(self, frames: int) -> None:
        """Wait until so many more frames came."""
        wanted = len(self.arrived) + frames
        wait_for(f"{frames} more frames", lambda: self.ended is not None or len(self.arrived) >= wanted)
        assert self.ended is None, f"it was disconnected: {self.ended!r}"

    def check(self, judgement: Judgement = TOUCHED) -> None:
        """It was never disconnected, numbers have no gap, and what it saw is as it is demanded."""
        assert self.ended is None, f"it was disconnected: {self.ended!r}"
        for track in self.viewer.tracks:
            assert track.gaps == 0, f"{track.gaps} gaps in the sequence numbers"
        seen = len(self.arrived)  # the thread goes on
        found = faults(self.track.timestamps[:seen], self.arrived[:seen], self._lag.worked, judgement)
        assert not found, found

    def close(self) -> None:
        self._stop.set()
        self.viewer.socket.close()
        self._thread.join(10)
        self._lag.close()

    def _watch(self) -> None:
        said = time.monotonic()
        try:
            while not self._stop.is_set():
                seen = self.track.frames
                if time.monotonic() - said > ALIVE_S:
                    self.viewer.ask("OPTIONS", self.viewer.url)
                    said = time.monotonic()
                self.viewer._fill()
                while self.viewer.buffer[:1] == b"$" and self.viewer._take_packet():
                    pass
                self.arrived += [time.monotonic()] * (self.track.frames - seen)
        except (OSError, ValueError) as error:
            if not self._stop.is_set():
                self.ended = error


@contextlib.contextmanager
def watching(url: str) -> Iterator[Watcher]:
    """Watches meanwhile."""
    watcher = Watcher(url)
    try:
        yield watcher
    finally:
        watcher.close()
