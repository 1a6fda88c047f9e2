"""Whose each staging buffer is, in every order of events, and when a pushed picture is shown."""

from __future__ import annotations

import itertools
import random

import pytest

from steadycast.errors import CallerError
from steadycast.leases.pools import Pressure
from steadycast.pipelines.staging.clock import ASTRAY, BURST, SECOND, Pace, Timeline
from steadycast.pipelines.staging.slots import KEPT_S, LEAST, Back, Place, Slots


class Lobby:
    """Buffers are numbers; all that were made and not ended are there."""

    def __init__(self, count: int) -> None:
        self.slots: Slots[list[int]] = Slots(count)
        self.there: list[list[int]] = []
        self.now = 0.0
        self.made = 0

    def come(self) -> list[int]:
        loans = self.slots.begin("x", self.now)
        for loan in loans:
            if loan.resource is None:
                self.made += 1
                self.there.append([self.made])
                self.slots.made(loan, self.there[-1], self.now)
        return [loan.number for loan in loans]

    def end(self) -> None:
        for buffer in self.slots.ended():
            self.there.remove(buffer)


def test_a_slot_is_sent_once_and_by_its_holder() -> None:
    lobby = Lobby(4)
    first = lobby.come()
    assert len(first) == 4
    lobby.slots.sent(first[0])
    for wrong in (first[0], 0, -1, max(first) + 1):
        with pytest.raises(CallerError) as caught:
            lobby.slots.sent(wrong)
        assert caught.value.code == "push.slot"
    lobby.slots.shown(first[0])
    assert lobby.slots.back(first[0], 0) is Back.FREE
    lobby.slots.sent(first[0])


def test_the_next_producer_gets_all_slots_whenever_the_one_before_died() -> None:
    lobby = Lobby(4)
    first = lobby.come()
    lobby.slots.sent(first[0])
    lobby.slots.shown(first[0])
    lobby.slots.sent(first[1])
    lobby.slots.leave(0)
    assert list(lobby.slots.looked_at()) == [first[0]]
    assert lobby.slots.back(first[0], 0) is Back.GONE
    second = lobby.come()
    assert len(second) == 4
    assert lobby.made == 4, "buffers are kept for the next"
    assert not set(first) & set(second), "a number that came again would be of two producers"
    with pytest.raises(CallerError):
        lobby.slots.sent(first[2])


def test_one_that_was_sent_away_may_still_write_so_its_buffers_are_nobody_elses() -> None:
    lobby = Lobby(4)
    first = lobby.come()
    lobby.slots.sent(first[0])
    lobby.slots.leave(0, lives=True)
    lobby.end()
    assert lobby.there == [[1]], "the one that was sent is not written any more"
    assert len(lobby.come()) == 4
    assert lobby.made == 7


def test_buffers_that_nobody_wants_go() -> None:
    lobby = Lobby(4)
    lobby.come()
    assert lobby.slots.next_change() is None
    lobby.slots.leave(1)
    assert lobby.slots.next_change() == pytest.approx(1 + KEPT_S)
    lobby.slots.prune(1 + KEPT_S)
    lobby.end()
    assert lobby.there == []


def test_pressure_shrinks_to_what_is_needed() -> None:
    lobby = Lobby(8)
    numbers = lobby.come()
    for number in numbers:
        lobby.slots.sent(number)
        lobby.slots.shown(number)
    lobby.slots.press(Pressure.HIGH, 0)
    back = [lobby.slots.back(number, 0) for number in numbers]
    lobby.end()
    assert back.count(Back.RETIRED) == 8 - LEAST
    assert len(lobby.there) == LEAST
    lobby.slots.leave(0)
    lobby.end()
    assert lobby.there == [], "nothing is kept for the next"


def test_no_order_of_events_strands_a_buffer_or_makes_one_too_many() -> None:
    for seed in range(60):
        dice = random.Random(seed)
        lobby = Lobby(dice.randint(LEAST, 8))
        mine: list[int] | None = None
        for _ in range(200):
            lobby.now += dice.choice([0, 0.1, 3])
            pick = dice.random()
            if mine is None:
                mine = lobby.come() if pick < 0.5 else None
                if mine is not None and len(mine) < LEAST:
                    lobby.slots.leave(lobby.now)
                    mine = None
            elif pick < 0.5 and mine:
                number = mine.pop(dice.randrange(len(mine)))
                lobby.slots.sent(number)
                lobby.slots.shown(number)
            elif pick < 0.6:
                lobby.slots.leave(lobby.now, lives=dice.random() < 0.3)
                mine = None
            for number in [one for one in lobby.slots.looked_at() if dice.random() < 0.4]:
                if lobby.slots.back(number, lobby.now) is Back.FREE:
                    assert mine is not None
                    mine.append(number)
            if dice.random() < 0.1:
                lobby.slots.press(dice.choice(list(Pressure)), lobby.now)
            lobby.end()
            assert len(lobby.there) <= lobby.slots.count
            assert lobby.slots.mine == (0 if mine is None else len(mine))
        lobby.slots.leave(lobby.now)
        for number in lobby.slots.looked_at():
            lobby.slots.back(number, lobby.now)
        lobby.slots.close(lobby.now)
        lobby.end()
        assert (lobby.there, lobby.slots.at(Place.PIPELINE), lobby.slots.statistics().lent) == ([], 0, 0)


def test_a_pace_is_kept_on_average_whoever_pushes_how_fast() -> None:
    pace, now, shown = Pace(25), 5 * SECOND, 0
    while now < 15 * SECOND:
        if pace.wait(now) == 0:
            pace.passed(now)
            shown += 1
        now += SECOND // 1000
    assert 250 <= shown <= 250 + BURST
    assert pace.wait(now) <= SECOND // 25


def test_a_producer_at_its_pace_never_waits_although_it_is_not_exact() -> None:
    dice, pace = random.Random(3), Pace(30)
    for number in range(900):
        now = SECOND + number * SECOND // 30 + dice.randint(0, SECOND // 60)
        assert pace.wait(now) <= SECOND // 60
        pace.passed(now + pace.wait(now))


def test_time_stamps_keep_their_distance_and_never_go_back() -> None:
    dice = random.Random(5)
    line, now, pts, latest = Timeline(), 0, 10 * SECOND, -1
    for _ in range(2000):
        now += dice.randint(0, SECOND // 10)
        pts += dice.choice([1, SECOND // 30, SECOND // 10, 5 * SECOND])
        if dice.random() < 0.02:
            line.anew()
            pts = dice.randint(0, 10**18)
        line.check(given := dice.choice([pts, None]))
        at = line.place(given, now)
        assert at > latest
        assert at <= max(now + ASTRAY, latest + 1)
        latest = at
    assert line.mapped > 0


def test_equal_steps_stay_equal() -> None:
    line, got = Timeline(), []
    for number in range(10):
        step = number * 40_000_000
        line.check(7 * SECOND + step)
        got.append(line.place(7 * SECOND + step, SECOND + step + number % 3 * 1_000_000))
    assert {b - a for a, b in itertools.pairwise(got)} == {40_000_000}


def test_a_time_stamp_that_goes_back_is_named() -> None:
    line = Timeline()
    line.check(9)
    for wrong, code in ((9, "push.backwards"), (3, "push.backwards"), (-1, "push.pts")):
        with pytest.raises(CallerError, match=str(wrong)) as caught:
            line.check(wrong)
        assert caught.value.code == code
    line.check(10)
    line.anew()
    line.check(0)
