"""The small parts of leak detection: ledger, ratchet, limits, pace, sources, words, stored findings."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.model.findings import (
    ActionTaken,
    Exhaustion,
    Finding,
    FindingState,
    ProbeOutcome,
    Rate,
    Shape,
    Suspicion,
)
from steadycast.model.series import About, Bound, Look, Measured, Owner, Resource, Unit
from steadycast.tracking.leaks.bets import Bets
from steadycast.tracking.leaks.exhaustion import Limit, project
from steadycast.tracking.leaks.foreign import Ledger
from steadycast.tracking.leaks.levels import LEVELS, LoadLevels
from steadycast.tracking.leaks.meanings import MEANINGS
from steadycast.tracking.leaks.pace import Pace
from steadycast.tracking.leaks.plain import build, plain
from steadycast.tracking.leaks.ratchet import Ratchet
from steadycast.tracking.leaks.sources import Facts, sources
from steadycast.tracking.leaks.verdicts import Verdict
from steadycast.tracking.leaks.words import amount, duration, noun, who

MB = 1024.0**2
OWNER = Owner("server/ffmpeg", "1:1", 1)


def test_the_ledger_tells_what_nobody_holds_after_its_grace() -> None:
    ledger = Ledger(grace=60.0)
    assert ledger.look(0.0, {"display": [":1", ":2"]}, {"display": [":1"]}) == ()
    (stray,) = ledger.look(61.0, {"display": [":1", ":2"]}, {"display": [":1"]})
    assert (stray.name, stray.since) == (":2", 0.0)
    assert ledger.look(70.0, {}, {}) == ()  # it could not be looked at
    assert len(ledger.look(80.0, {"display": [":2"]}, {})) == 1
    assert ledger.look(90.0, {"display": []}, {}) == ()


def test_the_ledger_is_bounded() -> None:
    ledger = Ledger(grace=0.0)
    ledger.look(0.0, {"file": [str(n) for n in range(10_500)]}, {})
    assert ledger.left_out == 500


def test_a_ratchet_is_told_while_it_is_kept() -> None:
    ratchet = Ratchet()
    told = [ratchet.update(60.0 * n, 40 * MB, 10 * MB + (100 * MB if n > 40 else 0)) for n in range(100)]
    assert told[39] is None
    assert any(one is not None and one.holds and one.shape is Shape.RATCHET for one in told)
    after = [ratchet.update(60.0 * n, 40 * MB, 10 * MB) for n in range(100, 140)]
    assert sum(1 for one in after if one is not None and not one.holds) == 1


def test_memory_in_use_that_grows_too_is_no_ratchet() -> None:
    ratchet = Ratchet()
    assert not any(ratchet.update(60.0 * n, (40 + n) * MB, (10 + n) * MB) for n in range(200))


def test_a_limit_is_foretold_from_a_rate() -> None:
    bound = Bound("RLIMIT_NOFILE", Measured(Resource.DESCRIPTORS), 1024, 24)
    end = project(bound, Rate(10.0, 8.0, 20.0), 1000.0)
    assert end == Exhaustion("RLIMIT_NOFILE", 1024, 24, 360_000.0, 180_000.0, 361_000.0)
    assert project(bound, Rate(-1.0, -2.0, 0.0), 1000.0) is None
    assert project(bound, None, 1000.0) is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 0.7), st.floats(0.0, 0.05))
def test_a_level_without_a_trend_below_its_limit_is_never_told(seed: int, level: float, noise: float) -> None:
    rolls, limit = random.Random(seed), Limit()
    told = [limit.update(60.0 * n, level + rolls.gauss(0, noise), 1.0) for n in range(400)]
    assert not any(one is not None and one.chance < 1e-5 for one in told)


def test_a_morning_with_more_viewers_is_no_end() -> None:
    limit = Limit()
    told = [limit.update(60.0 * n, 0.2 + 0.004 * n, 1.0, load=n / 4) for n in range(140)]
    assert not any(told)


def test_unquiet_owners_are_read_at_their_calmest() -> None:
    pace, taken = Pace(), []
    for n in range(1, 40):
        load = {"sessions": float(1 + n % 5), "bitrate": 1e6}
        look = Look(OWNER, float(n), float(n), {}, load=load, finished={"session": n})
        if (reading := pace.take(look)) is not None:
            taken.append(reading)
    assert 3 <= len(taken) <= 8
    assert {one.load["sessions"] for one in taken} == {1.0}
    assert pace.peak == 5.0


def test_levels_learn_what_a_load_holds_and_are_bounded() -> None:
    levels, rolls = LoadLevels(), random.Random(1)
    for _ in range(200):
        viewers, lobbies = rolls.randint(0, 9), rolls.randint(0, 3)
        load = {"viewers": float(viewers), "lobbies": float(lobbies), "bitrate": rolls.random()}
        seen = levels.compare(load)
        levels.note(seen.key, 20 + 2 * viewers + 9 * lobbies)
    expected = levels.compare({"viewers": 30.0, "lobbies": 1.0})
    assert expected.high == pytest.approx(20 + 60 + 9, abs=1)
    assert len(levels.state()[0]) <= LEVELS


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000), st.integers(2, 400))
def test_bets_on_what_has_no_order_win_nothing(seed: int, spread: int) -> None:
    """One series may be lucky; a capital over 100,000 has a chance of 1 in 100,000."""
    rolls, bets, high, compared, gap = random.Random(seed), Bets(), -1, 0, None
    for _ in range(200):
        value = rolls.randint(0, spread)
        more = value > high >= 0
        gap = None if gap is None else gap + 1
        bets.reading(compared, more, gap, None, float(spread))
        gap = 0 if more else gap
        high, compared = max(high, value), compared + 1
        assert bets.capital < 1e5


def test_every_row_of_meanings_is_found_by_what_it_names() -> None:
    names = {"pipeline|bin": "GstPipeline", "dri|render|drm": "/dev/dri", "dmabuf|dma-buf": "dmabuf", "": "some"}
    verdict = Verdict(Shape.CYCLE, 0, 1e-6, 0.0, 9.0, 9.0, per_cycle=Rate(1.0, 1.0, 1.0), cycle="session")
    for row in MEANINGS:
        growing = {
            Measured(resource, names.get(pattern, pattern.split("|")[0])): verdict for resource, pattern in row.grow
        }
        found = sources(Facts(growing, tuple(growing)))
        assert any(row.says in one.what for one in found), row
        assert sum(one.weight for one in found) <= 1
        assert list(found) == sorted(found, key=lambda one: -one.weight)


def test_words_are_plain() -> None:
    assert noun(Measured(Resource.THREADS, "cuda-EvtHandlr")) == "threads (cuda-EvtHandlr)"
    assert amount(64 * 1024, Unit.BYTES) == "64.0 KiB"
    assert amount(1024, Unit.COUNT) == "1,024"
    assert [duration(one) for one in (5, 300, 3700, 90_000, 6 * 86400)] == [
        "a minute", "5 minutes", "1 hour", "25 hours", "6 days",
    ]  # fmt: skip
    assert who(Owner("lobby:ab12", "7:1", 7, About(command="/usr/bin/python3 -m x"))) == "lobby:ab12 (pid 7)"
    assert who(Owner("gpu:0", "boot")) == "gpu:0"


def test_findings_are_stored_as_they_are() -> None:
    rate = Rate(1.0, 0.5, 1.5)
    finding = Finding(
        "a-1", Shape.CYCLE, FindingState.HEALED, OWNER, Measured(Resource.SOCKETS), Unit.COUNT, "it leaks", 1.0, 2.0,
        None, 3.0, 4.0, rate, None, "session", 5, Exhaustion("n", 1.0, 2.0, 3.0, 4.0, 5.0),
        (Suspicion("what", 0.5, ("why",)),), ("line",), (Measured(Resource.VRAM, "0"),), ("sign",),
        ProbeOutcome(1.0, 2.0, ("step",), None, "why"), (ActionTaken(1.0, "recycle", "done"),), 9.0, "over",
    )  # fmt: skip
    assert build(Finding, json.loads(json.dumps(plain(finding)))) == finding
