"""Encoders of which nobody watches what they make: kept for the next viewer, and given up first.

One pool counts all encoders: an encoder that opens is a thing that is made, one whose last viewer left is given back,
one that is taken over is lent again. What the pool does not keep is closed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import structlog

from steadycast.errors import SteadycastError
from steadycast.leases.pools import Bounds, Evicted, Loan, Pool, PoolStatistics, Pressure
from steadycast.lobbies.encoders.admissions import lobby_of
from steadycast.lobbies.seats import Seat
from steadycast.model import Codec

log = structlog.get_logger("encoders")

# For an idle encoder to be closed; then the one who was to get its place is decided about without it.
GIVE_UP_S = 6.0
ENCODERS_MAX = 100_000  # of a host, watched or not; the leases bound them long before

GiveUp = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Key:
    """What an encoder must agree in to be given to somebody: never in its bitrate, which changes in place.

    `lobby`: an encoder stays in its worker. `rate` is in thousandths of a frame a second. `entry`
    is the row of the table of encoders (or the operator's text), which fixes pixel format and profile.
    """

    lobby: str
    device: str
    codec: Codec
    width: int
    height: int
    rate: int
    entry: str


def key_of(seat: Seat) -> Key:
    """Of the encoder on this seat."""
    asked, order = seat.request, seat.order
    entry = order.entry if order.fragment is None else order.fragment
    return Key(
        lobby_of(asked.holder), seat.device, asked.codec, asked.width, asked.height, round(asked.fps * 1000), entry
    )


class Parked:
    """Those that were not asked to close yet, in the order in which they were left. `idle`: how many are kept."""

    def __init__(self, idle: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        bounds = Bounds(ENCODERS_MAX, idle, keys=max(1, idle))
        self._pool: Pool[Key, Seat] = Pool(bounds)
        self._loans: dict[int, Loan[Key, Seat]] = {}
        self._idle: dict[int, tuple[Seat, GiveUp]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __contains__(self, seat: Seat) -> bool:
        return seat.number in self._idle

    def opened(self, seat: Seat) -> None:
        """It encodes, and somebody watches."""
        now = self._clock()
        loan = self._pool.take(key_of(seat), seat.request.holder, now, only=seat)
        if loan is not None:
            self._pool.made(loan, seat, now)
            self._loans[seat.number] = loan
        self._end_what_is_not_kept()

    def add(self, seat: Seat, give_up: GiveUp) -> None:
        """Nobody watches it any more. Where it is not kept, or another in its place, that is closed beside."""
        if seat.number not in self._loans and seat.number not in self._idle:
            self.opened(seat)
        loan = self._loans.pop(seat.number, None)
        self._idle[seat.number] = seat, give_up
        if loan is not None:
            self._pool.give_back(loan, self._clock())
        self._end_what_is_not_kept()

    def watched(self, seat: Seat) -> None:
        """It is wanted again."""
        if self._idle.pop(seat.number, None) is None:
            return  # it is given up, and goes on if that comes too late
        loan = self._pool.take(key_of(seat), seat.request.holder, self._clock(), make=False, only=seat)
        if loan is not None:
            self._loans[seat.number] = loan
        self._end_what_is_not_kept()

    def unfit(self, seat: Seat) -> None:
        """It was wanted, and could not be taken over: it is closed by whoever says so."""
        loan = self._loans.pop(seat.number, None)
        if loan is not None:
            self._pool.unfit(loan, self._clock(), make=False)
        self._pool.ended()

    def gone(self, seat: Seat) -> None:
        """It is closed, or died."""
        now, loan = self._clock(), self._loans.pop(seat.number, None)
        if loan is not None and seat.fault is not None:
            self._pool.lose(loan, now)
        elif loan is not None:
            self._pool.part(loan, now)
        elif self._idle.pop(seat.number, None) is not None:
            self._pool.lost(seat, now, Evicted.LOST if seat.fault is not None else Evicted.UNUSED)
        self._pool.ended()

    def by_device(self) -> Counter[str]:
        """How many of them are on each device."""
        return Counter(seat.device for seat, _ in self._idle.values())

    def pick(self, devices: Collection[str]) -> tuple[Seat, GiveUp] | None:
        """The one on these devices that was left first; nobody else gets it any more."""
        found = next((one for one in self._idle.values() if one[0].device in devices), None)
        if found is not None:
            del self._idle[found[0].number]
            self._pool.lost(found[0], self._clock(), Evicted.ROOM)
            self._pool.ended()
        return found

    def press(self, pressure: Pressure, now: float) -> None:
        """How short the host is of memory: half of them are closed, or all."""
        self._pool.press(pressure, now)
        self._end_what_is_not_kept()

    def statistics(self) -> PoolStatistics:
        """Of all encoders: watched ones are lent, those of which nobody watches anything are idle."""
        return self._pool.statistics()

    async def settle(self) -> None:
        """Wait until what is not kept is closed, or cannot be."""
        if self._closing:
            await asyncio.wait(self._closing, timeout=GIVE_UP_S)

    def _end_what_is_not_kept(self) -> None:
        for seat in self._pool.ended():
            idle = self._idle.pop(seat.number, None)
            if idle is not None:
                task = asyncio.get_running_loop().create_task(close(idle))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)


async def close(idle: tuple[Seat, GiveUp]) -> None:
    """Ask it to close; it may go on, because somebody came to watch it."""
    seat, give_up = idle
    try:
        async with asyncio.timeout(GIVE_UP_S):
            await give_up()
    except (TimeoutError, SteadycastError) as error:
        log.warning("an idle encoder was not given up", holder=seat.request.holder, why=str(error))
