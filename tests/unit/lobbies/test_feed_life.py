"""Whatever happens to a track in whatever order: its state follows, and only by the table."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from steadycast.lifecycle import RENDITION, RenditionState
from steadycast.lobbies.feed_life import Facts, FeedLife, next_state

S = RenditionState
Said = list[tuple[RenditionState, str | None, float]]

facts = st.builds(
    Facts, made=st.booleans(), moving=st.booleans(), held=st.booleans(), closing=st.booleans(), closed=st.just(False)
)
THERE = Facts(made=True, moving=False, held=True, closing=False, closed=False)
NOT_THERE = Facts(made=False, moving=False, held=True, closing=False, closed=False)
MOVES = Facts(made=True, moving=True, held=True, closing=False, closed=False)
UNWATCHED = Facts(made=True, moving=False, held=False, closing=False, closed=False)
CLOSES = Facts(made=False, moving=False, held=False, closing=True, closed=False)
GONE = Facts(made=False, moving=False, held=False, closing=False, closed=True)


def life() -> tuple[FeedLife, Said]:
    said: Said = []
    return FeedLife(0.0, lambda state, cause, took_s: said.append((state, cause, took_s))), said


@given(st.lists(facts, max_size=50), facts)
def test_it_never_leaves_the_table_and_always_ends(history: list[Facts], last: Facts) -> None:
    one, said = life()
    for number, fact in enumerate(history):
        one.follow(fact, float(number))
        assert next_state(one.state, fact) is one.state  # it is where the facts are
    one.follow(Facts(last.made, last.moving, last.held, last.closing, closed=True), float(len(history)))
    assert one.state is S.CLOSED
    for fact in (last, THERE):
        one.follow(fact, 1000.0)
        assert one.state is S.CLOSED, "gone stays gone"
    states = [state for state, _, _ in said]
    assert states[0] is S.OPENING
    assert all(new in RENDITION[old] for old, new in itertools.pairwise(states))
    assert sum(took for _, _, took in said) == len(history)


def test_a_life_as_it_mostly_is() -> None:
    one, said = life()
    for now, fact in enumerate((THERE, MOVES, THERE, UNWATCHED, THERE, NOT_THERE, THERE, UNWATCHED, CLOSES, GONE), 1):
        one.follow(fact, float(now))
    assert [state for state, _, _ in said] == [
        S.OPENING,
        S.OPEN,
        S.MOVING,
        S.OPEN,
        S.IDLE,
        S.OPEN,
        S.OPENING,
        S.OPEN,
        S.IDLE,
        S.CLOSING,
        S.CLOSED,
    ]


def test_a_cause_is_said_once() -> None:
    one, said = life()
    one.follow(THERE, 1.0)
    one.because("the driver is lost")
    one.follow(NOT_THERE, 3.0)
    one.follow(THERE, 3.5)
    assert said[1:] == [(S.OPEN, None, 1.0), (S.OPENING, "the driver is lost", 2.0), (S.OPEN, None, 0.5)]


def test_somebody_who_comes_while_it_closes_gets_it_opened_again() -> None:
    one, _ = life()
    for fact, state in ((THERE, S.OPEN), (CLOSES, S.CLOSING), (NOT_THERE, S.OPENING), (THERE, S.OPEN)):
        one.follow(fact, 1.0)
        assert one.state is state
