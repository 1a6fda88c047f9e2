"""Brings a viewer whose way is far narrower than the others' to a smaller rendition, and back when it carries more."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from steadycast.errors import SteadycastError
from steadycast.lobbies.adapting import BACK, REST_S, SHARE, TURN_S, Turned, far_worse, smaller, turn_again
from steadycast.lobbies.choose import Choice
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.viewer import Viewer
from steadycast.model import Rendition

log = structlog.get_logger("adaptation")


class Turner:
    """Of all lobbies. `find` gives a viewer that is there, by its id. `turns` counts by `down` and `up`."""

    def __init__(self, find: Callable[[str], Viewer | None], events: EventLog) -> None:
        self.turns: Counter[str] = Counter()
        self._find = find
        self._events = events
        self._worse_since: dict[str, float] = {}  # by viewer, as all of these
        self._turned: dict[str, Turned] = {}
        self._rests: dict[str, float] = {}  # until when it is not turned
        self._turning: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Turn nobody any more."""
        tasks = tuple(self._turning.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def forget_gone(self) -> None:
        """Keep nothing of viewers that left."""
        for kept in (self._worse_since, self._turned, self._rests):
            for viewer in [viewer for viewer in kept if self._find(viewer) is None]:
                del kept[viewer]

    def look(
        self, track: str, ways: Mapping[str, float | None], offered: Mapping[str, tuple[Rendition, int]]
    ) -> set[str]:
        """Decide for the viewers of one rendition: those that need not be counted there, since they are turned away.

        `ways` are what is known of each, kbit/s, `offered` the renditions of the codec with their own bitrates.
        """
        now, own = time.monotonic(), {name: kbps for name, (_, kbps) in offered.items()}
        if track not in own:
            return set()
        for viewer, way in ways.items():
            self._turn_back(viewer, track, way, offered, now)
        rooms = {viewer: min(own[track], own[track] if way is None else way * SHARE) for viewer, way in ways.items()}
        worst = far_worse(rooms)
        for viewer in ways:
            if viewer != worst:
                self._worse_since.pop(viewer, None)
        if worst is None or self._rests.get(worst, now) > now:
            return set()
        other = smaller(own, track, rooms[worst])
        if other is None:
            return set()
        if now - self._worse_since.setdefault(worst, now) >= TURN_S and worst not in self._turning:
            self._turned[worst] = turn_again(self._turned.get(worst), track, now)
            self._begin(worst, offered[other][0], "down")
        return {worst}

    def _turn_back(
        self, viewer: str, track: str, way: float | None, offered: Mapping[str, tuple[Rendition, int]], now: float
    ) -> None:
        turned = self._turned.get(viewer)
        if turned is None or turned.home == track or viewer in self._turning or turned.home not in offered:
            return
        carries = way is None or way * SHARE >= BACK * offered[track][1]
        if carries and now - turned.at >= turned.rest_s and self._rests.get(viewer, now) <= now:
            self._turned[viewer] = replace(turned, at=now)
            self._begin(viewer, offered[turned.home][0], "up")

    def _begin(self, viewer: str, rendition: Rendition, direction: str) -> None:
        found = self._find(viewer)
        if found is None:
            return
        task = asyncio.get_running_loop().create_task(self._turn(found, rendition, direction))
        self._turning[viewer] = task
        task.add_done_callback(lambda _: self._turning.pop(viewer, None))

    async def _turn(self, viewer: Viewer, rendition: Rendition, direction: str) -> None:
        """Another track is opened for it first, and its own is let go when it gets the other one."""
        hold, before = viewer.hold, viewer.hold.choice
        if before is None or before.track is None:
            return
        feeds, choice = hold.lobby.feeds, Choice(rendition.name, rendition.name, rendition, before.audio)
        ahead = f"{hold.name}>{rendition.name}"
        try:
            await feeds.hold(ahead, replace(choice, audio=False), hold.egress)
            try:
                await hold.egress.turn(viewer.id, feeds.key(before.track), feeds.key(rendition.name))
                if self._find(viewer.id) is not viewer or hold.choice is not before:
                    return
                feeds.pass_on(hold.name, before.track, choice, hold.egress)
                hold.choice = choice
            finally:
                feeds.release(ahead)
        except SteadycastError as error:
            log.warning("a viewer is not turned", viewer=viewer.id, code=error.code, what=error.what, why=error.why)
            self._rests[viewer.id] = time.monotonic() + REST_S
            return
        self._tell(viewer, before.rendition, rendition.name, direction)

    def _tell(self, viewer: Viewer, before: str, after: str, direction: str) -> None:
        self.turns[direction] += 1
        less = "its way carries far less than those of the others"
        why = less if direction == "down" else "its way carries more again"
        log.info("viewer turned", viewer=viewer.id, before=before, after=after, why=why)
        lobby, data = viewer.hold.lobby.id, {"rendition": after, "before": before}
        self._events.publish("viewer", "viewer.turned", lobby=lobby, viewer=viewer.id, why=why, data=data)
