"""One growth of one count: how often it reached a new high since it began, by how much, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steadycast.tracking.leaks.kinds import Kinds

HIGHS = 64  # newest ones that are known one by one
_RARER = 0.8  # so many new highs in the later half for each in the earlier one, or it slows down


class Run:
    """Begins at the reading before the first new high, which was at `when`."""

    __slots__ = ("_highs", "_sizes", "_uneven", "_usual", "first", "gap", "kinds", "lost", "readings", "squares",
                 "strength", "times", "when")  # fmt: skip

    def __init__(self) -> None:
        self.when = 0.0
        self.lost = 0.0  # sum of what each new high was higher by
        self.squares = 0.0
        self.strength = 0.0  # most capital that the bets on it ever had
        self.first: tuple[float, float, dict[str, int]] = (0.0, 0.0, {})  # first new high: when, how much, what ended
        self.times = 0
        self.readings = 0
        self._sizes: dict[str, float] = {}  # of the last new high, for each of a kind, and a reading ("")
        self.gap: int | None = None  # readings since then
        self.kinds = Kinds()
        self._highs: list[int] = []  # at which readings
        self._uneven = 0
        self._usual = 0

    def same(self, sizes: Mapping[str, float]) -> bool:
        """Whether a new high is by as much as the last one: a reading, or for each of some kind that ended."""
        before = self._sizes
        return any(size and abs(size - before.get(name, -1.0)) < 0.1 * max(1.0, size) for name, size in sizes.items())

    def high(self, more: float, sizes: Mapping[str, float]) -> None:
        """A new high."""
        if self._highs:
            gap = self.readings - self._highs[-1]
            if not self.same(sizes) or (self._usual and gap != self._usual):
                self._uneven += 1
            self._usual = gap
        self.times += 1
        self.lost += more
        self.squares += more * more
        self._highs = [*self._highs[1 - HIGHS :], self.readings]
        self._sizes, self.gap = dict(sizes), 0

    @property
    def even(self) -> bool:
        """Each time by the same, at the same distance."""
        return self._uneven <= self.times // 20

    @property
    def slower(self) -> bool:
        """Whether new highs get rarer."""
        highs = self._highs
        later = sum(1 for at in highs if 2 * at > highs[0] + self.readings)
        return later < _RARER * (len(highs) - later)

    def late(self, patience: int, times: float) -> bool:
        """Whether the next new high should have come long ago."""
        if self.gap is None:
            return False
        usual = self.readings / self.times
        return self.gap > (patience if self.times == 1 else max(10.0, times * usual))

    def after_first(self, monotonic: float, kind: str | None) -> tuple[float, float, float]:
        """What was lost since the first new high, and in how many hours and cycles: whole distances from one to the
        next, so that a rate is right also where pieces are lost now and then."""
        when, more, ended = self.first
        cycles = self.kinds.ended(kind) - ended.get(kind, 0) if kind else self.readings - 1
        if self.times < 2 or cycles < 1:
            return self.lost, max(monotonic - self.when, 1.0) / 3600, max(cycles, 1)
        return self.lost - more, max(monotonic - when, 1.0) / 3600, cycles

    @property
    def spread(self) -> float:
        """Half of a 95 % interval of `lost`: sizes vary, and each end is uncertain by half a piece."""
        varies = max(0.0, self.squares - self.lost**2 / max(self.readings, 1)) ** 0.5
        return 1.0 + (1.96 * varies if not self.even else 0.0)

    def state(self) -> list[Any]:
        return [self.when, self.lost, self.squares, self.strength, self.times, self.readings, self._sizes,
                self.gap, self._uneven, self._usual, self._highs, self.kinds.state(), list(self.first)]  # fmt: skip

    def restore(self, state: Sequence[Any]) -> None:
        self.when, self.lost, self.squares, self.strength = state[:4]
        self.times, self.readings, self._sizes, self.gap, self._uneven, self._usual = state[4:10]
        self._highs = [int(one) for one in state[10]][-HIGHS:]
        self.kinds.restore(state[11])
        self.first = state[12][0], state[12][1], state[12][2]


def steps(finished: Mapping[str, int], before: Mapping[str, int] | None) -> dict[str, int]:
    """How many of each kind ended between two readings."""
    before = before or {}
    return {kind: max(0, count - before.get(kind, 0)) for kind, count in finished.items()}
