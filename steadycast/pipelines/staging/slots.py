"""Which staging buffer is whose, on the pool of leases. Pure; `now` in seconds of a monotonic clock.

A slot is a loan of one buffer to one producer; its number is the loan's, and never comes again. When the producer is
gone its slots go back to the pool at once, those that the pipeline still looks at as soon as it does not any more.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Generic, TypeVar

from steadycast.errors import CallerError
from steadycast.leases.pools import Bounds, Loan, Pool, PoolStatistics, Pressure

B = TypeVar("B")
LEAST = 3  # one is shown, one is on its way, one is being written
KEPT_S = 10.0  # buffers stay so long for the next producer, which is mostly the same program started again
KEY = "frame"


class Place(Enum):
    """Where a slot is."""

    PRODUCER = auto()  # it is being written, or free to be
    WAITING = auto()  # sent, its time has not come
    PIPELINE = auto()  # something here looks at it


class Back(Enum):
    """What becomes of a slot that nothing here looks at any more."""

    FREE = auto()  # the producer has it again
    RETIRED = auto()  # the host is short of memory: the producer has one less
    GONE = auto()  # its producer is gone


class Slots(Generic[B]):
    """Of one lobby: `count` buffers at most, whoever comes and goes. What `ended` lists is to be closed by the caller,
    after each call."""

    def __init__(self, count: int) -> None:
        half = max(LEAST, count // 2)
        bounds = Bounds(
            count, count, keys=1, waiting=0, idle_s=KEPT_S, total_medium=min(count, half), total_high=min(count, LEAST)
        )
        self._pool: Pool[str, B] = Pool(bounds)
        self._places: dict[int, Place] = {}  # of the producer that is there
        self._loans: dict[int, Loan[str, B]] = {}  # of it, and of those before it that the pipeline still looks at
        self.count = count

    def begin(self, holder: str, now: float) -> list[Loan[str, B]]:
        """Slots for a producer that came, as many as there are; those without buffer are to be `made`, or `failed`."""
        assert not self._places, "one producer at a time"
        while (loan := self._pool.take(KEY, holder, now)) is not None:
            self._loans[loan.number] = loan
            self._places[loan.number] = Place.PRODUCER
        return [self._loans[number] for number in self._places]

    def made(self, loan: Loan[str, B], buffer: B, now: float) -> None:
        """The buffer of a new slot is there."""
        self._pool.made(loan, buffer, now)

    def failed(self, loan: Loan[str, B], now: float) -> None:
        """It could not be made: there is no such slot."""
        self._pool.failed(loan, now)
        self._loans.pop(loan.number)
        self._places.pop(loan.number)

    @property
    def mine(self) -> int:
        """How many the producer has."""
        return self.at(Place.PRODUCER)

    def at(self, place: Place) -> int:
        """How many of the producer's slots are there."""
        return sum(one is place for one in self._places.values())

    def sent(self, number: int) -> None:
        """The producer says that a picture is in it. Raises CallerError `push.slot`."""
        place = self._places.get(number)
        if place is not Place.PRODUCER:
            what = f"Slot {number} is not yours" + (": it was sent already." if place else ": there is no such slot.")
            raise CallerError("push.slot", what, hint="Write only into slots of `welcome`, and after `free`.")
        self._places[number] = Place.WAITING

    def shown(self, number: int) -> B:
        """The pipeline looks at it from now on; the buffer."""
        assert self._places[number] is Place.WAITING
        self._places[number] = Place.PIPELINE
        return self._buffer(number)

    def looked_at(self) -> dict[int, B]:
        """Those that the pipeline may look at, also of producers that are gone."""
        numbers = [number for number in self._loans if self._places.get(number, Place.PIPELINE) is Place.PIPELINE]
        return {number: self._buffer(number) for number in numbers}

    def back(self, number: int, now: float) -> Back:
        """Nothing here looks at it any more, or it was refused."""
        if number not in self._places:
            self._pool.give_back(self._loans.pop(number), now)
            return Back.GONE
        told = self._pool.statistics()
        if told.lent + told.idle > told.total and len(self._places) > LEAST:
            del self._places[number]
            self._pool.lose(self._loans.pop(number), now)
            return Back.RETIRED
        self._places[number] = Place.PRODUCER
        return Back.FREE

    def leave(self, now: float, *, lives: bool = False) -> None:
        """The producer is gone: what it had, and what waits, is the pool's again. One that `lives` was sent away, and
        may still write into what it had: that goes to nobody else."""
        for number, place in self._places.items():
            if place is Place.PRODUCER and lives:
                self._pool.lose(self._loans.pop(number), now)
            elif place is not Place.PIPELINE:
                self._pool.give_back(self._loans.pop(number), now)
        self._places.clear()

    def press(self, pressure: Pressure, now: float) -> None:
        """How short of memory the host is: idle buffers go, and slots do when they come back."""
        self._pool.press(pressure, now)

    def prune(self, now: float) -> None:
        """What nobody used for a while goes; ask at `next_change`."""
        self._pool.prune(now)

    def next_change(self) -> float | None:
        """When `prune` will find something; None: never, as things are."""
        return self._pool.next_change()

    def close(self, now: float) -> None:
        """Nothing is lent any more."""
        self._pool.close(now)

    def ended(self) -> list[B]:
        """Buffers to be closed."""
        return self._pool.ended()

    def statistics(self) -> PoolStatistics:
        """Of the pool."""
        return self._pool.statistics()

    def _buffer(self, number: int) -> B:
        buffer = self._loans[number].resource
        assert buffer is not None
        return buffer
