"""Session caps: which source counts, what a refusal and a success teach, how a lowered cap heals, what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.leases.caps import (
    LONGEST_PROBE_S,
    MOST_LEARNED,
    PROBE_AFTER_S,
    Cap,
    CapOrigin,
    Caps,
    PoolFacts,
    Verdict,
    verdict,
)
from steadycast.model import EncoderFault

OLD = PoolFacts("geforce", "535.183", 8)
NEW = PoolFacts("geforce", "591.44", 12)
T = 1_800_000_000.0


def test_configured_over_learned_over_table() -> None:
    caps = Caps({})
    assert caps.cap(OLD, T) == Cap(8, CapOrigin.TABLE)
    assert caps.cap(PoolFacts("nvidia:GPU-1", "535.183", None), T) == Cap(None, None)
    assert caps.refused(OLD, 3, 0, T).changed
    assert caps.cap(OLD, T) == Cap(3, CapOrigin.LEARNED)
    assert Caps({"geforce": 5}, caps.dump()).cap(OLD, T) == Cap(5, CapOrigin.CONFIGURED)
    assert Caps({"geforce": 0}).cap(OLD, T) == Cap(0, CapOrigin.CONFIGURED)


def test_foreign_sessions_count_when_it_is_learned() -> None:
    caps = Caps({})
    lesson = caps.refused(OLD, 1, 4, T)
    assert (lesson.before.limit, lesson.after.limit, lesson.changed, lesson.doubtful) == (8, 5, True, False)


@pytest.mark.parametrize("foreign", [0, None])
def test_a_refusal_with_nothing_open_teaches_nothing(foreign: int | None) -> None:
    caps = Caps({})
    lesson = caps.refused(OLD, 0, foreign, T)
    assert lesson.doubtful and not lesson.changed and caps.cap(OLD, T).limit == 8


def test_a_success_above_raises_it() -> None:
    caps = Caps({})
    assert not caps.proven(OLD, 8, 0, T).changed
    assert caps.proven(OLD, 8, 1, T).after == Cap(9, CapOrigin.LEARNED)
    assert caps.refused(OLD, 9, 0, T).after == Cap(9, CapOrigin.LEARNED)
    assert caps.cap(OLD, T + 1e9) == Cap(9, CapOrigin.LEARNED)  # the table gives no reason to try more


def test_what_another_driver_taught_is_kept_and_not_used() -> None:
    caps = Caps({})
    caps.refused(OLD, 3, 0, T)
    assert caps.cap(NEW, T) == Cap(12, CapOrigin.TABLE)
    caps.refused(NEW, 10, 0, T)
    back = Caps({}, json.loads(json.dumps(caps.dump())))
    assert (back.cap(OLD, T).limit, back.cap(NEW, T).limit) == (3, 10)


def test_a_lowered_cap_heals_one_by_one() -> None:
    caps = Caps({})
    caps.refused(OLD, 4, 0, T)
    assert caps.cap(OLD, T + PROBE_AFTER_S - 1).limit == 4
    later = T + PROBE_AFTER_S
    for number in range(5, 9):
        assert caps.cap(OLD, later).limit == number
        caps.proven(OLD, number, 0, later)
    assert caps.cap(OLD, later) == Cap(8, CapOrigin.TABLE)


def test_probes_that_are_refused_get_rarer_and_never_end() -> None:
    caps, now, waits = Caps({}), T, []
    caps.refused(OLD, 3, 0, now)
    for _ in range(12):
        asked = now
        while not caps.cap(OLD, now).probing:
            now += 60
        waits.append(now - asked)
        assert caps.cap(OLD, now).limit == 4
        assert caps.refused(OLD, 3, 0, now).after.limit == 3
    assert waits[:3] == [600, 1200, 2400] and waits[-1] == LONGEST_PROBE_S == max(waits)


def test_a_clock_that_was_set_back_does_not_put_a_probe_off_for_ever() -> None:
    caps = Caps({})
    caps.refused(OLD, 3, 0, T)
    assert caps.cap(OLD, T - 1e6).probing


def test_what_is_kept_is_bounded_and_the_oldest_goes() -> None:
    caps = Caps({})
    for number in range(MOST_LEARNED + 10):
        caps.refused(PoolFacts("geforce", f"5{number}", 8), 3, 0, T)
    assert len(caps.dump()["learned"]) == MOST_LEARNED
    assert caps.cap(PoolFacts("geforce", "50", 8), T).origin is CapOrigin.TABLE
    assert caps.cap(PoolFacts("geforce", f"5{MOST_LEARNED + 9}", 8), T).limit == 3


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
row = st.fixed_dictionaries(dict.fromkeys(("driver", "pool", "cap", "at", "probe_at", "wait"), json_values))


@given(json_values | st.fixed_dictionaries({"learned": st.lists(row | json_values, max_size=4)}))
def test_garbage_is_left_out(kept: object) -> None:
    caps = Caps({}, kept)
    limit = caps.cap(OLD, T).limit
    assert limit is not None and limit >= 1
    caps.refused(OLD, 2, 0, T)
    assert Caps({}, caps.dump()).cap(OLD, T) == caps.cap(OLD, T)


def test_one_bad_row_does_not_cost_the_others() -> None:
    caps = Caps({})
    caps.refused(OLD, 3, 0, T)
    kept = caps.dump()
    kept["learned"] += [{"driver": "1", "pool": "x", "cap": "many"}, None, {**kept["learned"][0], "cap": 0}]
    assert Caps({}, kept).cap(OLD, T).limit == 3


history = st.lists(
    st.tuples(st.booleans(), st.integers(0, 12), st.none() | st.integers(0, 6), st.sampled_from([1.0, 300.0, 4000.0])),
    max_size=40,
)


@given(history, st.none() | st.integers(1, 12))
def test_whatever_happens(events: list[tuple[bool, int, int | None, float]], table: int | None) -> None:
    """A refusal never raises a cap, a success never lowers it, 0 is never learned, and all of it survives a dump."""
    caps, now, facts = Caps({}), T, PoolFacts("geforce", "550.1", table)
    for refused, ours, foreign, pause in events:
        now += pause
        before = caps.cap(facts, now)
        believed = None if before.limit is None else before.limit - before.probing
        lesson = (caps.refused if refused else caps.proven)(facts, ours, foreign, now)
        after, open_now = lesson.after, ours + (foreign or 0)
        assert after.limit is None or after.limit >= 1
        settled = None if after.limit is None else after.limit - after.probing
        if refused and not lesson.doubtful:
            assert settled is not None and settled == (open_now if believed is None else min(believed, open_now))
        elif not refused and believed is not None:
            assert settled == max(believed, open_now)
        assert Caps({}, json.loads(json.dumps(caps.dump()))).cap(facts, now) == caps.cap(facts, now)
        if after.limit is not None and table is not None and settled is not None and settled < table:
            assert caps.cap(facts, now + LONGEST_PROBE_S).limit == settled + 1  # no lowered cap stays for ever


GIB = 1 << 30


@pytest.mark.parametrize(
    ("fault", "open_now", "cap", "free", "expected"),
    [
        (EncoderFault.OUT_OF_MEMORY, 8, 8, 4 * GIB, Verdict.CAP),
        (EncoderFault.OUT_OF_MEMORY, 3, 8, None, Verdict.CAP),
        (EncoderFault.OUT_OF_MEMORY, 3, 8, 10, Verdict.VRAM),
        (EncoderFault.OUT_OF_MEMORY, 8, 8, 10, Verdict.VRAM),
        (EncoderFault.OUT_OF_MEMORY, 0, 8, 4 * GIB, Verdict.OTHER),
        (EncoderFault.CLIENT_KEY, 3, 8, 10, Verdict.CAP),
        (EncoderFault.CLIENT_KEY, None, None, None, Verdict.CAP),
        (EncoderFault.CLIENT_KEY, 0, 8, 4 * GIB, Verdict.DRIVER),
        (EncoderFault.MISSING, 3, None, None, Verdict.CAP),
        (EncoderFault.MISSING, 0, 8, None, Verdict.OTHER),
        (EncoderFault.MISSING, None, 8, None, Verdict.OTHER),
        (EncoderFault.OPEN, 3, 3, None, Verdict.CAP),
        (EncoderFault.OPEN, 3, None, None, Verdict.OTHER),
        (EncoderFault.OPEN, 3, 3, 10, Verdict.VRAM),
        (EncoderFault.UNSUPPORTED, 8, 8, 10, Verdict.NO_ENCODER),
        (EncoderFault.VERSION, 0, 8, None, Verdict.DRIVER),
        (EncoderFault.DRIVER_LOST, 8, 8, 10, Verdict.DRIVER),
        (EncoderFault.HUNG, 8, 8, 10, Verdict.DRIVER),
        (EncoderFault.FAILED, 8, 8, 10, Verdict.OTHER),
        (EncoderFault.SETTINGS, 8, 8, 10, Verdict.OTHER),
    ],
)
def test_verdicts(
    fault: EncoderFault, open_now: int | None, cap: int | None, free: int | None, expected: Verdict
) -> None:
    assert verdict(fault, open_now, cap, free, GIB) is expected


@given(
    st.sampled_from(EncoderFault),
    st.none() | st.integers(0, 20),
    st.none() | st.integers(0, 20),
    st.none() | st.integers(0, 1 << 40),
    st.integers(0, 1 << 40),
)
def test_a_verdict_is_always_given(
    fault: EncoderFault, open_now: int | None, cap: int | None, free: int | None, needed: int
) -> None:
    given_verdict = verdict(fault, open_now, cap, free, needed)
    if given_verdict is Verdict.VRAM:
        assert free is not None and free < needed
    if given_verdict is Verdict.CAP:
        assert open_now != 0
