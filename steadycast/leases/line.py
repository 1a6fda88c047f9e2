"""The line of those who wait for an encoder: bounded, ordered, nobody starves. Pure; the time is an argument."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass

# A second of waiting is worth so many points of priority (0 to 100): priority 0 overtakes a newcomer of 100 after
# 100 / 20 = 5 s, half of the usual wait. So only those who join within 5 s after somebody can ever pass.
AGING_PER_S = 20.0


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who waits: since when, how important (0 to 100), and until when (None: as long as it takes)."""

    number: int
    holder: str
    since: float
    priority: int
    deadline: float | None


@dataclass(frozen=True, slots=True)
class LineStatistics:
    """The line now, and totals since it was made."""

    waiting: int
    limit: int
    joined_total: int
    refused_total: int


def rank(priority: int, since: float, aging_per_s: float = AGING_PER_S) -> float:
    """The smaller is served first. All age alike, so the order of two never changes, whatever the time is."""
    return since * aging_per_s - priority


class Line:
    """Holders in the order in which they are served; positions start at 1."""

    def __init__(self, limit: int, aging_per_s: float = AGING_PER_S) -> None:
        if limit < 0 or aging_per_s <= 0:
            raise ValueError("the limit must be at least 0 and aging above 0")
        self._limit = limit
        self._aging = aging_per_s
        self._numbers = itertools.count(1)
        self._order: list[tuple[float, float, int]] = []
        self._by_number: dict[int, Entry] = {}
        self._by_holder: dict[str, Entry] = {}
        self._joined = 0
        self._refused = 0

    def __len__(self) -> int:
        return len(self._order)

    @property
    def full(self) -> bool:
        """Whether a newcomer is refused."""
        return len(self._order) >= self._limit

    def join(self, holder: str, since: float, priority: int, deadline: float | None) -> Entry | None:
        """Wait, or None where the line is full. A holder that waits already keeps its place and its deadline; one that
        comes back after a refusal by the driver gives its old `since` and so stands where it stood."""
        waits = self._by_holder.get(holder)
        if waits is not None:
            return waits
        if self.full:
            self._refused += 1
            return None
        self._joined += 1
        entry = Entry(next(self._numbers), holder, since, priority, deadline)
        self._by_number[entry.number] = entry
        self._by_holder[entry.holder] = entry
        bisect.insort(self._order, self._key(entry))
        return entry

    def leave(self, holder: str) -> Entry | None:
        """Its turn came, or it is gone; None where it does not wait."""
        entry = self._by_holder.pop(holder, None)
        if entry is not None:
            del self._by_number[entry.number]
            del self._order[bisect.bisect_left(self._order, self._key(entry))]
        return entry

    def late(self, now: float) -> tuple[Entry, ...]:
        """Those whose deadline passed, in their order; they still wait."""
        at = self.next_deadline()
        if at is None or at > now:
            return ()
        return tuple(entry for entry in self.order() if entry.deadline is not None and entry.deadline <= now)

    def next_deadline(self) -> float | None:
        """When `late` has somebody to name; None: never."""
        return min((entry.deadline for entry in self._by_number.values() if entry.deadline is not None), default=None)

    def order(self) -> tuple[Entry, ...]:
        """All, the next one first."""
        return tuple(self._by_number[number] for _, _, number in self._order)

    def position(self, holder: str) -> int | None:
        """1 is next; None where it does not wait."""
        entry = self._by_holder.get(holder)
        return None if entry is None else bisect.bisect_left(self._order, self._key(entry)) + 1

    def ahead(self, since: float, priority: int) -> int:
        """How many would be before one that joins now."""
        return bisect.bisect_right(self._order, (rank(priority, since, self._aging), since, 1 << 62))

    def statistics(self) -> LineStatistics:
        """Counters."""
        return LineStatistics(len(self._order), self._limit, self._joined, self._refused)

    def _key(self, entry: Entry) -> tuple[float, float, int]:
        return rank(entry.priority, entry.since, self._aging), entry.since, entry.number
