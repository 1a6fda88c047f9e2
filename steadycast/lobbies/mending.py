"""Mends tracks: opens again what failed and lays lost buses again, until that is too often; then their viewers go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from steadycast.errors import EncoderError, WorkerError
from steadycast.lobbies.carrying import Carrier
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.feed import Failed, Feed
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.quietly import quietly
from steadycast.lobbies.shelf import Shelf
from steadycast.workers.messages import EncoderReported, RenditionFailed


class Mender:
    """Of one lobby. `failed` hears of tracks that cannot be had any more."""

    def __init__(
        self, shelf: Shelf, carrier: Carrier, instances: Instances, failed: Callable[[tuple[Failed, ...]], None]
    ) -> None:
        self._shelf = shelf
        self._carrier = carrier
        self._instances = instances
        self._failed = failed

    def heard(self, message: RenditionFailed | EncoderReported) -> None:
        """What a lobby worker says of its encoders."""
        if isinstance(message, EncoderReported):
            self._instances.reported(message.instance, message.report)
            return
        what = message.what if message.why is None else f"{message.what}: {message.why}"
        failed = self._instances.failed(message.instance, message.code, what)
        for feed in self._shelf:
            if failed is not None and feed.swap is not None and feed.swap.instance is failed:
                feed.swap.stop_waiting()
            elif failed is not None and feed.instance is failed and failed.seat is not None:
                feed.tried.refuse(failed.seat.device, time.monotonic())
                self._broke(feed, EncoderError(message.code, what))

    def bus_lost(self, feed: Feed, egress: Egress) -> None:
        """Lay a lost bus again; where it is lost too often, its viewers must go."""
        stage = self._carrier.stage
        if stage is None or not stage.works or feed.instance is None or egress not in feed.buses:
            return  # what comes next lays it, or nobody wants it
        lost = feed.buses.pop(egress)
        feed.stop_waiting(egress)
        self._carrier.spawn(self._relay(feed, egress, lost.instance))

    def recover_soon(self, feed: Feed) -> None:
        """Bring a track to all who need it, beside: for what came and went while it moved."""
        if feed.holds and self._carrier.stage is not None:
            self._carrier.spawn(self._recover(feed))

    async def renew(self, feeds: Iterable[Feed], seconds: float, unless: asyncio.Future[Any]) -> tuple[Failed, ...]:
        """Bring tracks to all who need them. Answers with what cannot be had, as far as that is known in time, or when
        `unless` is done; what becomes of the rest is told when it is known."""
        renewing = self._carrier.spawn(self._carrier.renew_all(feeds))
        await asyncio.wait({renewing, unless}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if renewing.done():
            failed: tuple[Failed, ...] = renewing.result()
            return failed
        renewing.add_done_callback(self._renewed)
        return ()

    def _renewed(self, renewing: asyncio.Task[tuple[Failed, ...]]) -> None:
        stage = self._carrier.stage
        if not renewing.cancelled() and renewing.exception() is None and stage is not None and stage.works:
            self._failed(renewing.result())

    def _broke(self, feed: Feed, error: EncoderError) -> None:
        """What made a track failed; a move that is under way takes over, else it is opened again."""
        feed.life.because(error.what)
        feed.instance = None
        if not feed.holds:
            self._shelf.close_soon(feed)
        elif feed.failures.take(time.monotonic()) > 0:
            self._failed(tuple(Failed(feed.track, egress, error) for egress in set(feed.holds.values())))
        elif feed.moving is None:
            self._carrier.spawn(self._recover(feed))

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
