"""The chaos suite's own pure parts: strikes by the seed alone, and until when a picture may be missing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.chaos.config import restart_wait_s
from tests.support.chaos.driver import ACTS
from tests.support.chaos.schedule import KINDS, WAVE, schedule
from tests.support.chaos.touches import EVERYBODY, Outage, Touch, Touches

seeds = st.integers(1, 2**31)


@given(seeds, st.integers(1, 120))
def test_a_seed_replays(seed: int, strikes: int) -> None:
    waves = schedule(seed, strikes)
    assert waves == schedule(seed, strikes)
    assert sum(len(wave) for wave in waves) == strikes
    assert all(len(wave) <= WAVE for wave in waves)
    assert waves[0] == schedule(seed, strikes + 50)[0][: len(waves[0])], "a longer run begins like a shorter one"
    for wave in waves:
        assert [one.at for one in wave] == sorted(one.at for one in wave)


@given(seeds)
def test_every_kind_comes_early(seed: int) -> None:
    first = [one.kind for wave in schedule(seed, len(KINDS)) for one in wave]
    assert sorted(first) == sorted(KINDS)
    left_out = frozenset({"kill_plane", "crowd"})
    assert left_out.isdisjoint(one.kind for wave in schedule(seed, 200, left_out) for one in wave)


def test_every_kind_has_an_act() -> None:
    assert ACTS.keys() == KINDS.keys()


@given(seeds, st.integers(1, 9))
def test_choices_are_among_what_is_there(seed: int, number: int) -> None:
    assert all(0 <= one.choose(number) < number for wave in schedule(seed, 60) for one in wave)


def test_a_picture_is_possible_again() -> None:
    touches = Touches()
    touches.add(Touch(10.0, "a", 3.0, "stopped"))
    assert touches.possible_from("a", 9.0, comes=False) == 13.0
    assert touches.possible_from("b", 9.0, comes=False) == 9.0, "others are not touched"
    touches.add(Touch(11.0, EVERYBODY, 0.0, "all"))
    assert touches.possible_from("b", 9.0, comes=False) == 11.0
    assert touches.possible_from("b", 30.0, comes=False) == 30.0


def test_nothing_is_mended_without_a_control_plane() -> None:
    touches = Touches()
    touches.add(Touch(10.0, "a", 2.0, "stopped"))
    outage = Outage(11.0)
    touches.outages.append(outage)
    assert touches.possible_from("a", 9.0, comes=False) == math.inf
    assert touches.possible_from("b", 9.0, comes=False) == 9.0, "who was not touched sees on meanwhile"
    assert touches.possible_from("b", 9.0, comes=True) == math.inf, "who has no session gets none"
    outage.until = 20.0
    assert touches.possible_from("a", 9.0, comes=False) == 22.0
    assert touches.possible_from("b", 9.0, comes=True) == 20.0
    assert touches.down(20.5, 1.0) and not touches.down(22.0, 1.0)


def test_an_outage_long_after_lengthens_nothing() -> None:
    touches = Touches()
    touches.add(Touch(10.0, "a", 2.0, "stopped"))
    touches.outages.append(Outage(30.0))
    assert touches.possible_from("a", 9.0, comes=False) == 12.0
    assert touches.losses("a", 9.0) == 1 and touches.losses("a", 10.5) == 0


@pytest.mark.parametrize(("losses", "wait"), [(0, 0.0), (1, 0.0), (2, 0.625), (5, 5.0), (60, 8.0)])
def test_waits_of_restarts(losses: int, wait: float) -> None:
    assert restart_wait_s(losses) == wait
