"""Encoders that nobody watches: parked in their worker, which feeds them nothing, and taken over by who comes next.

Nothing of a parked track stays in an egress worker, so the next viewer begins with what is made for him. What cannot be
taken over is closed, and the track is opened anew. An encoder may also go to another track of its lobby that wants the
same of it but for the bitrate.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, Protocol

import structlog

from steadycast.errors import DeadlineError, EncoderError, SteadycastError
from steadycast.lobbies.becoming import suits
from steadycast.lobbies.feed import Feed
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.quietly import quietly
from steadycast.lobbies.seats import Encoding
from steadycast.lobbies.stage import Stage
from steadycast.model import EncoderFault, Rendition

log = structlog.get_logger("lobby")

# A worker that answers has ended what it speaks of; one that says nothing so long holds it.
UNANSWERED = "worker.deadline"


class Others(Protocol):
    """The tracks of a lobby."""

    def __iter__(self) -> Iterator[Feed]:
        """All of them."""

    def close_soon(self, feed: Feed) -> None:
        """Close one that nobody holds, beside."""


Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]


class Resting:
    """Of one lobby. What `spawn` begins is waited for by whoever gave it."""

    def __init__(self, encoding: Encoding, instances: Instances, opener: Opener, spawn: Spawn) -> None:
        self._encoding = encoding
        self._instances = instances
        self._opener = opener
        self._spawn = spawn

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
                await quietly(egress.close_track(self._opener.holder(feed.track)))
            await quietly(instance.stage.park(instance.name))

    async def wake(self, feed: Feed) -> None:
        """What makes a track is fed again, and what it makes may be read; else the track has nothing that makes it."""
        async with feed.lock:
            instance = feed.instance
            if instance is None or feed.encode is None or not instance.parked:
                return
            error = await self._take_over(feed, instance, feed.encode)
            if error is not None and feed.instance is instance:
                feed.life.because(error.why or error.what)
                feed.instance = None

    async def inherit(self, feed: Feed, stage: Stage, others: Others) -> Instance | None:
        """What rests for another track and does for this one; None: there is none. Cut off, it is closed."""
        for donor in others:
            if feed.encode is None or not self._may_give(donor, feed.encode, stage):
                continue
            async with donor.lock:
                instance = donor.instance
                if instance is None or instance.seat is None or not self._may_give(donor, feed.encode, stage):
                    continue
                self._encoding.idle(instance.seat, None)
                self._encoding.pass_to(instance.seat, self._opener.request(feed, feed.encode, stage))
                donor.life.because(f"{feed.track} goes on with its encoder")
                donor.instance = donor.parked = None
            others.close_soon(donor)
            taking = self._spawn(self._take_over(feed, instance, feed.encode))
            try:
                error = await asyncio.shield(taking)
            except asyncio.CancelledError:
                taking.add_done_callback(lambda _, it=instance: self._instances.close(it))  # type: ignore[misc]
                raise
            if error is None and not instance.dead:
                feed.tried.since = None
                return instance
        return None

    def _may_give(self, donor: Feed, encode: Rendition, stage: Stage) -> bool:
        instance = donor.instance
        if donor.holds or donor.moving is not None or donor.ends or donor.encode is None or instance is None:
            return False
        if instance.seat is None or not instance.parked or instance.stage is not stage or donor.parked is None:
            return False
        seat = instance.seat
        same = replace(encode, name=donor.encode.name, bitrate_kbps=donor.encode.bitrate_kbps) == donor.encode
        return same and donor.parked is seat and suits(self._opener.policy, seat.device, seat.hardware)

    async def _take_over(self, feed: Feed, instance: Instance, encode: Rendition) -> SteadycastError | None:
        """None: it may be read. Else it is closed, or its worker ends."""
        try:
            info, report = await instance.stage.take_over(encode, instance.name)
        except SteadycastError as error:
            log.info("an encoder is opened anew", instance=instance.name, code=error.code, why=error.why)
            self._useless(feed, instance, error)
            return error
        instance.info, instance.parked, instance.tuned = info, False, None  # it has its rendition's own bitrate
        if report is not None:
            self._instances.reported(instance.name, report)
        return None

    def _useless(self, feed: Feed, instance: Instance, error: SteadycastError) -> None:
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
