"""The tracks of a lobby that are in use, and the buses that carry them to egress workers.

A track is opened by its first holder and closed a while after its last. When the lobby gets a new stage, every track
with holders is opened again there and its buses are laid anew; the holders notice nothing.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field

import structlog

from steadycast.config.settings import Settings
from steadycast.errors import ConflictError, SteadycastError, WorkerError
from steadycast.leases.budget import Budget
from steadycast.lobbies.choose import AUDIO, Choice
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.ids import tag
from steadycast.lobbies.stage import Stage
from steadycast.model import Rendition, TrackInfo

log = structlog.get_logger("lobby")

# A bus that ends while both its workers live is laid again this often (a second, and at once), then its viewers go.
RELAY_PER_S = 0.2
RELAY_AT_ONCE = 5.0


@dataclass(frozen=True, slots=True)
class Bus:
    """What an egress worker reads: packets of the stage with this epoch, by the name its lobby worker knows it."""

    epoch: str
    reader: str


@dataclass(eq=False)
class Feed:
    """One track; `encode` is None for a copy and for audio."""

    track: str
    encode: Rendition | None
    relays: Budget
    info: TrackInfo | None = None
    epoch: str | None = None  # of the stage that `info` belongs to
    holds: dict[str, Egress] = field(default_factory=dict)
    buses: dict[Egress, Bus] = field(default_factory=dict)
    closes_at: float | None = None  # Unix seconds
    timer: asyncio.TimerHandle | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Failed:
    """A track that cannot be brought to an egress worker, and why."""

    track: str
    egress: Egress
    error: SteadycastError


class Feeds:
    """All feeds of one lobby."""

    def __init__(self, lobby: str, settings: Settings) -> None:
        self._lobby = lobby
        self._settings = settings
        self._feeds: dict[str, Feed] = {}
        self._stage: Stage | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, track: str) -> Feed | None:
        """A feed by its track's name."""
        return self._feeds.get(track)

    @property
    def running(self) -> int:
        """How many encoders run."""
        return sum(feed.encode is not None and feed.info is not None for feed in self._feeds.values())

    # --- holders

    async def hold(self, holder: str, choice: Choice, egress: Egress) -> tuple[tuple[str, TrackInfo], ...]:
        """Keep the tracks of a choice open for `holder` until `release`; answers with key and info of each.

        Raises SteadycastError; then nothing is held.
        """
        wanted = [(choice.track, choice.encode)] if choice.track else []
        wanted += [(AUDIO, None)] if choice.audio else []
        feeds = [self._feed(track, encode) for track, encode in wanted]
        for feed in feeds:
            feed.holds[holder] = egress
            self._keep(feed)
        try:
            await asyncio.gather(*(self._ensure(feed, egress) for feed in feeds))
        except BaseException:
            self.release(holder)
            raise
        return tuple((self.key(feed.track), feed.info) for feed in feeds if feed.info is not None)

    def release(self, holder: str) -> None:
        """The holder is gone; harmless where it held nothing."""
        for feed in tuple(self._feeds.values()):
            if feed.holds.pop(holder, None) is not None and not feed.holds:
                self._linger(feed)

    def holders(self, track: str, egress: Egress) -> tuple[str, ...]:
        """Who holds a track on one egress worker."""
        feed = self._feeds.get(track)
        return () if feed is None else tuple(h for h, e in feed.holds.items() if e is egress)

    def key(self, track: str) -> str:
        """The track's name on a bus."""
        return f"{self._lobby}/{track}"

    # --- stages and egress workers come and go

    def stage_lost(self) -> None:
        """The lobby does not stream now. Tracks without holders are given up."""
        self._stage = None
        for feed in tuple(self._feeds.values()):
            feed.info = None
            if not feed.holds:
                self._spawn(self._close(feed))

    async def stage_shows(self, stage: Stage) -> tuple[Failed, ...]:
        """Open every held track on the new stage. Answers with what cannot be had there."""
        self._stage = stage
        wanted = [(feed, egress) for feed in self._feeds.values() for egress in {*feed.holds.values(), *feed.buses}]
        tried = await asyncio.gather(*(self._renew(feed, egress) for feed, egress in wanted))
        return tuple(failed for failed in tried if failed is not None)

    def egress_gone(self, egress: Egress) -> None:
        """Its buses are gone; its holders are released by whoever holds."""
        for feed in self._feeds.values():
            feed.buses.pop(egress, None)

    def bus_lost(self, track: str, egress: Egress) -> bool:
        """Lay a lost bus again. False: it is lost too often, its viewers must go."""
        feed, stage = self._feeds.get(track), self._stage
        if feed is None or stage is None or not stage.works or egress not in feed.buses:
            return True  # the new stage lays it, or nobody wants it
        if feed.relays.take(time.monotonic()) > 0:
            return False
        del feed.buses[egress]
        self._spawn(self._ensure(feed, egress))
        return True

    def keyframe_wanted(self, track: str) -> None:
        """Ask the worker for a keyframe."""
        if self._stage is not None and self._stage.works:
            self._stage.force_keyframe(track)

    async def close(self) -> None:
        """Close all tracks everywhere; the holders must be gone."""
        await asyncio.gather(*(self._close(feed) for feed in tuple(self._feeds.values())))
        while self._tasks:
            await asyncio.gather(*self._tasks)

    # --- inside

    def _feed(self, track: str, encode: Rendition | None) -> Feed:
        if track not in self._feeds:
            self._feeds[track] = Feed(track, encode, Budget(RELAY_PER_S, RELAY_AT_ONCE, time.monotonic()))
        return self._feeds[track]

    async def _renew(self, feed: Feed, egress: Egress) -> Failed | None:
        try:
            await self._ensure(feed, egress)
        except SteadycastError as error:
            return Failed(feed.track, egress, error) if egress.works else None  # else its viewers are gone anyway
        return None

    async def _ensure(self, feed: Feed, egress: Egress) -> None:
        """The track is open on the present stage and this egress worker reads it."""
        async with feed.lock:
            stage = self._stage
            if stage is None:
                raise WorkerError("lobby.not_streaming", "The lobby lost its source just now.", retry_after=1)
            if feed.info is None or feed.epoch != stage.epoch:
                feed.info = await self._open(feed, stage)
                feed.epoch = stage.epoch
            bus = feed.buses.get(egress)
            if bus is None or bus.epoch != stage.epoch:
                feed.buses[egress] = await self._lay(feed, stage, egress, feed.info)

    async def _open(self, feed: Feed, stage: Stage) -> TrackInfo:
        if feed.encode is not None:
            return await stage.open(feed.encode)
        if feed.track not in stage.tracks:
            raise ConflictError("track.none", f"The source has no track {feed.track!r} any more.")
        return stage.tracks[feed.track]

    async def _lay(self, feed: Feed, stage: Stage, egress: Egress, info: TrackInfo) -> Bus:
        """A connected pair of sockets: the egress worker reads one end, the lobby worker writes into the other."""
        reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with reading, writing:
            await egress.open_bus(self.key(feed.track), stage.epoch, info, reading.detach())
            reader = f"{egress.id}.{tag()}"
            await stage.attach(feed.track, reader, writing.detach())
        return Bus(stage.epoch, reader)

    def _keep(self, feed: Feed) -> None:
        if feed.timer is not None:
            feed.timer.cancel()
        feed.timer = feed.closes_at = None

    def _linger(self, feed: Feed) -> None:
        self._keep(feed)
        seconds = self._settings.renditions.linger_s
        feed.closes_at = time.time() + seconds
        loop = asyncio.get_running_loop()
        feed.timer = loop.call_later(seconds, lambda: self._spawn(self._close(feed)))

    async def _close(self, feed: Feed) -> None:
        async with feed.lock:
            if feed.holds:
                return
            self._keep(feed)
            for egress in tuple(feed.buses):
                await _quietly(egress.close_track(self.key(feed.track)))
            stage = self._stage
            if stage is not None and stage.works and feed.info is not None:
                await self._close_on(stage, feed)
            feed.buses.clear()
            feed.info = None
            if not feed.holds:  # else somebody came meanwhile and opens it again after us
                self._feeds.pop(feed.track, None)

    async def _close_on(self, stage: Stage, feed: Feed) -> None:
        if feed.encode is not None:
            await _quietly(stage.close(feed.track))
            return
        for bus in feed.buses.values():
            if bus.epoch == stage.epoch:
                await _quietly(stage.detach(feed.track, bus.reader))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Coroutine[None, None, None]) -> None:
    """A worker that does not do this is ended by others; it is only worth a line."""
    try:
        await work
    except SteadycastError as error:
        log.warning("a track could not be changed", code=error.code, what=error.what, why=error.why)
