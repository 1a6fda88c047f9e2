"""All that a strike needs: the host, its lobbies and viewers, what is known of who was touched, and the log."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.chaos.book import Book
from tests.support.chaos.camera import Camera
from tests.support.chaos.config import FORGIVEN_S, restart_wait_s
from tests.support.chaos.ground import Ground
from tests.support.chaos.lag import Lag
from tests.support.chaos.plane import Plane
from tests.support.chaos.processes import LOBBY, Processes, Seen
from tests.support.chaos.schedule import Strike
from tests.support.chaos.touches import EVERYBODY, Touch, Touches
from tests.support.chaos.verdict import Verdict
from tests.support.chaos.viewers import Viewer

FIRST = ("hard", "soft", "desk", "film", "cam")  # keys of the lobbies that are always there
SEEN_S = 2.0  # a viewer asks so often whether it is still one


class World:
    """`verdict` is what did not hold; `log` the driver's."""

    def __init__(self, ground: Ground, media: Path) -> None:
        self.ground = ground
        self.media = media
        self.lag = Lag()
        self.verdict = Verdict(self.lag)
        self.touches = Touches()
        self.log: deque[str] = deque(maxlen=4000)
        self.struck: Counter[str] = Counter()
        self.over = False  # what waits for its turn is not begun any more
        self.cut: list[str] = []  # what there was no time for
        self.skipped: dict[str, str] = {}
        self.plane = Plane(ground, self.touches, self.note, self.finding)
        self.plane.lag = self.lag
        self.lag.pids = lambda: (os.getpid(), self.plane.pid)
        self.processes = Processes(ground, self.plane.strangers)
        self.book = Book(self.plane, self.note, self.finding)
        self.camera = Camera(ground, self.processes, media)
        self.viewers: list[Viewer] = []
        self.starved_until = 0.0  # the control plane could not answer everybody: monotonic seconds
        self.lobby_of: dict[str, str] = {}  # worker id to lobby id, as the host said last
        self._beside: set[asyncio.Task[None]] = set()

    def note(self, text: str) -> None:
        now = time.time()
        self.log.append(f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d} {text}")

    def finding(self, text: str) -> None:
        """Something does not hold. Once for each text."""
        if self.verdict.find(text):
            self._say(f"FINDING {text}")

    def late(self, text: str) -> None:
        """Something came later than promised, and the verdict judged it so. Once for each text."""
        if self.verdict.find_late(text):
            self._say(f"LATE {text}")

    def _say(self, text: str) -> None:
        self.note(text)
        sys.stderr.write(f"{text}\n")

    def skip(self, kind: str, why: str) -> None:
        """A strike that this machine does not allow, or that has no target now."""
        if kind not in self.skipped:
            self.skipped[kind] = why
        self.note(f"  {kind} skipped: {why}")

    def touch(self, whom: str, lasts: float, what: str) -> Touch:
        """A strike at what the viewers of a lobby (by key), or all, see."""
        return self.touches.add(Touch(time.monotonic(), whom, lasts, what))

    def touch_worker(self, one: Seen, lasts: float, what: str) -> Touch:
        """A strike at a worker of a lobby, whose pictures need `lasts` until the next worker can be started."""
        key = self.key_of(one)
        losses = self.touches.losses(key, time.monotonic() - FORGIVEN_S) + 1
        return self.touch(key, lasts + restart_wait_s(losses), what)

    def key_of(self, one: Seen) -> str:
        """Of the lobby that this process works for; everybody where it may be about to work for any."""
        lobby = self.lobby_of.get(one.worker or "")
        keys = [key for key, entry in self.book.entries.items() if entry.id is not None and entry.id == lobby]
        return keys[0] if keys else EVERYBODY

    def of_kind(self, *kinds: str) -> list[Seen]:
        """Processes of these kinds that are neither dead nor stopped."""
        return [one for one in self.processes.look(self.plane.pid) if one.what in kinds and one.state not in "TZ"]

    def lobby_workers(self, *, spare: bool) -> list[Seen]:
        return [one for one in self.of_kind(LOBBY) if (self.lobby_of.get(one.worker or "") is None) is spare]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on beside; a calm waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    @asynccontextmanager
    async def turn(self, strike: Strike, lock: asyncio.Lock | None = None) -> AsyncIterator[bool]:
        """Whether this strike may be done, once it is its turn; the control plane's where no `lock` is named."""
        async with lock or self.plane.lock:
            if self.over:
                self.skip(strike.kind, "its turn did not come in time")
            yield not self.over

    async def rest(self, at: float) -> None:
        """Wait for all that goes on beside, until `at` (monotonic) at most. Raises what one of it raised."""
        while self._beside:
            done, _ = await asyncio.wait(self._beside, timeout=max(0.0, at - time.monotonic()))
            for task in done:
                task.result()
            if not done:
                self.cut.append(f"{len(self._beside)} things that went on")
                return

    async def close(self) -> None:
        """What still goes on beside ends."""
        for task in self._beside:
            task.cancel()
        if self._beside:
            await asyncio.wait(self._beside)
        await self.plane.http.aclose()
        self.lag.close()

    def view(self, kind: str, key: str) -> Viewer:
        """One more viewer of this lobby, for ever."""
        viewer = Viewer(kind, key, (self.plane.http, self.plane.rtsp), self._lost, lambda: self.lag.slowness)
        self.viewers.append(viewer)
        return viewer

    def _lost(self, viewer: Viewer) -> None:
        """A session ended that its viewer did not end: somebody must have been struck who had to do with it."""
        now = time.monotonic()
        self.note(f"{viewer.name} lost its session: {viewer.doing}")
        if not self.touches.of(viewer.lobby, now - SEEN_S):
            text = f"{viewer.name} lost its session though nobody had struck it: {viewer.doing}"
            if not self.verdict.excuse(text, now):
                self.finding(text)
