"""Promotion: the line first, one at a time in a pool, a slot free for a while, longer rests after failures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.promotion import FIRST_REST_S, LONGEST_REST_S, MOST_RESTING, Candidate, Promotion, Promotions

G = frozenset({"geforce"})


def candidate(holder: str, since: float = 0.0, priority: int = 50, pools: frozenset[str] = G) -> Candidate:
    return Candidate(holder, since, priority, pools)


def test_a_slot_must_be_free_for_a_while() -> None:
    promotions, who = Promotions(3.0), [candidate("a")]
    for now, free in ((0.0, 1), (2.9, 1), (3.0, 0), (3.1, 1), (6.0, 1)):
        assert promotions.choose(who, {"geforce": free}, {}, now) == ()
    assert promotions.next_at([], 6.0) == 6.1
    assert promotions.choose(who, {"geforce": 1}, {}, 6.1) == (Promotion("a", "geforce"),)


def test_the_line_comes_first() -> None:
    promotions, who = Promotions(3.0), [candidate("a")]
    promotions.seen({"geforce": 2}, 0)
    assert promotions.choose(who, {"geforce": 2}, {"geforce": 2}, 9) == ()
    assert promotions.choose(who, {"geforce": 2}, {"geforce": 1}, 9) == (Promotion("a", "geforce"),)


def test_one_at_a_time_and_in_order() -> None:
    promotions = Promotions(3.0)
    who = [candidate("late", 2.0), candidate("early", 1.0), candidate("important", 2.0, 100)]
    free = {"geforce": None}
    promotions.seen(free, 0)
    moved = []
    while chosen := promotions.choose(who, free, {}, 10):
        assert len(chosen) == 1
        promotions.begun(chosen[0])
        assert promotions.choose(who, free, {}, 10) == ()
        promotions.ended(chosen[0], True, 10)
        who = [one for one in who if one.holder != chosen[0].holder]
        moved.append(chosen[0].holder)
    assert moved == ["important", "early", "late"]


def test_failed_moves_rest_longer_each_time_and_do_not_hold_up_others() -> None:
    promotions, now, rests = Promotions(1.0), 100.0, []
    promotions.seen({"geforce": 1}, 0)
    for _ in range(9):
        chosen = promotions.choose([candidate("a")], {"geforce": 1}, {}, now)
        assert chosen == (Promotion("a", "geforce"),)
        promotions.begun(chosen[0])
        promotions.ended(chosen[0], False, now)
        assert promotions.choose([candidate("a"), candidate("b", 50)], {"geforce": 1}, {}, now) == (
            Promotion("b", "geforce"),
        )
        until = promotions.next_at(["a"], now)
        assert until is not None
        rests.append(until - now)
        now = until
    assert rests[:3] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S] and rests[-1] == LONGEST_REST_S
    promotions.forget("a")
    assert not promotions.rests("a", now)


def test_what_is_remembered_is_bounded() -> None:
    promotions = Promotions(1.0)
    for number in range(MOST_RESTING + 5):
        promotions.failed(f"h{number}", 0.0)
    assert not promotions.rests("h0", 1.0) and promotions.rests(f"h{MOST_RESTING + 4}", 1.0)


def test_a_pool_that_went_and_came_back_waits_again() -> None:
    promotions = Promotions(3.0)
    promotions.seen({"geforce": 1}, 0)
    promotions.seen({}, 5)
    assert promotions.choose([candidate("a")], {"geforce": 1}, {}, 6) == ()


steps = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["p", "q"]), st.none() | st.integers(0, 3)),
        st.dictionaries(st.sampled_from(["p", "q"]), st.integers(0, 3)),
        st.sampled_from(["begin", "work", "fail", "nothing"]),
        st.floats(0, 30),
    ),
    max_size=40,
)
people = st.lists(
    st.tuples(st.floats(0, 50), st.integers(0, 100), st.frozensets(st.sampled_from(["p", "q", "r"]))), max_size=6
)


@given(people, steps)
def test_whatever_happens(
    who: list[tuple[float, int, frozenset[str]]],
    moments: list[tuple[dict[str, int | None], dict[str, int], str, float]],
) -> None:
    promotions, now = Promotions(3.0), 100.0
    candidates = {f"h{number}": Candidate(f"h{number}", *one) for number, one in enumerate(who)}
    under_way: dict[str, Promotion] = {}
    free_since: dict[str, float] = {}
    for free, waiting, word, pause in moments:
        now += pause
        free_since = {p: free_since.get(p, now) for p, number in free.items() if number is None or number > 0}
        chosen = promotions.choose(candidates.values(), free, waiting, now)
        assert len({promotion.pool for promotion in chosen}) == len(chosen)
        assert len({promotion.holder for promotion in chosen}) == len(chosen)
        for promotion in chosen:
            number = free[promotion.pool]
            assert number is None or number > waiting.get(promotion.pool, 0)
            assert now >= free_since[promotion.pool] + 3.0
            assert promotion.pool in candidates[promotion.holder].pools and promotion.pool not in under_way
            assert promotion.holder not in {other.holder for other in under_way.values()}
            assert not promotions.rests(promotion.holder, now)
            if word == "begin":
                promotions.begun(promotion)
                under_way[promotion.pool] = promotion
        if word in {"work", "fail"}:
            for promotion in under_way.values():
                promotions.ended(promotion, word == "work", now)
                assert promotions.rests(promotion.holder, now) == (word == "fail")
            under_way = {}
