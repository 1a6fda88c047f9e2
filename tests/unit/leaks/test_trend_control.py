"""How many alarms a host may raise: pages in a year, suspects in a day, series that are one."""

from __future__ import annotations

from steadycast.model.findings import Rate, Shape
from steadycast.model.series import Measured, Owner, Resource
from steadycast.tracking.leaks.control import Pages, Probes, stand_out, together
from steadycast.tracking.leaks.verdicts import TREND, Verdict

ONE, OTHER = Owner("lobby:a", "1:1", 1), Owner("lobby:b", "2:1", 2)


def verdict(since: float, chance: float = 0.01, grown: float = 1e8) -> Verdict:
    return Verdict(Shape.TIME, TREND, chance, since, 5e8, grown, Rate(1e7, 9e6, 1.1e7))


def test_pages_of_all_lives_of_all_series_stay_within_a_year() -> None:
    pages = Pages(a_year=1.0, series=1000)
    assert 1000 * sum(pages.chance(life) for life in range(1, 5000)) <= 1.0
    assert pages.allows(verdict(0, chance=1e-4)) and not pages.allows(verdict(0, chance=1e-4), life=10)


def test_series_of_one_owner_that_grow_since_the_same_hour_are_one() -> None:
    found = together({
        (ONE, Measured(Resource.PSS)): verdict(0, 0.02),
        (ONE, Measured(Resource.PRIVATE)): verdict(1800, 0.01),
        (ONE, Measured(Resource.VRAM)): verdict(9.5 * 3600, 0.03, 5e6),
        (OTHER, Measured(Resource.PSS)): verdict(0, 0.02),
    })  # fmt: skip
    assert [(s.owner, [m.resource for m, _ in s.members]) for s in found] == [
        (ONE, [Resource.PRIVATE, Resource.PSS]),
        (OTHER, [Resource.PSS]),
        (ONE, [Resource.VRAM]),
    ]


def test_what_stands_out_among_all_series() -> None:
    assert stand_out([0.5, 1e-6, 1e-4, 0.01], 0.1, 1000) == [1, 2]
    assert stand_out([0.01], 0.1, 1000) == []
    assert stand_out([], 0.1, 1000) == []


def test_probes_have_a_rate() -> None:
    probes = Probes(a_day=12, at_once=2)
    assert [probes.may(0), probes.may(1), probes.may(2)] == [True, True, False]
    assert probes.may(7300)
    assert not probes.may(7301)
    assert sum(probes.may(7301 + k * 60) for k in range(1440)) <= 13
