"""Keeps the feeds of a lobby: made by their first holder, kept for a while after their last, then closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from steadycast.config.current import HostSettings
from steadycast.lifecycle import RenditionState
from steadycast.lobbies.asking import Tried
from steadycast.lobbies.carrying import Carrier
from steadycast.lobbies.feed import Feed, replacements
from steadycast.lobbies.feed_life import FeedLife
from steadycast.lobbies.quietly import quietly
from steadycast.lobbies.seats import Encoding
from steadycast.model import Rendition

FeedTold = Callable[[str, RenditionState, str | None, float], None]  # track, state, why, seconds in the one before
UNWATCHED = "nobody watches it"

LEAVE_S = 5.0  # for viewers to leave who were told to
LOOK_S = 0.02


class Shelf:
    """The feeds of one lobby by their tracks; whoever goes through them goes through a copy."""

    def __init__(self, settings: HostSettings, encoding: Encoding, carrier: Carrier, told: FeedTold) -> None:
        self._settings = settings
        self._encoding = encoding
        self._carrier = carrier
        self._told = told
        self._feeds: dict[str, Feed] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}  # tracks that nobody may hold any more
        self._tried: dict[str, Tried] = {}  # of tracks that nobody holds now

    def __iter__(self) -> Iterator[Feed]:
        return iter(tuple(self._feeds.values()))

    def __contains__(self, track: str) -> bool:
        return track in self._feeds

    def get(self, track: str) -> Feed | None:
        """A feed by its track's name."""
        return self._feeds.get(track)

    def feed(self, track: str, encode: Rendition | None) -> Feed:
        """The feed of a track, made where there is none."""
        if track not in self._feeds:
            tried = self._tried.pop(track) if track in self._tried else Tried()
            now = time.monotonic()
            life = FeedLife(now, lambda state, cause, took_s: self._told(track, state, cause, took_s))
            self._feeds[track] = Feed(track, encode, replacements(now), tried, life)
        return self._feeds[track]

    def keep(self, feed: Feed) -> None:
        """Somebody holds it: it does not close."""
        if feed.parked is not None and feed.parked is feed.seat:
            self._encoding.idle(feed.parked, None)
        feed.parked = None
        self._stop_clock(feed)
        feed.follow()

    def linger(self, feed: Feed) -> None:
        """Nobody holds it any more: it closes when its time is over, or when somebody else needs its seat."""
        self._stop_clock(feed)
        if feed.instance is None:  # it waits for an encoder, or failed: nothing to keep
            if self._carrier.stage is not None and self._carrier.stage.works:
                feed.tried.since = None
            feed.give_up()
            self.close_soon(feed)
            return
        self._park(feed)
        feed.life.because(UNWATCHED)
        feed.follow()
        loop, seconds = asyncio.get_running_loop(), self._settings.renditions.linger_s
        feed.closes_at = time.time() + seconds
        feed.timer = loop.call_later(seconds, self.close_soon, feed)
        if seconds > 0:
            self._carrier.rest_soon(feed)

    def moved(self, feed: Feed) -> None:
        """It has another seat: others may have that, too, where nobody watches it."""
        if feed.closes_at is not None:
            self._park(feed)
            self._carrier.rest_soon(feed)

    def _park(self, feed: Feed) -> None:
        if feed.seat is not None and feed.parked is not feed.seat:
            feed.parked = feed.seat
            self._encoding.idle(feed.seat, lambda: self.close(feed))

    def close_soon(self, feed: Feed) -> None:
        """Close it beside."""
        self._carrier.spawn(self.close(feed))

    async def close(self, feed: Feed) -> None:
        """Close its track everywhere; not where somebody holds it."""
        if feed.holds:
            return
        self._stop_clock(feed)
        busy = feed.give_up()
        async with feed.lock:
            if feed.holds or self._feeds.get(feed.track) is not feed:
                return
            if feed.life.state is not RenditionState.OPENING:  # else it says itself why it did not open
                feed.life.because(UNWATCHED)
            feed.closing = True
            instance, feed.instance = feed.instance, None
            buses = tuple(feed.buses.items())
            feed.buses.clear()
            for egress, _ in buses:
                await quietly(egress.close_track(self._carrier.key(feed.track)))
            if instance is not None:
                await self._carrier.close_instance(instance, [bus for _, bus in buses])
            if busy:
                await asyncio.wait(busy)
            if not feed.holds:  # else somebody came meanwhile and opens it again after us
                feed.refuse_legacy()  # one that came while it waited for the lock
                self._feeds.pop(feed.track, None)
                feed.closed = True
                if feed.tried.worth_keeping(time.monotonic()):
                    self._tried[feed.track] = feed.tried
            feed.closing = False

    async def end(self, feed: Feed) -> None:
        """Close a track when its holders are gone, or `LEAVE_S` are over; who comes meanwhile waits in `free`."""
        if self._feeds.get(feed.track) is not feed:
            return
        ending = self._ending[feed.track] = self._carrier.spawn(self._end(feed))
        ending.add_done_callback(lambda _: self._ending.pop(feed.track, None))
        await asyncio.wait({ending})

    async def free(self, track: str) -> None:
        """Wait until a track of this name that ends is gone."""
        if track in self._ending:
            await asyncio.wait({self._ending[track]})

    async def _end(self, feed: Feed) -> None:
        end = time.monotonic() + LEAVE_S
        while feed.holds and time.monotonic() < end:
            await asyncio.sleep(LOOK_S)
        feed.holds.clear()
        await self.close(feed)

    async def close_all(self) -> None:
        """Close all; the holders must be gone."""
        await asyncio.gather(*(self.close(feed) for feed in self))
        await self._carrier.settled()

    def _stop_clock(self, feed: Feed) -> None:
        if feed.timer is not None:
            feed.timer.cancel()
        feed.timer = feed.closes_at = None
