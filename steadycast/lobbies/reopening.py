"""Opens a track anew on the stage that it is made on, as another rendition: its viewers stay."""

from __future__ import annotations

import asyncio
from typing import Any

from steadycast.errors import RefusedError, WorkerError
from steadycast.lobbies.becoming import suits
from steadycast.lobbies.carrying import Carrier
from steadycast.lobbies.feed import Failed, Feed, after
from steadycast.lobbies.instances import Instances
from steadycast.lobbies.mending import Mender
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.shelf import Shelf
from steadycast.lobbies.swap import Swapper
from steadycast.model import Rendition


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

    async def reopen(self, feed: Feed, encode: Rendition) -> tuple[Failed, ...]:
        """Make the track as `encode` from now on; answers with whom it cannot be brought to. Raises SteadycastError:
        it goes on as it was."""
        if not feed.holds:  # nobody watches: whoever comes opens it like this
            feed.encode = encode
            await self._shelf.close(feed)
            return ()
        earlier: set[asyncio.Task[Any]] = {task for task in (feed.moving, feed.opening) if task is not None}
        task = feed.moving = self._carrier.spawn(self._reopen(feed, encode, earlier))
        task.add_done_callback(lambda _: self._done(feed, task))
        await asyncio.wait({task})
        if task.cancelled():  # nobody watches it any more, or its stage is lost: it is opened as it shall be
            feed.encode = encode
            return ()
        task.result()
        return await self._carrier.renew_all((feed,)) if feed.holds and self._carrier.stage is not None else ()

    async def _reopen(self, feed: Feed, encode: Rendition, earlier: set[asyncio.Task[Any]]) -> bool:
        await after(earlier)
        stage, before, old = self._carrier.stage, feed.encode, feed.instance
        feed.encode = encode
        if stage is None or old is None or old.seat is None:
            return True
        try:
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
        return True

    def _done(self, feed: Feed, task: asyncio.Task[bool]) -> None:
        if feed.moving is task:
            feed.moving = None
        self._shelf.moved(feed)
        self._mender.recover_soon(feed)
