"""The tracks of a lobby that are in use, and the buses that carry them to egress workers.

A track is opened by its first holder and closed a while after its last. When the lobby gets a new stage, or an encoder
fails, every track with holders is opened again and its buses are laid anew; the holders notice nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import EncoderError, WorkerError
from steadycast.lobbies.asking import Tried
from steadycast.lobbies.carrying import Carrier, quietly
from steadycast.lobbies.choose import AUDIO, Choice
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.feed import Failed, Feed, replacements
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.seats import Encoding, Place, Seat
from steadycast.lobbies.stage import Stage
from steadycast.lobbies.swap import Swapper
from steadycast.model import EncodePolicy, Rendition, TrackInfo
from steadycast.workers.messages import EncoderReported, RenditionFailed

log = structlog.get_logger("lobby")


class Feeds:
    """All feeds of one lobby. `failed` hears of tracks that cannot be had any more: their viewers must go."""

    def __init__(
        self,
        lobby: str,
        request: LobbySettings,
        settings: HostSettings,
        encoding: Encoding,
        failed: Callable[[tuple[Failed, ...]], None],
    ) -> None:
        self._settings = settings
        self._encoding = encoding
        self._failed = failed
        self._instances = Instances(encoding)
        self._opener = Opener(lobby, request, settings, encoding, self._instances)
        self._carrier = Carrier(self._opener, self._instances)
        self._swapper = Swapper(self._opener, self._instances, self._carrier.lay)
        self._feeds: dict[str, Feed] = {}
        self._tried: dict[str, Tried] = {}  # of tracks that nobody holds now
        self._coming: dict[str, asyncio.Task[None]] = {}  # holders that wait for their tracks

    def get(self, track: str) -> Feed | None:
        """A feed by its track's name."""
        return self._feeds.get(track)

    @property
    def policy(self) -> EncodePolicy:
        """How this lobby is encoded."""
        return self._opener.policy

    @property
    def running(self) -> int:
        """How many encoders run."""
        return sum(feed.encode is not None and feed.instance is not None for feed in self._feeds.values())

    def key(self, track: str) -> str:
        """The track's name on a bus, and the one it asks for a seat with."""
        return self._opener.holder(track)

    def place(self, track: str) -> Place | None:
        """Where a track stands in the line for hardware."""
        return self._encoding.place(self.key(track)) if track in self._feeds else None

    # --- holders

    async def hold(self, holder: str, choice: Choice, egress: Egress) -> tuple[tuple[str, TrackInfo], ...]:
        """Keep the tracks of a choice open for `holder` until `release`; answers with key and info of each.

        May wait in the line for an encoder. Raises SteadycastError; then nothing is held.
        """
        wanted = [(choice.track, choice.encode)] if choice.track else []
        wanted += [(AUDIO, None)] if choice.audio else []
        feeds = [self._feed(track, encode) for track, encode in wanted]
        for feed in feeds:
            feed.holds[holder] = egress
            if feed.closes_at is not None and feed.seat is not None:
                self._encoding.idle(feed.seat, None)
            self._keep(feed)
        coming = self._coming[holder] = self._carrier.spawn(self._bring(feeds, egress))
        try:
            await asyncio.wait({coming})
            if coming.cancelled():
                raise WorkerError("viewer.gone", "The viewer left before its tracks were open.")
            tracks: tuple[tuple[str, TrackInfo], ...] = coming.result()
        except BaseException:
            self.release(holder)
            raise
        finally:
            self._coming.pop(holder, None)
        return tracks

    def release(self, holder: str) -> None:
        """The holder is gone; harmless where it held nothing."""
        if holder in self._coming:
            self._coming[holder].cancel()
        for feed in tuple(self._feeds.values()):
            if feed.holds.pop(holder, None) is not None and not feed.holds:
                self._linger(feed)

    def holders(self, track: str, egress: Egress) -> tuple[str, ...]:
        """Who holds a track on one egress worker."""
        feed = self._feeds.get(track)
        return () if feed is None else tuple(h for h, e in feed.holds.items() if e is egress)

    # --- stages, encoders and egress workers come and go

    def stage_lost(self) -> None:
        """The lobby does not stream now. Tracks without holders are given up."""
        stage, self._carrier.stage = self._carrier.stage, None
        for feed in tuple(self._feeds.values()):
            feed.give_up()
            feed.instance = None
            if not feed.holds:
                self._carrier.spawn(self._close(feed))
        if stage is not None:
            self._instances.stage_lost(stage)

    async def stage_shows(self, stage: Stage) -> tuple[Failed, ...]:
        """Open every held track on the new stage. Answers with what cannot be had there."""
        self._carrier.stage = stage
        stage.hears = self._heard
        return await self._carrier.renew_all(tuple(self._feeds.values()))

    def egress_gone(self, egress: Egress) -> None:
        """Its buses are gone; its holders are released by whoever holds."""
        for feed in self._feeds.values():
            feed.buses.pop(egress, None)
            feed.relays.pop(egress, None)
            self._stop_waiting(feed, egress)

    def bus_taken(self, track: str, bus: str) -> None:
        """An egress worker goes on with this bus."""
        feed = self._feeds.get(track)
        if feed is not None and feed.swap is not None:
            feed.swap.answer(bus, True)

    def bus_lost(self, track: str, egress: Egress) -> None:
        """Lay a lost bus again; where it is lost too often, its viewers must go."""
        feed, stage = self._feeds.get(track), self._carrier.stage
        if feed is None or stage is None or not stage.works or feed.instance is None or egress not in feed.buses:
            return  # what comes next lays it, or nobody wants it
        lost = feed.buses.pop(egress)
        self._stop_waiting(feed, egress)
        self._carrier.spawn(self._relay(feed, egress, lost.instance))

    def keyframe_wanted(self, track: str) -> None:
        """Ask what makes the track for a keyframe, and what shall make it next."""
        feed = self._feeds.get(track)
        for instance in set() if feed is None else {feed.instance, feed.newest}:
            if instance is not None and instance.stage.works:
                instance.stage.force_keyframe(instance.name)

    async def move(self, track: str, seat: Seat) -> bool:
        """Go on with this seat, as `seats.Mover` says."""
        feed, stage = self._feeds.get(track), self._carrier.stage
        if feed is None or stage is None or not stage.works or not feed.can_move:
            self._encoding.give_back(seat)
            return False
        begun = asyncio.Event()

        async def move() -> bool:
            begun.set()
            return await self._swapper.move(feed, stage, seat)

        moving = feed.moving = self._carrier.spawn(move())
        moving.add_done_callback(lambda task: self._moved(feed, task, None if begun.is_set() else seat))
        try:
            await asyncio.wait({moving})
        finally:
            moving.cancel()  # no change where it is done
        if not moving.cancelled() and moving.result():
            return True
        await self._instances.until_ended(seat)
        return False

    async def close(self) -> None:
        """Close all tracks everywhere; the holders must be gone."""
        await asyncio.gather(*(self._close(feed) for feed in tuple(self._feeds.values())))
        await self._carrier.settled()

    async def ended(self) -> None:
        """Wait until all seats are given back; the stages must be ending."""
        await self.close()
        await self._instances.ended()

    # --- inside

    def _feed(self, track: str, encode: Rendition | None) -> Feed:
        if track not in self._feeds:
            tried = self._tried.pop(track) if track in self._tried else Tried()
            self._feeds[track] = Feed(track, encode, replacements(time.monotonic()), tried)
        return self._feeds[track]

    def _heard(self, message: RenditionFailed | EncoderReported) -> None:
        if isinstance(message, EncoderReported):
            self._instances.reported(message.instance, message.report)
            return
        what = message.what if message.why is None else f"{message.what}: {message.why}"
        failed = self._instances.failed(message.instance, message.code, what)
        for feed in tuple(self._feeds.values()):
            if failed is not None and feed.swap is not None and feed.swap.instance is failed:
                feed.swap.stop_waiting()
            elif failed is not None and feed.instance is failed and failed.seat is not None:
                feed.tried.refuse(failed.seat.device, time.monotonic())
                self._broke(feed, EncoderError(message.code, what))

    def _broke(self, feed: Feed, error: EncoderError) -> None:
        """What made a track failed; a move that is under way takes over, else it is opened again."""
        feed.instance = None
        if not feed.holds:
            self._carrier.spawn(self._close(feed))
        elif feed.failures.take(time.monotonic()) > 0:
            self._failed(tuple(Failed(feed.track, egress, error) for egress in set(feed.holds.values())))
        elif feed.moving is None:
            self._carrier.spawn(self._recover(feed))

    def _moved(self, feed: Feed, moving: asyncio.Task[bool], unused: Seat | None) -> None:
        if unused is not None:  # it was cut off before it began
            self._encoding.give_back(unused)
        if feed.moving is moving:
            feed.moving = None
        if feed.holds and self._carrier.stage is not None and not moving.cancelled():
            self._carrier.spawn(self._recover(feed))  # what came and went meanwhile

    async def _recover(self, feed: Feed) -> None:
        stage = self._carrier.stage
        failed = await self._carrier.renew_all((feed,))
        if failed and stage is self._carrier.stage and stage is not None and stage.works:
            self._failed(failed)

    async def _relay(self, feed: Feed, egress: Egress, made: Instance) -> None:
        """A bus ends with what made the track, which is no fault of the bus: only where that lives on it counts."""
        await quietly(self._carrier.ensure(feed, egress))
        if feed.instance is made and not made.dead and not feed.may_relay(egress, time.monotonic()):
            error = WorkerError("track.bus", "Its bus broke again and again.", retry_after=1)
            self._failed((Failed(feed.track, egress, error),))

    async def _bring(self, feeds: list[Feed], egress: Egress) -> tuple[tuple[str, TrackInfo], ...]:
        infos = await asyncio.gather(*(self._carrier.ensure(feed, egress) for feed in feeds))
        return tuple((self.key(feed.track), info) for feed, info in zip(feeds, infos, strict=True))

    def _stop_waiting(self, feed: Feed, egress: Egress) -> None:
        if feed.swap is not None and egress in feed.swap.buses:
            feed.swap.answer(feed.swap.buses.pop(egress).name, False)

    def _keep(self, feed: Feed) -> None:
        if feed.timer is not None:
            feed.timer.cancel()
        feed.timer = feed.closes_at = None

    def _linger(self, feed: Feed) -> None:
        self._keep(feed)
        if feed.instance is None:  # it waits for an encoder, or failed: nothing to keep
            if self._carrier.stage is not None and self._carrier.stage.works:
                feed.tried.since = None
            feed.give_up()
            self._carrier.spawn(self._close(feed))
            return
        if feed.seat is not None:
            self._encoding.idle(feed.seat, lambda: self._close(feed))
        loop, seconds = asyncio.get_running_loop(), self._settings.renditions.linger_s
        feed.closes_at = time.time() + seconds
        feed.timer = loop.call_later(seconds, lambda: self._carrier.spawn(self._close(feed)))

    async def _close(self, feed: Feed) -> None:
        if feed.holds:
            return
        self._keep(feed)
        busy = feed.give_up()
        async with feed.lock:
            if feed.holds or self._feeds.get(feed.track) is not feed:
                return
            instance, feed.instance = feed.instance, None
            buses = tuple(feed.buses.items())
            feed.buses.clear()
            for egress, _ in buses:
                await quietly(egress.close_track(self.key(feed.track)))
            if instance is not None:
                await self._carrier.close_instance(instance, [bus for _, bus in buses])
            if busy:
                await asyncio.wait(busy)
            if not feed.holds:  # else somebody came meanwhile and opens it again after us
                self._feeds.pop(feed.track, None)
                if feed.tried.worth_keeping(time.monotonic()):
                    self._tried[feed.track] = feed.tried
