"""Many values of one series in a stretch of time, told by few numbers. Pure.

Extremes are kept at every step, so that a spike of a second is still seen in a picture of a year, and a valley is: what
leaks is seen in valleys. The median of merged buckets is the median of their medians, weighted by how many values each
had: exact where the parts are alike, and never beyond the extremes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86_400
MOST_VALUES = 240  # that a tally keeps for its median; of more it keeps every second one


@dataclass(frozen=True, slots=True)
class Bucket:
    """`count` values from `at` (Unix seconds) on for `width` seconds, in the unit of their series."""

    at: float
    width: float
    count: int
    low: float
    median: float
    high: float


class Tally:
    """The bucket that is being filled."""

    __slots__ = ("_every", "_values", "at", "count", "high", "low", "width")

    def __init__(self, at: float, width: float) -> None:
        self.at = at
        self.width = width
        self.count = 0
        self.low = float("inf")
        self.high = float("-inf")
        self._values: list[float] = []
        self._every = 1

    def add(self, value: float) -> None:
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        if self.count % self._every == 0:
            self._values.append(value)
            if len(self._values) > MOST_VALUES:
                del self._values[::2]
                self._every *= 2
        self.count += 1

    def bucket(self) -> Bucket | None:
        """What is in it so far; None where nothing is."""
        if not self.count:
            return None
        return Bucket(self.at, self.width, self.count, self.low, median(self._values), self.high)


def merged(buckets: Sequence[Bucket], at: float, width: float) -> Bucket:
    """One bucket for all of these, of which there is at least one."""
    count = sum(bucket.count for bucket in buckets)
    low = min(bucket.low for bucket in buckets)
    high = max(bucket.high for bucket in buckets)
    return Bucket(at, width, count, low, _weighted_median(buckets, count), high)


def coarser(buckets: Iterable[Bucket], width: float) -> list[Bucket]:
    """Buckets in order of time as buckets of `width` seconds, which begin at multiples of it; none is empty."""
    found: list[Bucket] = []
    group: list[Bucket] = []
    start = 0.0
    for bucket in buckets:
        begin = bucket.at // width * width
        if group and begin != start:
            found.append(merged(group, start, width))
            group = []
        start = begin
        group.append(bucket)
    if group:
        found.append(merged(group, start, width))
    return found


def together(first: Iterable[Bucket], second: Iterable[Bucket]) -> list[Bucket]:
    """Two lists of buckets of one width, in order of time; where both have one of the same time, it is one."""
    by_time: dict[float, Bucket] = {}
    for bucket in (*first, *second):
        other = by_time.get(bucket.at)
        by_time[bucket.at] = bucket if other is None else merged((other, bucket), bucket.at, bucket.width)
    return [by_time[at] for at in sorted(by_time)]


def _weighted_median(buckets: Sequence[Bucket], count: int) -> float:
    if len(buckets) == 1:
        return buckets[0].median
    passed = 0
    ordered = sorted((bucket.median, bucket.count) for bucket in buckets)
    for number, (value, weight) in enumerate(ordered):
        passed += weight
        if passed * 2 > count:
            return value
        if passed * 2 == count and number + 1 < len(ordered):
            return (value + ordered[number + 1][0]) / 2
    return ordered[-1][0]
