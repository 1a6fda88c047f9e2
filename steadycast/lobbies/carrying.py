"""Carries tracks: opens them on the stage that shows, lays their buses to egress workers, and closes them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog

from steadycast.errors import SteadycastError, WorkerError
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.feed import Bus, Failed, Feed
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.opening import NO_STAGE, Opener
from steadycast.lobbies.quietly import quietly
from steadycast.lobbies.resting import Others, Resting
from steadycast.lobbies.seats import Encoding
from steadycast.lobbies.stage import Stage
from steadycast.lobbies.swap import bus_name
from steadycast.model import TrackInfo

log = structlog.get_logger("lobby")

# The worker does not know an instance that failed; that it failed is heard so much later at most.
UNKNOWN = "track.unknown"
SAID_S = 0.02
CHANGES_FOLLOWED = 8  # of what makes a track, while somebody comes to it


class Carrier:
    """What is done for the feeds of one lobby. `stage` is there only while the lobby shows."""

    def __init__(self, opener: Opener, instances: Instances, encoding: Encoding) -> None:
        self.stage: Stage | None = None
        self._opener = opener
        self._instances = instances
        self._resting = Resting(encoding, instances, opener, self.spawn)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.others: Others | None = None  # all tracks of the lobby

    def key(self, track: str) -> str:
        """The track's name on a bus, and the one it asks for a seat with."""
        return self._opener.holder(track)

    async def renew_all(self, feeds: Iterable[Feed]) -> tuple[Failed, ...]:
        """Bring tracks to all egress workers that need them. Answers with what cannot be had."""
        wanted = [(feed, egress) for feed in feeds for egress in feed.egresses()]
        tried = await asyncio.gather(*(self._renew(feed, egress) for feed, egress in wanted))
        return tuple(failed for failed in tried if failed is not None)

    async def _renew(self, feed: Feed, egress: Egress) -> Failed | None:
        try:
            await self.ensure(feed, egress)
        except SteadycastError as error:
            if egress.works and not feed.closed:  # else its viewers are gone anyway
                return Failed(feed.track, egress, error)
        return None

    async def ensure(self, feed: Feed, egress: Egress) -> TrackInfo:
        """The track is open on the present stage, or on its way there, and this egress worker reads it. Raises
        SteadycastError."""
        for _ in range(CHANGES_FOLLOWED):
            if feed.moving is not None and (info := feed.carried(egress)) is not None:
                return info
            await self._shown(feed)
            async with feed.lock:
                instance = feed.newest
                if instance is None or instance.stage is not self.stage or instance.parked:
                    continue
                bus = feed.buses.get(egress)
                if bus is not None and bus.instance in (feed.instance, instance):
                    return bus.instance.info
                try:
                    feed.buses[egress] = await self.lay(feed, instance, egress, bus_name(egress))
                    if not instance.dead:
                        return instance.info
                except SteadycastError as error:
                    if not instance.dead and error.code != UNKNOWN:
                        raise
            await asyncio.sleep(SAID_S)
        raise WorkerError("track.changing", f"{feed.track} changes all the time.", retry_after=1)

    async def _shown(self, feed: Feed) -> None:
        """Wait until something makes the track on the present stage: all who wait share one opening."""
        while feed.moving is not None and (feed.instance is None or feed.instance.stage is not self.stage):
            await asyncio.wait({feed.moving})
        stage = self.stage
        if stage is None:
            raise WorkerError("lobby.not_streaming", NO_STAGE, retry_after=1)
        if feed.closed:  # all left while this waited: what it opened now nobody would close
            raise WorkerError("track.closed", f"{feed.track} was closed meanwhile.", retry_after=1)
        if feed.instance is not None and feed.instance.stage is stage:
            if feed.instance.parked:
                await self._woken(feed)
            return
        opening = feed.opening
        if opening is None:
            opening = feed.opening = self.spawn(self._open(feed, stage))
        await asyncio.wait({opening})
        if self.stage is not stage and self.stage is not None:
            return  # it is opened again where the lobby is now
        if opening.cancelled():
            raise WorkerError("lobby.not_streaming", NO_STAGE, retry_after=1)
        opening.result()

    async def _woken(self, feed: Feed) -> None:
        """All who wait share one take-over, which is not cut off: its worker would not know."""
        waking = feed.waking
        if waking is None:
            waking = feed.waking = self.spawn(self._resting.wake(feed))
            waking.add_done_callback(lambda _: feed.awake(waking))
        await asyncio.wait({waking})

    def rest_soon(self, feed: Feed) -> None:
        """Nobody holds it: what makes it is parked, beside."""
        self.spawn(self._resting.rest(feed))

    async def _open(self, feed: Feed, stage: Stage) -> Instance:
        me = asyncio.current_task()
        try:
            inherited = None if self.others is None else await self._resting.inherit(feed, stage, self.others)
            instance = inherited or await self._opener.open(feed, stage)
            if feed.opening is not me or self.stage is not stage or feed.closed:
                self._instances.close(instance)
                raise WorkerError("lobby.not_streaming", NO_STAGE, retry_after=1)
        finally:
            if feed.opening is me:
                feed.opening = None
        there = feed.instance
        if there is not None and there.stage is stage:  # a move was quicker
            self._instances.close(instance)
            return there
        feed.instance = instance
        if there is not None:  # nobody watched it when the lobby went to this stage, and that may yet go back
            self._instances.close(there)
        return instance

    async def lay(self, feed: Feed, instance: Instance, egress: Egress, name: str) -> Bus:
        """A connected pair of sockets: the egress worker reads one end, the lobby worker writes into the other. Raises
        SteadycastError."""
        key, epoch = self.key(feed.track), instance.stage.epoch
        try:
            reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:  # descriptors or memory, of this process or of all
            what = f"No bus can be laid for {feed.track}."
            raise WorkerError("bus.open", what, why=error.strerror, hint="ulimit -n", retry_after=1) from None
        with reading, writing:
            await egress.open_bus(key, epoch, instance.info, name, reading.detach())
            await instance.stage.attach(instance.name, name, writing.detach())
        return Bus(instance, name)

    async def close_instance(self, instance: Instance, buses: Iterable[Bus]) -> None:
        """End what made a track; `buses` are its readers."""
        if instance.seat is not None:
            await self._instances.close(instance)
            return
        for bus in buses:
            if bus.instance.stage is instance.stage and instance.stage.works:
                await quietly(instance.stage.detach(instance.name, bus.name))

    async def settled(self) -> None:
        """Wait until all that was begun is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._instances.settled()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do this beside; `settled` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, SteadycastError):  # those are told to whoever waits
            log.error("a track failed", exc_info=error)
