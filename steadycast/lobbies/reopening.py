"""Makes a track as another rendition on the stage that it is made on: its viewers stay. Its bitrate changes in place,
where its encoder takes that while it plays; all else is opened anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import structlog

from steadycast.errors import RefusedError, WorkerError
from steadycast.lobbies.adapting import Tuned
from steadycast.lobbies.becoming import suits
from steadycast.lobbies.carrying import Carrier
from steadycast.lobbies.feed import Failed, Feed, after
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.mending import Mender
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.shelf import Shelf
from steadycast.lobbies.swap import Swapper
from steadycast.model import Rendition, Retuned

log = structlog.get_logger("lobby")


@dataclass(frozen=True, slots=True)
class Reopened:
    """A track is made as another rendition. `lost`: whom it cannot be brought to; `retuned`: it was not opened anew."""

    lost: tuple[Failed, ...] = ()
    retuned: Retuned | None = None

    @property
    def how(self) -> str:
        """What was done, for a person."""
        if self.retuned is None:
            return "opened anew"
        kbps = self.retuned.bitrate_kbps
        return "changed in place" if kbps is None else f"changed in place: {kbps} kbit/s"


class Reopener:
    """Make before break where an encoder is free besides; else the old one gives its seat to the new one."""

    def __init__(
        self,
        shelf: Shelf,
        carrier: Carrier,
        opener: Opener,
        instances: Instances,
        mender: Mender,
    ) -> None:
        self._shelf = shelf
        self._carrier = carrier
        self._opener = opener
        self._instances = instances
        self._mender = mender
        self._swapper = Swapper(opener, instances, carrier.lay)

    async def reopen(self, feed: Feed, encode: Rendition) -> Reopened:
        """Make the track as `encode` from now on. Raises SteadycastError: it goes on as it was."""
        if not feed.holds:  # nobody watches: whoever comes opens it like this, or takes over what is parked
            before, feed.encode = feed.encode, encode
            if not self._stays_parked(feed.instance, before, encode):
                await self._shelf.close(feed)
            return Reopened()
        earlier: set[asyncio.Task[Any]] = {task for task in (feed.moving, feed.opening) if task is not None}
        task = feed.moving = self._carrier.spawn(self._reopen(feed, encode, earlier))
        task.add_done_callback(lambda _: self._done(feed, task))
        await asyncio.wait({task})
        if task.cancelled():  # nobody watches it any more, or its stage is lost: it is opened as it shall be
            feed.encode = encode
            return Reopened()
        if (retuned := task.result()) is not None:
            return Reopened(retuned=retuned)
        lost = await self._carrier.renew_all((feed,)) if feed.holds and self._carrier.stage is not None else ()
        return Reopened(lost)

    async def _reopen(self, feed: Feed, encode: Rendition, earlier: set[asyncio.Task[Any]]) -> Retuned | None:
        await after(earlier)
        stage, before, old = self._carrier.stage, feed.encode, feed.instance
        feed.encode = encode
        if stage is None or old is None or old.seat is None:
            return None
        try:
            if (retuned := await self._in_place(old, before, encode)) is not None:
                return retuned
            new = await self._opener.beside(feed, stage)
            if new is None and not suits(self._opener.policy, old.seat.device, old.seat.hardware):
                what = f"No encoder is free for {feed.track} that the policy allows."
                raise RefusedError("rendition.no_encoder", what, hint="Try again when one is free.", retry_after=5)
            why = None if new is None else await self._swapper.go_on_with(feed, new)
            if why is not None:
                raise WorkerError("rendition.not_changed", f"{feed.track} could not be changed.", why=why)
        except BaseException:
            feed.encode = before
            raise
        if new is None and feed.instance is old and not feed.holds:  # they left: it closes as it is
            self._shelf.close_soon(feed)
        elif new is None and feed.instance is old:
            feed.instance = None
            feed.inherit(self._instances.pass_on(old, self._opener.request(feed, encode, stage)))
        return None

    async def remake(self, feed: Feed, kbps: int | None) -> bool:
        """Go on with another encoder that makes this bitrate of the rendition (None: its own), make before break.
        False: it goes on as it was, since none is free besides or it does not work out. Raises SteadycastError."""
        if feed.moving is not None or not feed.holds:
            return False
        task = feed.moving = self._carrier.spawn(self._remake(feed, kbps))
        task.add_done_callback(lambda _: self._done(feed, task))
        await asyncio.wait({task})
        return not task.cancelled() and task.result()

    async def _remake(self, feed: Feed, kbps: int | None) -> bool:
        stage, encode = self._carrier.stage, feed.encode
        if stage is None or encode is None or not stage.works:
            return False
        made = encode if kbps is None else replace(encode, bitrate_kbps=kbps)
        new = await self._opener.beside(feed, stage, made)
        old = feed.instance
        if new is None:
            return False
        if old is not None and _is_hardware(old) and not _is_hardware(new):  # that would be a loss for all
            self._instances.close(new)
            return False
        new.tuned = Tuned(kbps)
        return await self._swapper.go_on_with(feed, new) is None

    def _stays_parked(self, old: Instance | None, before: Rendition | None, encode: Rendition) -> bool:
        """Its bitrate is set when somebody takes it over."""
        if old is None or old.seat is None or not old.parked or before is None:
            return False
        same = replace(before, bitrate_kbps=encode.bitrate_kbps) == encode
        return same and suits(self._opener.policy, old.seat.device, old.seat.hardware)

    async def _in_place(self, old: Instance, before: Rendition | None, encode: Rendition) -> Retuned | None:
        """None: it has to be opened anew. Raises SteadycastError where its worker does not do as it is told."""
        kbps, least = encode.bitrate_kbps, encode.bitrate_min_kbps
        if before is None or before == encode or replace(before, bitrate_kbps=kbps, bitrate_min_kbps=least) != encode:
            return None
        seat, works = old.seat, old.stage.works and not old.dead
        if seat is None or not works or not suits(self._opener.policy, seat.device, seat.hardware):
            return None
        retuned = await old.stage.retune(encode, old.name)
        if retuned.why is not None:
            log.debug("opened anew for another bitrate", instance=old.name, why=retuned.why)
            return None
        old.tuned = Tuned(None, retuned.bitrate_kbps)
        return retuned

    def _done(self, feed: Feed, task: asyncio.Task[Any]) -> None:
        if feed.moving is task:
            feed.moving = None
        self._shelf.moved(feed)
        self._mender.recover_soon(feed)


def _is_hardware(instance: Instance) -> bool:
    return instance.seat is not None and instance.seat.hardware
