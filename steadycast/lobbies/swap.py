"""Moves a track to another encoder: make before break, at a keyframe. Its viewers see no more than that keyframe.

The instance before lives until every egress worker goes on with the new one. Where that does not happen it is the new
one that ends; never both, unless both fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steadycast.errors import ConflictError, SteadycastError
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.feed import Bus, Feed, Swap
from steadycast.lobbies.ids import tag
from steadycast.lobbies.instances import Instance, Instances
from steadycast.lobbies.opening import Opener
from steadycast.lobbies.seats import Seat
from steadycast.lobbies.stage import Stage
from steadycast.patience import wait_patiently

log = structlog.get_logger("lobby")

TAKEN_S = 5.0  # from a new bus until its egress worker goes on with it: it asks for a keyframe at once
Lay = Callable[[Feed, Instance, Egress, str], Awaitable[Bus]]  # the last is the name of the bus


class Swapper:
    """Moves the tracks of one lobby. `lay` brings an instance to an egress worker."""

    def __init__(self, opener: Opener, instances: Instances, lay: Lay) -> None:
        self._opener = opener
        self._instances = instances
        self._lay = lay

    async def move(self, feed: Feed, stage: Stage, seat: Seat) -> bool:
        """Whether the track goes on with this seat. Else the seat is ended, and what the track had goes on."""
        try:
            new = await self._opener.open_on(feed, stage, seat)
        except SteadycastError as error:
            log.warning("a move failed", holder=seat.request.holder, device=seat.device, code=error.code)
            return False
        if (why := await self.go_on_with(feed, new)) is None:
            return True
        log.warning("a move failed", holder=seat.request.holder, device=seat.device, why=why)
        return False

    async def go_on_with(self, feed: Feed, new: Instance) -> str | None:
        """Bring a track to an instance that is open: None, and the one before is closed; else why not, and the new one
        is closed."""
        swap = Swap(new)
        try:
            why = await self.switch(feed, swap, TAKEN_S)
            if feed.ends:
                return "it was closed meanwhile"
            if not self._instances.has(new):  # the lobby went to another stage, or back, while this one was opened
                why = "its worker is not the lobby's any more"
            elif why is None or feed.instance is None:  # else nothing would be left
                self.take_over(feed, swap)
                return None
            await self.go_back(feed, swap)
            return why
        finally:
            feed.swap = None
            if feed.instance is not new:
                self._instances.close(new)

    async def switch(self, feed: Feed, swap: Swap, seconds: float) -> str | None:
        """Bring the new instance to all who read the one before; why they do not all go on with it within so many
        seconds, or None. `feed.swap` stays: `take_over` or `go_back` follows."""
        new = swap.instance
        try:
            async with feed.lock:
                feed.swap = swap
                if feed.instance is not None and feed.instance.info.codec is not new.info.codec:
                    raise ConflictError("track.codec_changed", f"{feed.track} cannot go on with another codec.")
                for egress in tuple(feed.buses):
                    await self._lay_new(feed, swap, egress)
        except SteadycastError as error:
            return error.what
        if new.stage.works:
            new.stage.force_keyframe(new.name)
        if swap.taken:
            await wait_patiently(swap.taken.values(), seconds)
        if new.dead:
            return "it failed meanwhile"
        late = sum(not taken.done() for taken in swap.taken.values())
        if late:
            what = f"{late} of {len(swap.taken)} egress workers got no keyframe of it within {seconds:g} s"
            if late == len(swap.taken):
                self._instances.useless(new, what)
            return what
        return None

    async def _lay_new(self, feed: Feed, swap: Swap, egress: Egress) -> None:
        name = bus_name(egress)
        swap.taken[name] = asyncio.get_running_loop().create_future()
        try:
            swap.buses[egress] = await self._lay(feed, swap.instance, egress, name)
        except SteadycastError:
            if egress.works:
                raise
            swap.answer(name, False)  # its viewers are gone with it

    def take_over(self, feed: Feed, swap: Swap) -> None:
        """The new instance is the one; the one before is closed."""
        old, feed.instance = feed.instance, swap.instance
        for egress, bus in swap.buses.items():
            if egress in feed.buses and feed.buses[egress].instance is not swap.instance:
                feed.buses[egress] = bus
        if old is not None:
            self._instances.close(old)

    async def go_back(self, feed: Feed, swap: Swap) -> None:
        """Whoever reads the new instance gets what was there before."""
        async with feed.lock:
            feed.swap = None
            old = feed.instance
            for egress, bus in tuple(feed.buses.items()):
                own = swap.buses.get(egress)
                if old is None or not (bus.instance is swap.instance or (own and _is_taken(swap.taken[own.name]))):
                    continue
                try:
                    feed.buses[egress] = await self._lay(feed, old, egress, bus_name(egress))
                except SteadycastError as error:
                    log.warning("a track could not be changed", code=error.code, what=error.what, why=error.why)


def bus_name(egress: Egress) -> str:
    """A name for a new bus."""
    return f"{egress.id}.{tag()}"


def _is_taken(future: asyncio.Future[bool]) -> bool:
    return future.done() and future.result()
