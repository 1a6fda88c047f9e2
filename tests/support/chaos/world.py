"""All that a strike needs: the host, its lobbies and viewers, what is known of who was touched, and the log."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from tests.support.chaos.book import MOST, Book
from tests.support.chaos.camera import Camera
from tests.support.chaos.config import FORGIVEN_S, restart_wait_s
from tests.support.chaos.ground import Ground
from tests.support.chaos.lag import Lag
from tests.support.chaos.plane import Plane
from tests.support.chaos.processes import LOBBY, Processes, Seen
from tests.support.chaos.touches import EVERYBODY, Touch, Touches
from tests.support.chaos.viewers import Viewer

FIRST = ("hard", "soft", "desk", "film", "cam")  # keys of the lobbies that are always there


class World:
    """`findings` is what did not hold; `log` the driver's."""

    def __init__(self, ground: Ground, media: Path) -> None:
        self.ground = ground
        self.media = media
        self.touches = Touches()
        self.findings: list[str] = []
        self.log: deque[str] = deque(maxlen=4000)
        self.struck: Counter[str] = Counter()
        self.undecided = 0
        self.skipped: dict[str, str] = {}
        self.plane = Plane(ground, self.touches, self.note, self.finding)
        self.processes = Processes(ground, self.plane.strangers)
        self.book = Book(self.plane, self.note, self.finding)
        self.camera = Camera(ground, self.processes, media)
        self.lag = Lag()
        self.plane.slowness = lambda: self.lag.slowness
        self.viewers: list[Viewer] = []
        self.starved_until = 0.0  # the control plane could not answer everybody: monotonic seconds
        self.full: list[tuple[float, float]] = []  # when the disk was full
        self.lobby_of: dict[str, str] = {}  # worker id to lobby id, as the host said last
        self._beside: set[asyncio.Task[None]] = set()

    def note(self, text: str) -> None:
        now = time.time()
        self.log.append(f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d} {text}")

    def finding(self, text: str) -> None:
        """Once for each text."""
        if text not in self.findings and len(self.findings) < MOST:
            self.findings.append(text)
            self.note(f"FINDING {text}")
            sys.stderr.write(f"FINDING {text}\n")

    def late(self, text: str) -> None:
        """A finding that is a matter of seconds: nothing can be said where the machine was too busy."""
        if self.lag.busy:
            self.undecided += 1
            self.note(f"undecided, as the machine is too busy ({self.lag.slowness:.1f}): {text}")
        else:
            self.finding(text)

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

    async def rest(self) -> None:
        """Wait for all that goes on beside. Raises what one of it raised."""
        while self._beside:
            for task in (await asyncio.wait(self._beside))[0]:
                task.result()

    def view(self, kind: str, key: str) -> Viewer:
        """One more viewer of this lobby, for ever."""
        viewer = Viewer(kind, key, (self.plane.http, self.plane.rtsp), self._lost)
        self.viewers.append(viewer)
        return viewer

    def _lost(self, viewer: Viewer) -> None:
        """A session ended that its viewer did not end: somebody must have been struck who had to do with it."""
        now = time.monotonic()
        self.note(f"{viewer.name} lost its session: {viewer.doing}")
        if not self.touches.of(viewer.lobby, now - self.lag.extra_s):
            self.late(f"{viewer.name} lost its session though nobody had struck it: {viewer.doing}")
