"""Brings the bitrates of shared renditions to what the ways to their viewers carry. Thin: `adapting` decides."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

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

log = structlog.get_logger("adaptation")

LOOK_S = 1.0  # as often as workers tell of their viewers
UNKNOWN = Tuned(asked=0)

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
                if feed.instance is not None:
                    feed.instance.tuned = UNKNOWN
        self._looking = asyncio.get_running_loop().create_task(self._look_on(), name="adaptation")

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
            try:
                self.look()
            except Exception:  # the edge of the room: the next look may find what this one did not
                log.exception("a look at the bitrates failed")

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
        if asked != now.asked and now.fixed is None and not busy:
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
        """On the encoder that plays; None: the rendition's own. One that takes none while it plays is left as it is."""
        before, tuning = instance.tuned or Tuned(), feed.tuning
        try:
            retuned = await instance.stage.retune(encode, instance.name, asked)
        except SteadycastError as error:
            log.warning("a bitrate is not set", lobby=lobby.id, track=feed.track, code=error.code, what=error.what)
            return
        if retuned.why is not None:
            instance.tuned = Tuned(before.asked, None, retuned.why)
            log.info("its encoder keeps its bitrate", lobby=lobby.id, track=feed.track, why=retuned.why)
            return
        instance.tuned = Tuned(asked, retuned.bitrate_kbps)
        if before is not UNKNOWN:
            self._tell(lobby, feed, tuning, instance.tuned, is_lower=_is_lower(asked, before.asked))

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
