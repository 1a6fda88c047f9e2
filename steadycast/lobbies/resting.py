"""Encoders that nobody watches: parked in their worker, which feeds them nothing, and taken over by who comes next.

Nothing of a parked track stays in an egress worker, so the next viewer begins with what is made for him. What cannot be
taken over is closed, and the track is opened anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from steadycast.errors import DeadlineError, EncoderError, SteadycastError
from steadycast.lobbies.feed import Feed
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.quietly import quietly
from steadycast.lobbies.seats import Encoding
from steadycast.model import EncoderFault

log = structlog.get_logger("lobby")

# A worker that answers has ended what it speaks of; one that says nothing so long holds it.
UNANSWERED = "worker.deadline"


class Resting:
    """Of one lobby. `key` is a track's name on a bus."""

    def __init__(self, encoding: Encoding, instances: Instances, key: Callable[[str], str]) -> None:
        self._encoding = encoding
        self._instances = instances
        self._key = key

    async def rest(self, feed: Feed) -> None:
        """Let nothing be made of a track that nobody holds. A worker that does not do it is left to its supervisor."""
        async with feed.lock:
            instance = feed.instance
            if feed.holds or feed.moving is not None or feed.ends or instance is None:
                return
            if instance.seat is None or instance.parked or not instance.stage.works:
                return
            instance.parked = True
            egresses = tuple(feed.buses)
            feed.buses.clear()
            for egress in egresses:
                await quietly(egress.close_track(self._key(feed.track)))
            await quietly(instance.stage.park(instance.name))

    async def wake(self, feed: Feed) -> None:
        """What makes a track is fed again, and what it makes may be read; else the track has nothing that makes it."""
        async with feed.lock:
            instance = feed.instance
            if instance is None or feed.encode is None or not instance.parked:
                return
            try:
                info, report = await instance.stage.take_over(feed.encode, instance.name)
            except SteadycastError as error:
                log.info("an encoder is opened anew", instance=instance.name, code=error.code, why=error.why)
                self._useless(feed, instance, error)
                return
            instance.info, instance.parked, instance.tuned = info, False, None  # it has its rendition's own bitrate
            if report is not None:
                self._instances.reported(instance.name, report)

    def _useless(self, feed: Feed, instance: Instance, error: SteadycastError) -> None:
        if feed.instance is instance:
            feed.life.because(error.why or error.what)
            feed.instance = None
        if instance.seat is not None and self._instances.has(instance):
            self._encoding.unfit(instance.seat)
        unanswered = isinstance(error, DeadlineError) and error.code == UNANSWERED
        if unanswered or error.code == EncoderFault.HUNG:
            self._instances.hangs(instance, error)
        elif isinstance(error, EncoderError) and instance.seat is not None:
            feed.tried.refuse(instance.seat.device, time.monotonic())
            self._instances.failed(instance.name, error.code, error.what)
        else:
            self._instances.close(instance)
