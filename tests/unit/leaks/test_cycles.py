"""Bytes lost with each cycle are found with their rate; warm-up, caches, steps and noise are not."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadycast.model.findings import Shape
from steadycast.model.series import Measured, Resource
from steadycast.tracking.leaks.cycles import Cycles, policy_of
from steadycast.tracking.leaks.slopes import quantile, slope, tail
from steadycast.tracking.leaks.verdicts import Verdict

KB, MB = 1024.0, 1024.0**2
IN_USE, PRIVATE, VRAM = Measured(Resource.IN_USE), Measured(Resource.PRIVATE), Measured(Resource.VRAM)


def judge(
    measured: Measured, values: Iterable[float], loads: Sequence[Mapping[str, float]] | None = None
) -> list[Verdict | None]:
    cycles = Cycles(policy_of(measured))
    return [
        cycles.update(1200.0 * n, value, {"session": n}, loads[n - 1] if loads else {}, True)
        for n, value in enumerate(values, 1)
    ]


def named(verdicts: list[Verdict | None]) -> int | None:
    return next((n for n, one in enumerate(verdicts, 1) if one is not None and one.holds), None)


def paged(verdicts: list[Verdict | None]) -> int | None:
    return next((n for n, one in enumerate(verdicts, 1) if one is not None and one.holds and one.chance <= 1e-5), None)


def noisy(seed: int, size: float, level: Callable[[int], float], count: int = 300) -> list[float]:
    rolls = random.Random(seed)
    return [level(n) + rolls.gauss(0, size) for n in range(count)]


@pytest.mark.parametrize("lost", [16, 64, 256])
def test_a_loss_in_use_is_found_with_its_rate(lost: int) -> None:
    found = judge(IN_USE, noisy(1, 5 * KB, lambda n: 8 * MB + lost * KB * n))
    assert paged(found) is not None
    last = found[-1]
    assert last is not None and last.per_cycle is not None
    assert last.per_cycle.low < lost * KB < last.per_cycle.high
    assert last.per_cycle.value == pytest.approx(lost * KB, rel=0.05)


def test_200_kb_a_session_at_three_an_hour_is_named_in_private_memory_within_a_day() -> None:
    found = judge(PRIVATE, noisy(2, 300 * KB, lambda n: 50 * MB + 200 * KB * n))
    at = named(found)
    assert at is not None and at <= 72
    assert paged(found) is None  # seen from outside it never pages by itself
    one = found[at - 1]
    assert one is not None and one.per_hour is not None
    assert one.per_hour.value == pytest.approx(600 * KB, rel=0.3)


def test_video_memory_lost_with_each_context_is_found_within_nine() -> None:
    at = named(judge(VRAM, [1e8 + 128 * MB * n for n in range(20)]))
    assert at is not None and at <= 9


def test_a_loss_that_begins_late_is_found_and_dated() -> None:
    found = judge(IN_USE, noisy(3, 3 * KB, lambda n: 8 * MB + 64 * KB * max(0, n - 200)))
    one = found[-1]
    assert one is not None and one.since is not None
    assert abs(one.since / 1200 - 200) < 15


CALM: dict[str, Callable[[int], float]] = {
    "flat": lambda n: 8 * MB,
    "warm-up": lambda n: 8 * MB + 700 * KB * (1 - math.exp(-n / 30)),
    "a cache that grows ever slower": lambda n: 8 * MB + 2 * MB * math.log(n + 1),
    "a step": lambda n: 8 * MB + (150 * MB if n > 50 else 0),
    "three steps": lambda n: 8 * MB + 10 * MB * (n // 100),
    "within the budget": lambda n: 8 * MB + 1.2 * KB * n,
    "a rhythm": lambda n: 8 * MB + 300 * KB * math.sin(n / 30),
}


@pytest.mark.parametrize("shape", CALM)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_loses_nothing_never_pages(shape: str, seed: int) -> None:
    assert paged(judge(IN_USE, noisy(seed, 5 * KB, CALM[shape], 500))) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_the_allocator_keeps_never_pages_in_private_memory(seed: int) -> None:
    rolls = random.Random(seed)
    most, values = 0.0, []
    for _ in range(400):
        most = max(most, rolls.expovariate(1 / (8 * MB)))
        values.append(30 * MB + most + rolls.gauss(0, 300 * KB))
    assert paged(judge(PRIVATE, values)) is None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 0.97), st.floats(1.0, 200.0))
def test_noise_that_remembers_never_pages(seed: int, memory: float, size: float) -> None:
    rolls, at, values = random.Random(seed), 0.0, []
    for _ in range(200):
        at = memory * at + rolls.gauss(0, size * KB)
        values.append(50 * MB + at)
    assert paged(judge(IN_USE, values)) is None


def test_growing_use_that_load_explains_is_no_loss() -> None:
    loads = [{"viewers": float(n // 50)} for n in range(300)]
    values = noisy(4, 20 * KB, lambda n: 8 * MB + 3 * MB * (n // 50))
    assert named(judge(IN_USE, values, loads)) is None


def test_it_goes_with_the_kind_that_loses() -> None:
    rolls, cycles, found, viewers = random.Random(5), Cycles(policy_of(IN_USE)), None, 0
    renditions = 0
    for n in range(1, 150):
        viewers += rolls.randint(1, 9)
        renditions += rolls.random() < 0.5
        value = 8 * MB + 300 * KB * renditions + rolls.gauss(0, 5 * KB)
        found = cycles.update(60.0 * n, value, {"viewer": viewers, "rendition": renditions}, {}, True) or found
    assert found is not None
    assert found.cycle == "rendition"


def test_growth_with_time_says_so() -> None:
    rolls, cycles, found, when = random.Random(6), Cycles(policy_of(IN_USE)), None, 0.0
    for n in range(1, 150):
        when += rolls.expovariate(1 / 600)
        found = cycles.update(when, 8 * MB + when * 100 + rolls.gauss(0, KB), {"session": n}, {}, True) or found
    assert found is not None
    assert found.shape is Shape.TIME
    assert found.per_hour is not None
    assert found.per_hour.value == pytest.approx(360_000, rel=0.2)


def test_it_goes_on_from_a_saved_state() -> None:
    values = noisy(7, 5 * KB, lambda n: 8 * MB + 64 * KB * n, 100)
    cycles = Cycles(policy_of(IN_USE))
    for n, value in enumerate(values[:60], 1):
        cycles.update(60.0 * n, value, {"session": n}, {}, True)
    again = Cycles(policy_of(IN_USE))
    again.restore(json.loads(json.dumps(cycles.state())))
    rest = [again.update(60.0 * n, v, {"session": n}, {}, True) for n, v in enumerate(values[60:], 61)]
    assert named(rest) == 1


@pytest.mark.parametrize(
    ("free", "t", "above"), [(3, 2.0, 0.06966), (3, 5.0, 0.007696), (8, 2.0, 0.04025), (30, 2.042, 0.025), (30, 0, 0.5)]
)
def test_students_distribution_agrees_with_its_table(free: int, t: float, above: float) -> None:
    assert tail(t, free) == pytest.approx(above, rel=0.1)
    assert t == 0 or quantile(1 - above, free) == pytest.approx(t, rel=0.05)


def test_slopes_and_errors_agree_with_known_ones() -> None:
    x = np.arange(200.0)
    noise = np.random.default_rng(1).normal(0, 5, 200)
    found, line = slope(x, 3 * x + noise), np.polyfit(x, 3 * x + noise, 1)
    plain = 5 / float(np.sqrt(((x - x.mean()) ** 2).sum()))
    assert found is not None
    assert found.value == pytest.approx(line[0])
    assert 0.7 * plain < found.error < 2 * plain
