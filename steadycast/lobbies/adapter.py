"""Brings the bitrates of shared renditions to what the ways to their viewers carry. Thin: `adapting` decides."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import CallerError, SteadycastError
from steadycast.lobbies.adapting import Bounds, Tuned, Tuning, bounds, tune
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.feed import Feed
from steadycast.lobbies.instances import Instance
from steadycast.lobbies.lobby import Lobby
from steadycast.lobbies.turner import Turner
from steadycast.lobbies.viewer import Viewer
from steadycast.model import Rendition
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.plan import work
from steadycast.workers.lasting import lasting

log = structlog.get_logger("adaptation")

LOOK_S = 1.0  # as often as workers tell of their viewers
UNKNOWN = Tuned(asked=0)
REMAKE_S = 30.0  # between two encoders of a rendition that takes no other bitrate while it plays
REMAKE_PART = 0.2  # and by so much it must differ

Way = float | None  # what the way to a viewer carries, kbit/s; None: no limit is known
Ways = dict[tuple[str, str], dict[str, Way]]  # by lobby and track, and by viewer


class Adapter:
    """`start` it when the lobbies are there, `close` it before they end. `changes` counts by `down` and `up`."""

    def __init__(
        self,
        settings: HostSettings,
        lobbies: Callable[[], Iterable[Lobby]],
        viewers: Callable[[], Sequence[Viewer]],
        find: Callable[[str], Viewer | None],
        events: EventLog,
    ) -> None:
        self.turner = Turner(find, events)
        self.changes: Counter[str] = Counter()
        self._settings = settings
        self._lobbies = lobbies
        self._viewers = viewers
        self._events = events
        self._setting: dict[Instance, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on. What a former control plane set on encoders that are here is not known."""
        for lobby in self._lobbies():
            for feed in lobby.feeds.all():
                if feed.instance is not None and feed.instance.tuned is None:
                    feed.instance.tuned = UNKNOWN
        self._looking = lasting(self._look_on(), "adaptation of bitrates")

    async def close(self) -> None:
        """Change nothing any more."""
        tasks = {task for task in (self._looking, *self._setting.values()) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.turner.close()

    @property
    def limited(self) -> int:
        """How many renditions are made with less than their own bitrate now."""
        return sum(_is_limited(feed) for lobby in self._lobbies() for feed in lobby.feeds.all())

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Decide for all renditions now, and begin what follows."""
        ways = _ways(self._viewers())
        self.turner.forget_gone()
        for lobby in self._lobbies():
            for feed in lobby.feeds.all():
                encode, instance = feed.encode, feed.instance
                if encode is not None and instance is not None and instance.seat is not None:
                    self._decide(lobby, feed, encode, instance, ways.get((lobby.id, feed.track), {}))

    def _decide(self, lobby: Lobby, feed: Feed, encode: Rendition, instance: Instance, ways: Mapping[str, Way]) -> None:
        limits, adaptation = self._bounds(encode, instance), self._settings.adaptation
        if limits is None or instance.parked:
            feed.tuning = None
            return
        known: list[float] = []
        if adaptation.enabled:
            turns = (
                self.turner.look(feed.track, ways, self._offered(lobby, encode, instance)) if adaptation.turn else ()
            )
            known = [way for viewer, way in ways.items() if way is not None and viewer not in turns]
        feed.tuning = tune(limits, feed.tuning, known, time.monotonic(), adaptation.hold_s)
        asked = None if feed.tuning is None or feed.tuning.kbps == limits.ceiling else feed.tuning.kbps
        now = instance.tuned or Tuned()
        busy = instance in self._setting or feed.moving is not None or instance.dead or not instance.stage.works
        if asked != now.asked and not busy and (now.fixed is None or self._may_remake(instance, limits, asked, now)):
            task = asyncio.get_running_loop().create_task(self._set(lobby, feed, encode, instance, asked))
            self._setting[instance] = task
            task.add_done_callback(lambda _: self._setting.pop(instance, None))

    def _own(self, encode: Rendition, instance: Instance) -> int | None:
        """Its own bitrate, kbit/s; None where no size is known yet."""
        limits = Limits(bits_per_pixel=self._settings.renditions.bits_per_pixel)
        try:
            return work(encode, instance.stage.picture, limits).bitrate_kbps
        except CallerError:
            return None

    def _bounds(self, encode: Rendition, instance: Instance) -> Bounds | None:
        own = self._own(encode, instance)
        return None if own is None else bounds(own, encode.bitrate_min_kbps, self._settings.adaptation.floor)

    def _offered(self, lobby: Lobby, encode: Rendition, instance: Instance) -> dict[str, tuple[Rendition, int]]:
        """The renditions of the same codec, with their own bitrates."""
        alike = [one for one in lobby.request.renditions if one.codec == encode.codec]
        return {one.name: (one, own) for one in alike if (own := self._own(one, instance)) is not None}

    async def _set(self, lobby: Lobby, feed: Feed, encode: Rendition, instance: Instance, asked: int | None) -> None:
        """On the encoder that plays, else with another one in its place; `asked` None: the rendition's own."""
        before, tuning = instance.tuned or Tuned(), feed.tuning
        try:
            after = await self._tuned(lobby, feed, encode, instance, asked)
        except SteadycastError as error:
            log.warning("a bitrate is not set", lobby=lobby.id, track=feed.track, code=error.code, what=error.what)
            return
        if after is not None and before.asked != UNKNOWN.asked:
            self._tell(lobby, feed, tuning, after, is_lower=_is_lower(asked, before.asked))

    async def _tuned(
        self, lobby: Lobby, feed: Feed, encode: Rendition, instance: Instance, asked: int | None
    ) -> Tuned | None:
        """What is in force then; None where it is as it was."""
        before = instance.tuned or Tuned()
        if before.fixed is None:
            retuned = await instance.stage.retune(encode, instance.name, asked)
            if retuned.why is None:
                instance.tuned = Tuned(asked, retuned.bitrate_kbps)
                return instance.tuned
            before = replace(before, fixed=retuned.why)
        if before.asked == UNKNOWN.asked:  # nobody could set it: it is as it was opened
            instance.tuned = replace(before, asked=None)
            return None
        instance.tuned = replace(before, tried=time.monotonic())
        if not await lobby.feeds.remake(feed, asked) or feed.instance is None:
            return None
        feed.instance.tuned = Tuned(asked, None, before.fixed, time.monotonic())
        return feed.instance.tuned

    def _may_remake(self, instance: Instance, limits: Bounds, asked: int | None, now: Tuned) -> bool:
        """Another encoder costs a keyframe and, for a moment, a second place: for much, and not often."""
        wanted, had = asked or limits.ceiling, limits.ceiling if now.asked is None else now.asked
        rested = now.tried is None or time.monotonic() - now.tried >= REMAKE_S
        return rested and abs(wanted - had) >= REMAKE_PART * max(wanted, had)

    def _tell(self, lobby: Lobby, feed: Feed, tuning: Tuning | None, tuned: Tuned, *, is_lower: bool) -> None:
        self.changes["down" if is_lower else "up"] += 1
        why = None if tuning is None else tuning.why
        data = {"track": feed.track, "bitrate_kbps": tuned.asked, "in_force_kbps": tuned.in_force}
        self._events.publish("rendition", "rendition.bitrate", lobby=lobby.id, why=why, data=data)


def _ways(viewers: Sequence[Viewer]) -> Ways:
    """RTSP players tell nothing that an estimate could be made of."""
    ways: Ways = defaultdict(dict)
    for viewer in viewers:
        choice = viewer.hold.choice
        if choice is not None and choice.track is not None:
            told = viewer.hold.egress.viewer_statistics(viewer.id).get("estimate_bps")
            way = told / 1000 if isinstance(told, int | float) and math.isfinite(told) else None
            ways[viewer.hold.lobby.id, choice.track][viewer.id] = way
    return ways


def _is_lower(asked: int | None, before: int | None) -> bool:
    return asked is not None and (before is None or asked < before)


def _is_limited(feed: Feed) -> bool:
    tuned = None if feed.instance is None else feed.instance.tuned
    return tuned is not None and bool(tuned.asked)
