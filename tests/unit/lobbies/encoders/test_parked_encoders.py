"""Encoders that nobody watches, and the pool that counts them."""

from __future__ import annotations

import dataclasses

from steadycast.leases.decisions import EncodeRequest
from steadycast.leases.pools import Pressure
from steadycast.lobbies.encoders.parked import Parked, key_of
from steadycast.lobbies.seats import Seat
from steadycast.model import Codec, EncoderFault, EncoderOrder


class House:
    """Seats, and those that were told to close."""

    def __init__(self, idle: int = 4) -> None:
        self.now = 0.0
        self.parked = Parked(idle, lambda: self.now)
        self.closed: list[int] = []
        self._numbers = iter(range(1, 1000))

    def seat(self, holder: str = "l/main", device: str = "gpu") -> Seat:
        request = EncodeRequest(holder, Codec.H264, 1280, 720, 30.0, 0.0)
        order = EncoderOrder(device, "x", Codec.H264, "x264", ("x264enc",))
        return Seat(next(self._numbers), request, device, device, True, order, self.now)

    def opened(self, holder: str = "l/main", device: str = "gpu") -> Seat:
        seat = self.seat(holder, device)
        self.parked.opened(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        async def give_up() -> None:
            self.closed.append(seat.number)
            self.parked.gone(seat)

        self.parked.add(seat, give_up)


def test_the_key_is_what_does_not_change_in_place() -> None:
    house = House()
    one, other = house.seat(), house.seat()
    assert key_of(one) == key_of(other)
    for change in ({"width": 640}, {"height": 360}, {"fps": 29.97}, {"codec": Codec.VP8}, {"holder": "m/main"}):
        other.request = dataclasses.replace(one.request, **change)
        assert key_of(one) != key_of(other)
    other = house.seat("l/low")
    assert key_of(one) == key_of(other), "another track of the lobby may have it"
    other = house.seat(device="gpu2")
    assert key_of(one) != key_of(other)


async def test_who_comes_back_is_counted_as_reuse() -> None:
    house = House()
    seat = house.opened()
    for _ in range(9):
        house.leave(seat)
        assert seat in house.parked and house.parked.by_device() == {"gpu": 1}
        house.parked.watched(seat)
    told = house.parked.statistics()
    assert (told.created, told.reused, told.lent, told.idle, told.reuse) == (1, 9, 1, 0, 0.9)
    house.parked.gone(seat)
    told = house.parked.statistics()
    assert (told.lent, told.parted, dict(told.evicted)) == (0, 1, {})


async def test_one_that_cannot_be_taken_over_is_no_reuse() -> None:
    house = House()
    seat = house.opened()
    house.leave(seat)
    house.parked.watched(seat)
    house.parked.unfit(seat)
    house.parked.gone(seat)
    house.opened()
    told = house.parked.statistics()
    assert (told.created, told.reused, told.lent, told.evicted) == (2, 0, 1, {"unfit": 1})


async def test_more_than_may_be_kept_are_closed() -> None:
    house = House(idle=2)
    seats = [house.opened(f"l{number}/main") for number in range(5)]
    for seat in seats:
        house.now += 1
        house.leave(seat)
    await house.parked.settle()
    assert len(house.closed) == 3 and house.parked.by_device() == {"gpu": 2}
    assert house.parked.statistics().evicted == {"full": 3}


async def test_none_is_kept_where_none_may_be() -> None:
    house = House(idle=0)
    house.leave(house.opened())
    await house.parked.settle()
    assert house.closed == [1] and not house.parked.by_device()


async def test_a_host_that_is_short_of_memory_keeps_half_and_then_none() -> None:
    house = House()
    for number in range(4):
        house.leave(house.opened(f"l{number}/main"))
    house.parked.press(Pressure.MEDIUM, 1.0)
    await house.parked.settle()
    assert len(house.closed) == 2
    house.parked.press(Pressure.HIGH, 2.0)
    await house.parked.settle()
    assert len(house.closed) == 4 and house.parked.statistics().evicted == {"pressure": 4}
    house.leave(house.opened())
    await house.parked.settle()
    assert len(house.closed) == 5
    house.parked.press(Pressure.LOW, 3.0)
    house.leave(house.opened())
    assert house.parked.statistics().idle == 1


async def test_the_one_that_was_left_first_is_given_up_for_others_on_its_device() -> None:
    house = House()
    first, second, elsewhere = house.opened("a/main"), house.opened("b/main"), house.opened("c/main", "other")
    for seat in (elsewhere, first, second):
        house.leave(seat)
    assert house.parked.pick({"nothing"}) is None
    picked = house.parked.pick({"gpu"})
    assert picked is not None and picked[0] is first and first not in house.parked
    assert house.parked.statistics().evicted == {"room": 1}
    house.parked.watched(first)  # somebody came before it was closed: it goes on
    house.leave(first)
    assert first in house.parked and house.parked.statistics().idle == 3


async def test_ends_are_counted_by_why() -> None:
    house = House()
    aged, died, failed = house.opened("a/main"), house.opened("b/main"), house.opened("c/main")
    house.leave(aged)
    house.leave(died)
    died.fault = failed.fault = EncoderFault.DRIVER_LOST
    for seat in (aged, died, failed):
        house.parked.gone(seat)
        house.parked.gone(seat)  # said again, it is nothing
    told = house.parked.statistics()
    assert told.evicted == {"unused": 1, "lost": 2} and told.lent == told.idle == 0


async def test_one_whose_worker_died_is_lent_to_nobody() -> None:
    house = House()
    dying = house.opened()
    house.leave(dying)
    other = house.opened()  # the same track, in another worker
    house.leave(other)
    house.parked.watched(other)
    told = house.parked.statistics()
    assert (told.created, told.reused, told.lent, told.idle) == (2, 1, 1, 1)
    house.parked.gone(dying)
    assert house.parked.statistics().evicted == {"unused": 1} and not house.closed
