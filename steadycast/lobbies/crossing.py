"""Brings the tracks of a lobby from the stage that they are made on to another one that shows already.

Make before break: each track is made on both until every egress worker goes on with the new one; only when that is so
for all of them, the old ones end. Where no encoder is free besides, a track waits until the others are over and then
gets the seat of its old one: a short pause. Until that moment whatever fails brings all back to where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from steadycast.errors import ConflictError, SteadycastError
from steadycast.lobbies.carrying import Carrier
from steadycast.lobbies.choose import COPY
from steadycast.lobbies.feed import NO_TRACK, Failed, Feed, Swap, after
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.mending import Mender
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.shelf import Shelf
from steadycast.lobbies.stage import Stage
from steadycast.lobbies.swap import TAKEN_S, Swapper

log = structlog.get_logger("lobby")

RENEW_S = 5.0  # for tracks that wait for an encoder: the worker before lives until this is over
CLOSE_S = 5.0  # for the old encoders to close; their worker ends then whether they did or not


@dataclass(frozen=True, slots=True)
class Crossed:
    """How it went. `done` False: all is where it was, and `why`. `paused`: tracks that were not made for a moment;
    `lost`: what cannot be had on the new stage."""

    done: bool
    why: str | None = None
    paused: tuple[str, ...] = ()
    lost: tuple[Failed, ...] = ()


@dataclass(eq=False)
class _Way:
    """One track on its way. `begun` is set when `swap`, `waits`, `lost` or `why` says how it stands: it is taken, needs
    the seat of its old one, does not exist there, cannot go over."""

    feed: Feed
    task: asyncio.Task[bool] | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    swap: Swap | None = None
    waits: bool = False
    lost: SteadycastError | None = None
    why: str | None = None

    def told(self) -> list[Failed]:
        """What its viewers must be told."""
        lost = self.lost
        return [] if lost is None else [Failed(self.feed.track, one, lost) for one in set(self.feed.holds.values())]


class Crossing:
    """Of one lobby. `copy_s`: how long a track may take that cannot be asked for a keyframe."""

    def __init__(
        self,
        shelf: Shelf,
        carrier: Carrier,
        opener: Opener,
        instances: Instances,
        mender: Mender,
        copy_s: Callable[[], float],
    ) -> None:
        self._shelf = shelf
        self._carrier = carrier
        self._opener = opener
        self._instances = instances
        self._mender = mender
        self._swapper = Swapper(opener, instances, carrier.lay)
        self._copy_s = copy_s

    async def cross(self, old: Stage, new: Stage) -> Crossed:
        """Bring all tracks to `new`. Where the old stage is lost meanwhile there is no way back: what is on the new one
        stays, and the rest is opened there. Cut off, it brings back what it can."""
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._carrier.stage, new.hears = new, self._mender.heard
        ways = [self._set_out(_Way(feed), new, decided) for feed in self._shelf]
        try:
            for way in ways:
                await way.begun.wait()
            why = next((way.why for way in ways if way.why is not None), None)
            if not new.works:
                why = "the new worker is lost"
            if new.works and (why is None or not old.works):
                return await self._arrive(ways, old, new, decided)
            await self._return(ways, old, new, decided)
            return Crossed(False, why)
        finally:
            if not decided.done():
                await self._return(ways, old, new, decided)

    def _set_out(self, way: _Way, new: Stage, decided: asyncio.Future[bool]) -> _Way:
        feed, earlier = way.feed, way.feed.moving
        feed.stop_opening()  # whoever waits for it goes on waiting, for one on the new stage
        if feed.instance is None or not feed.holds:
            way.begun.set()
            return way
        task = way.task = feed.moving = self._carrier.spawn(self._go(way, new, decided, earlier))
        task.add_done_callback(lambda _: self._gone(way))
        return way

    async def _go(
        self, way: _Way, new: Stage, decided: asyncio.Future[bool], earlier: asyncio.Task[bool] | None
    ) -> bool:
        feed = way.feed
        try:
            await after(set() if earlier is None else {earlier})
            try:
                await self._begin(way, new)
            except SteadycastError as error:
                way.why = error.what
            way.begun.set()
            goes = await asyncio.shield(decided)
            if way.swap is None:
                if goes:
                    self._leave(feed, new, waits=way.waits)
                return goes
            if goes and not way.swap.instance.dead and not feed.ends:
                self._swapper.take_over(feed, way.swap)
                return True
            await self._swapper.go_back(feed, way.swap)
            return False
        finally:
            way.begun.set()
            if way.swap is not None:
                feed.swap = None
                if feed.instance is not way.swap.instance:
                    self._instances.close(way.swap.instance)

    async def _begin(self, way: _Way, new: Stage) -> None:
        feed, old = way.feed, way.feed.instance
        if old is None:  # it failed just now: it is opened there
            return
        instance = await self._beside(way, new)
        if instance is None:
            return
        way.swap = Swap(instance)
        if instance.info.codec is not old.info.codec:
            way.lost = ConflictError("track.codec_changed", f"It is {instance.info.codec.value.upper()} now.")
            self._instances.close(instance)
            way.swap = None
            return
        seconds = self._copy_s() if feed.track == COPY else TAKEN_S
        way.why = await self._swapper.switch(feed, way.swap, seconds)

    async def _beside(self, way: _Way, new: Stage) -> Instance | None:
        feed = way.feed
        if feed.encode is None:
            if feed.track in new.tracks:
                return Instance(feed.track, new, new.tracks[feed.track])
            way.lost = ConflictError(NO_TRACK, f"The source has no track {feed.track!r} any more.")
            return None
        instance = await self._opener.beside(feed, new)
        way.waits = instance is None
        return instance

    async def _arrive(self, ways: list[_Way], old: Stage, new: Stage, decided: asyncio.Future[bool]) -> Crossed:
        decided.set_result(True)
        try:
            await self._all_done(ways)
            for feed in self._shelf:
                self._leave(feed, new)
            told = [failed for way in ways for failed in way.told()]
            lost = {failed.track for failed in told}
            rest = [feed for feed in self._shelf if feed.track not in lost]
            told += await self._mender.renew(rest, RENEW_S, old.lost)  # lost, it ends when this is over
            await self._instances.settle(CLOSE_S)
        finally:
            self._leave_all(old, new)
        return Crossed(True, None, tuple(way.feed.track for way in ways if way.waits), tuple(told))

    def _leave(self, feed: Feed, new: Stage, *, waits: bool = False) -> None:
        """What is still elsewhere is let go of; who waits for a seat gets its own. At once, before anybody opens it."""
        instance = feed.instance
        if instance is None or instance.stage is new:
            return
        feed.instance = None
        if not feed.holds:
            self._shelf.close_soon(feed)
        elif waits and feed.encode is not None:
            feed.inherit(self._instances.pass_on(instance, self._opener.request(feed, feed.encode, new)))

    def _leave_all(self, old: Stage, new: Stage) -> None:
        for feed in self._shelf:
            if feed.instance is not None and feed.instance.stage is old:  # it was opened there meanwhile
                self._leave(feed, new)
                self._mender.recover_soon(feed)
        self._instances.stage_lost(old)

    async def _return(self, ways: list[_Way], old: Stage, new: Stage, decided: asyncio.Future[bool]) -> None:
        """All as it was, as far as the old stage lives."""
        self._carrier.stage = old if old.works else None
        decided.set_result(False)
        for feed in self._shelf:
            feed.stop_opening()
        await self._all_done(ways)
        for feed in self._shelf:
            instance = feed.instance
            if instance is not None and (instance.stage is new or not old.works):  # new: it was opened meanwhile
                feed.instance = None
                self._instances.close(instance)
            self._mender.recover_soon(feed)
        for stage in (new,) if old.works else (new, old):
            self._instances.stage_lost(stage)

    async def _all_done(self, ways: list[_Way]) -> None:
        tasks = [way.task for way in ways if way.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    def _gone(self, way: _Way) -> None:
        way.begun.set()  # where it was cut off before it began
        if way.feed.moving is way.task:
            way.feed.moving = None
        self._shelf.moved(way.feed)
