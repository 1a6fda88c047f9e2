"""One run of chaos: all lobbies and viewers are there, waves of strikes with a calm after each, and the end of all."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.chaos import config, host_strikes, people_strikes, process_strikes
from tests.support.chaos.ending import Ending
from tests.support.chaos.processes import census
from tests.support.chaos.schedule import KINDS, Strike
from tests.support.chaos.watch import SETTLE_S, Watch
from tests.support.chaos.world import FIRST, World

START_S = 60.0
STOP_S = 20.0  # all ladders at once, and the rest
SLOW, SLOW_OVER_S = 0.7, 10.0  # a machine that gives less than this share over so long is slow
LEAST_STRIKES_S = 15.0
SHORT_S = 6.0  # where there is no time left
CALM_S = 40.0  # at most, until everybody sees and the books are true; each has its own shorter deadline
DESK = {"kind": "desktop", "application": "ico", "width": 320, "height": 240, "fps": 15}
SMALL = [{"name": "main", "width": 320, "height": 180, "fps": 15}]

Act = Callable[[World, Strike], Awaitable[None]]
ACTS: dict[str, Act] = {
    name: getattr(room, name)
    for name in KINDS
    for room in (process_strikes, host_strikes, people_strikes)
    if hasattr(room, name)
}


@dataclass(frozen=True, slots=True)
class Budget:
    """Until when (monotonic) there are strikes, calms are waited for, and all is over. A run without one takes as long
    as it takes."""

    strikes: float = math.inf
    calms: float = math.inf
    end: float = math.inf

    @classmethod
    def of(cls, began: float, seconds: float) -> Budget:
        end = began + seconds
        return cls(end - min(35.0, seconds / 2), end - min(18.0, seconds / 4), end - 5.0)

    def with_strikes(self, now: float) -> Budget:
        """So much later that there are strikes at all, where the start alone took too long."""
        more = max(0.0, now + LEAST_STRIKES_S - self.strikes) if math.isfinite(self.strikes) else 0.0
        return Budget(self.strikes + more, self.calms + more, self.end + more)


class Driver:
    """`world` holds what was found."""

    def __init__(self, world: World, budget: Budget) -> None:
        self.world = world
        self._budget = budget
        self.watch = Watch(world)
        self.ending = Ending(world, self.watch)

    @property
    def has_time(self) -> bool:
        """For more strikes."""
        return time.monotonic() < self._budget.strikes

    async def set_up(self) -> None:
        """A host with all lobbies, each watched over WHEP and RTSP."""
        world = self.world
        world.plane.config.write_text(config.config(world.media.parent))
        await asyncio.gather(world.camera.start(), world.plane.start())
        await self.ending.note_idle()
        for key, request in self._requests().items():
            if await world.book.create(key, request) is None:
                raise AssertionError(f"lobby {key} could not be created: {world.log[-1]}")
        for key in FIRST:
            world.view("whep", key)
            world.view("rtsp", key)

    async def everybody_sees(self) -> None:
        await self._until("everybody sees a picture", self._dark, START_S, self._budget.strikes)
        self._budget = self._budget.with_strikes(time.monotonic())

    def _requests(self) -> dict[str, dict[str, Any]]:
        test = {"kind": "test", "width": 320, "height": 180, "fps": 15}
        return {
            "hard": {"source": test, "encoders": {"hardware": "prefer", "when_full": "fallback"}},
            "soft": {"source": test, "encoders": {"hardware": "forbid"}},
            "desk": {"source": DESK},
            "film": {"source": {"kind": "file", "path": str(self.world.media)}, "renditions": SMALL},
            "cam": {"source": {"kind": "rtsp", "url": self.world.camera.url}, "renditions": SMALL},
        }

    async def wave(self, strikes: Sequence[Strike]) -> None:
        """Strikes at their times, then a calm."""
        world, began = self.world, time.monotonic()
        for strike in strikes:
            await asyncio.sleep(began + strike.at - time.monotonic())
            if not self.has_time:
                break
            world.note(f"{strike}")
            world.struck[strike.kind] += 1
            await ACTS[strike.kind](world, strike)
        await self.calm()

    async def calm(self) -> None:
        """What was begun ends, faults go: then everybody has a picture and the books are true."""
        world = self.world
        world.over = not self.has_time
        await world.rest(self._budget.calms)
        await world.plane.ask("PUT", "/api/v1/system/simulated/faults", people_strikes.CALM)
        await world.plane.ask("POST", "/api/v1/devices/simulated:0/retry", {})
        world.note("calm")
        await self._until("everybody sees a picture", self._dark, CALM_S, self._budget.calms)
        await world.book.settle()
        await self._until("the books are true", self.ending.untrue, SETTLE_S, self._budget.calms)
        await world.rest(self._budget.calms)
        self.ending.measure()
        world.note(f"calm is over, {census(world.plane.pid)}")

    async def tear_down(self) -> None:
        """Everybody leaves, all lobbies are deleted, and what is left is as it was before them."""
        world = self.world
        await asyncio.gather(*(viewer.stop() for viewer in world.viewers))
        for key in world.book.entries:
            world.spawn(self._delete(key))
        await world.rest(self._budget.end)
        await self._until("nothing is left", self.ending.left, SETTLE_S, self._budget.end)
        began = time.monotonic()
        try:
            code = await world.plane.kill(signal.SIGINT, max(SHORT_S, min(STOP_S, self._budget.end - began)))
        except AssertionError:
            if not world.verdict.judge("the end by SIGINT", began, STOP_S, time.monotonic()):
                world.cut.append("the end by SIGINT")
                return
            raise
        if code != 0:
            world.finding(f"the control plane ended by SIGINT with {code}")
        await self._until("nobody is left", self.ending.alive, SETTLE_S, self._budget.end)

    async def _delete(self, key: str) -> None:
        await self.world.book.delete(key)

    async def _dark(self) -> list[str]:
        """Viewers who see nothing now; the watch says who sees nothing for too long."""
        return [f"{one.name}: {one.doing}" for one in self.world.viewers if one.dark_s > 1.5]

    async def _until(self, what: str, look: Callable[[], Awaitable[list[str]]], deadline_s: float, at: float) -> None:
        """A state that must come within its deadline; else it is a finding. After `at` nobody waits any longer for a
        machine that is slow."""
        began = now = time.monotonic()
        while wrong := await look():
            if self.world.verdict.judge(f"{what}, from {began:.1f}", began, deadline_s, now):
                for one in wrong:
                    self.world.finding(f"not so after {now - began:.0f} s: {what}: {one}")
                return
            now = time.monotonic()
            if now > at and self.world.lag.machine.share(now - SLOW_OVER_S, now) < SLOW:
                self.world.cut.append(f"{what}, waited for {now - began:.0f} s: {wrong[0]}")
                return
            await asyncio.sleep(0.2)
