"""Encoders that run though nobody watches them: they are closed when somebody else needs their place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

import structlog

from steadycast.errors import SteadycastError
from steadycast.lobbies.seats import Seat

log = structlog.get_logger("encoders")

# For an idle encoder to be closed; then the one who was to get its place is decided about without it.
GIVE_UP_S = 6.0

GiveUp = Callable[[], Awaitable[None]]


class Parked:
    """Those that were not asked to close yet, in the order in which they were left."""

    def __init__(self) -> None:
        self._idle: dict[int, tuple[Seat, GiveUp]] = {}

    def __contains__(self, seat: Seat) -> bool:
        return seat.number in self._idle

    def add(self, seat: Seat, give_up: GiveUp) -> None:
        self._idle[seat.number] = seat, give_up

    def discard(self, seat: Seat) -> None:
        """It is watched again, or gone."""
        self._idle.pop(seat.number, None)

    def by_device(self) -> Counter[str]:
        """How many of them are on each device."""
        return Counter(seat.device for seat, _ in self._idle.values())

    def pick(self, devices: Collection[str]) -> tuple[Seat, GiveUp] | None:
        """The one on these devices that was left first; nobody else gets it any more."""
        found = next((one for one in self._idle.values() if one[0].device in devices), None)
        if found is not None:
            del self._idle[found[0].number]
        return found


async def close(idle: tuple[Seat, GiveUp]) -> None:
    """Ask it to close; it may go on, because somebody came to watch it."""
    seat, give_up = idle
    try:
        async with asyncio.timeout(GIVE_UP_S):
            await give_up()
    except (TimeoutError, SteadycastError) as error:
        log.warning("an idle encoder was not given up", holder=seat.request.holder, why=str(error))
