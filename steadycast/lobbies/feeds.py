"""The tracks of a lobby that are in use, and the buses that carry them to egress workers.

A track is opened by its first holder and closed a while after its last. When the lobby gets a new stage, or an encoder
fails, every track with holders is opened again and its buses are laid anew; the holders notice nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steadycast.config.current import HostSettings
from steadycast.errors import WorkerError
from steadycast.lifecycle import RenditionState
from steadycast.lobbies.adopting import KeptLobby
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.carrying import Carrier
from steadycast.lobbies.choose import AUDIO, Choice
from steadycast.lobbies.crossing import Crossed, Crossing
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.estate import Estate
from steadycast.lobbies.feed import Failed, Feed
from steadycast.lobbies.instances import Instances
from steadycast.lobbies.mending import Mender
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.reopening import Reopened, Reopener
from steadycast.lobbies.seats import Encoding, Place, Seat
from steadycast.lobbies.shelf import Shelf
from steadycast.lobbies.stage import Stage
from steadycast.lobbies.swap import Swapper
from steadycast.model import EncodePolicy, Rendition, TrackInfo

STAGE_LOST = "its worker or source is lost"


@dataclass(frozen=True, slots=True)
class RenditionMove:
    """A track entered a state, after `took_s` seconds in the one before; `seat` is where it encodes."""

    track: str
    state: RenditionState
    cause: str | None
    took_s: float
    seat: Seat | None


class Feeds:
    """All feeds of one lobby. `failed` hears of tracks that cannot be had any more: their viewers must go; `told` hears
    of every move of a track."""

    def __init__(
        self,
        lobby: str,
        asked: Asked,
        settings: HostSettings,
        encoding: Encoding,
        failed: Callable[[tuple[Failed, ...]], None],
        told: Callable[[RenditionMove], None],
    ) -> None:
        self._encoding = encoding
        self._instances = Instances(encoding)
        self._opener = Opener(lobby, asked, settings, encoding, self._instances)
        self._carrier = Carrier(self._opener, self._instances, encoding)
        self._swapper = Swapper(self._opener, self._instances, self._carrier.lay)
        self._told = told
        self._shelf = self._carrier.others = Shelf(settings, encoding, self._carrier, self._moved_to)
        self._mender = Mender(self._shelf, self._carrier, self._instances, failed)
        self._crossing = Crossing(
            self._shelf, self._carrier, self._opener, self._instances, self._mender, lambda: settings.workers.source_s
        )
        self._reopener = Reopener(self._shelf, self._carrier, self._opener, self._instances, self._mender)
        self._coming: dict[str, asyncio.Task[None]] = {}  # holders that wait for their tracks

    def get(self, track: str) -> Feed | None:
        """A feed by its track's name."""
        return self._shelf.get(track)

    @property
    def policy(self) -> EncodePolicy:
        """How this lobby is encoded."""
        return self._opener.policy

    @property
    def running(self) -> int:
        """How many encoders run."""
        return sum(feed.encode is not None and feed.instance is not None for feed in self._shelf)

    def key(self, track: str) -> str:
        """The track's name on a bus, and the one it asks for a seat with."""
        return self._opener.holder(track)

    def place(self, track: str) -> Place | None:
        """Where a track stands in the line for hardware."""
        return self._encoding.place(self.key(track)) if track in self._shelf else None

    # --- holders

    async def hold(self, holder: str, choice: Choice, egress: Egress) -> tuple[tuple[str, TrackInfo], ...]:
        """Keep the tracks of a choice open for `holder` until `release`; answers with key and info of each.

        May wait in the line for an encoder. Raises SteadycastError; then nothing is held.
        """
        feeds = self._wanted(choice)
        self.held(holder, choice, egress)
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

    def inherit(self, kept: KeptLobby, stage: Stage | None, egresses: Mapping[str, Egress]) -> Estate:
        """Put in place what a former control plane left of the tracks; `egresses` by worker."""
        if stage is not None:
            stage.hears = self._mender.heard
        estate = Estate(self._shelf, self._carrier, self._opener, self._instances)
        estate.place(kept, stage, egresses)
        return estate

    def held(self, holder: str, choice: Choice, egress: Egress) -> None:
        """Somebody holds the tracks of a choice already; they are brought to him where they are not there."""
        for feed in self._wanted(choice):
            feed.holds[holder] = egress
            self._shelf.keep(feed)

    def release(self, holder: str) -> None:
        """The holder is gone; harmless where it held nothing."""
        if holder in self._coming:
            self._coming[holder].cancel()
        for feed in self._shelf:
            if feed.holds.pop(holder, None) is not None and not feed.holds:
                self._shelf.linger(feed)

    def pass_on(self, holder: str, before: str, choice: Choice, egress: Egress) -> None:
        """The holder has the tracks of a choice from now on, which are open, in place of the track `before`."""
        self.held(holder, choice, egress)
        feed = self._shelf.get(before)
        if feed is not None and feed.holds.pop(holder, None) is not None and not feed.holds:
            self._shelf.linger(feed)

    def holders(self, track: str, egress: Egress) -> tuple[str, ...]:
        """Who holds a track on one egress worker."""
        feed = self._shelf.get(track)
        return () if feed is None else tuple(h for h, e in feed.holds.items() if e is egress)

    # --- stages, encoders and egress workers come and go

    def stage_lost(self) -> None:
        """The lobby does not stream now. Tracks without holders are given up."""
        stage, self._carrier.stage = self._carrier.stage, None
        for feed in self._shelf:
            feed.give_up()
            feed.life.because(STAGE_LOST)
            feed.instance = None
            if not feed.holds:
                self._shelf.close_soon(feed)
        if stage is not None:
            self._instances.stage_lost(stage)

    async def stage_shows(self, stage: Stage) -> tuple[Failed, ...]:
        """Open every held track on the new stage. Answers with what cannot be had there."""
        self._carrier.stage = stage
        stage.hears = self._mender.heard
        return await self._carrier.renew_all(self._shelf)

    def all(self) -> tuple[Feed, ...]:
        """Those that are there."""
        return tuple(self._shelf)

    async def reopen(self, feed: Feed, encode: Rendition) -> Reopened:
        """Make a track as another rendition of its codec, as `Reopener.reopen`."""
        return await self._reopener.reopen(feed, encode)

    async def remake(self, feed: Feed, kbps: int | None) -> bool:
        """Make a track with another encoder of another bitrate, as `Reopener.remake`."""
        return await self._reopener.remake(feed, kbps)

    async def end(self, feed: Feed) -> None:
        """Close a track whose viewers were told to go; who holds it all the same after a while holds nothing."""
        for holder in feed.holds:
            if holder in self._coming:
                self._coming[holder].cancel()
        await self._shelf.end(feed)

    async def cross(self, old: Stage, new: Stage) -> Crossed:
        """Bring all tracks from one stage to another that shows, as `Crossing.cross`."""
        return await self._crossing.cross(old, new)

    def egress_gone(self, egress: Egress) -> None:
        """Its buses are gone; its holders are released by whoever holds."""
        for feed in self._shelf:
            feed.buses.pop(egress, None)
            feed.relays.pop(egress, None)
            feed.stop_waiting(egress)

    def bus_taken(self, track: str, bus: str) -> None:
        """An egress worker goes on with this bus."""
        feed = self._shelf.get(track)
        if feed is not None and feed.swap is not None:
            feed.swap.answer(bus, True)

    def bus_lost(self, track: str, egress: Egress) -> None:
        """A bus to this egress worker ended."""
        feed = self._shelf.get(track)
        if feed is not None:
            self._mender.bus_lost(feed, egress)

    def keyframe_wanted(self, track: str) -> None:
        """Ask what makes the track for a keyframe, and what shall make it next."""
        feed = self._shelf.get(track)
        for instance in set() if feed is None else {feed.instance, feed.newest}:
            if instance is not None and instance.stage.works:
                instance.stage.force_keyframe(instance.name)

    async def move(self, track: str, seat: Seat) -> bool:
        """Go on with this seat, as `seats.Mover` says."""
        feed, stage = self._shelf.get(track), self._carrier.stage
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
        await self._shelf.close_all()

    async def ended(self) -> None:
        """Wait until all seats are given back; the stages must be ending."""
        await self.close()
        await self._instances.ended()

    # --- inside

    def _wanted(self, choice: Choice) -> list[Feed]:
        wanted = [(choice.track, choice.encode)] if choice.track else []
        wanted += [(AUDIO, None)] if choice.audio else []
        return [self._shelf.feed(track, encode) for track, encode in wanted]

    def _moved_to(self, track: str, state: RenditionState, cause: str | None, took_s: float) -> None:
        feed = self._shelf.get(track)
        self._told(RenditionMove(track, state, cause, took_s, feed.seat if feed is not None else None))

    def _moved(self, feed: Feed, moving: asyncio.Task[bool], unused: Seat | None) -> None:
        if unused is not None:  # it was cut off before it began
            self._encoding.give_back(unused)
        if feed.moving is moving:
            feed.moving = None
        self._shelf.moved(feed)
        if not moving.cancelled():
            self._mender.recover_soon(feed)

    async def _bring(self, feeds: list[Feed], egress: Egress) -> tuple[tuple[str, TrackInfo], ...]:
        infos = await asyncio.gather(*(self._carrier.ensure(feed, egress) for feed in feeds))
        return tuple((self.key(feed.track), info) for feed, info in zip(feeds, infos, strict=True))
