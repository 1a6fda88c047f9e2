"""Series of one owner that are views of one thing: bytes in use seen from inside, memory seen from outside.

Where both have begun to grow alike, each is asked for less: noise of pages, of the allocator and of reclaim is in one
of them alone. Where only the outside grows and what is in use stands still, the outside is asked for more: what is in
use is what a program can lose by itself, but not all memory comes from its allocator, so it is not refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steadycast.model.series import Measured, Resource

INSIDE = frozenset({Resource.IN_USE, Resource.PYTHON})
OUTSIDE = frozenset({Resource.PRIVATE, Resource.USS, Resource.PSS, Resource.RSS, Resource.CGROUP})
ALIKE = 2.0  # times as fast, at most
OVERLAP = 0.5  # of the longer growth
STILL = 0.25  # of the growth outside
AGREE, ALONE = 1.0, -1.0


@dataclass(frozen=True, slots=True)
class Leaning:
    """A growth that is not yet enough by itself: so much in so many hours, up to now."""

    grown: float
    hours: float

    @property
    def hour(self) -> float:
        return self.grown / self.hours


def alike(one: Leaning, other: Leaning) -> bool:
    """As fast as each other, for as long."""
    slow, fast = sorted((one.hour, other.hour))
    short, long = sorted((one.hours, other.hours))
    return 0 < fast <= ALIKE * slow and short >= OVERLAP * long


def eased(leaning: Mapping[Measured, Leaning | None], risen: float | None) -> dict[Measured, float]:
    """How much less (1) or more (-1) is asked of each series, 0 as usual. `leaning` has all series that are judged
    against time; `risen` is how much bytes in use grew over the hours that the longest growth outside has lasted, None
    where that is not known."""
    inside = {one: growth for one, growth in leaning.items() if one.resource in INSIDE and not one.detail}
    out = dict.fromkeys(leaning, 0.0)
    for measured, growth in leaning.items():
        if measured.resource not in OUTSIDE or measured.detail or growth is None:
            continue
        partners = [one for one, other in inside.items() if other is not None and alike(growth, other)]
        if partners:
            out.update(dict.fromkeys((measured, *partners), AGREE))
        elif risen is not None and risen < STILL * growth.grown:
            out[measured] = ALONE
    return out
