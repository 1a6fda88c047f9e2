"""How sure it is that a count only ever grows: bets against chance, exact at every look.

What harmless things do: a pool holds as much as the most that was ever needed at once, and what is needed varies
without an order. Then the i-th reading is higher than all before with a chance of at most 1/i, whatever the
distribution (Rényi, 1962). Where it never fell by more than two, it is higher by just the same `d` as the last time
with a chance of at most `1 / ((d - 2) (d - 1))` for `d` of 3 and more: what breathes little grows by little.

Several bettors each expect a kind of loss (in each cycle, in some, in each tenth) and start at every reading with a
part of a capital of 1 in all. While harmless, the capital is a supermartingale: the chance that it ever reaches `c` is
at most `1 / c` (Ville, 1939), over all readings of a life and all bettors together. So 1,000 series that each begin a
life a week page at most 0.52 times a year at `c` = 100,000.
"""

from __future__ import annotations

from collections.abc import Sequence

# (chance of a new high at each reading, how much of the capital, whether it expects the same size again)
_STEADY = ((0.97, 0.30, True), (0.97, 0.10, False), (0.6, 0.10, False), (0.3, 0.05, False), (0.1, 0.05, False),
           (0.03, 0.05, False))  # fmt: skip
_PERIODS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)  # readings from one new high to the next
_PERIODIC = (1.0 - sum(part for _, part, _ in _STEADY)) / len(_PERIODS)
_ON_TIME = 0.95
_FIRST = 0.7  # of the capital is set at the first reading, the rest later: less and less
_MOST = 1e9  # of one bettor: more says nothing more
_SMALL = 2  # so much more or less says nothing of its own
BETTORS = len(_STEADY) + len(_PERIODS)


class Bets:
    """The capital of all bettors in one series."""

    __slots__ = ("_capital", "_readings")

    def __init__(self) -> None:
        self._capital = [0.0] * BETTORS
        self._readings = 0

    @property
    def capital(self) -> float:
        return sum(self._capital)

    def reading(self, compared: int, more: bool, gap: int | None, again: float | None, breath: float) -> None:
        """One reading against `compared` earlier ones; `more`: it is higher than all of them.

        `gap`: readings since the last new high; None: there was none. `again`: how much higher it is, where that is as
        much as the last time. `breath`: the most by which the series ever fell.
        """
        self._readings += 1
        start = _FIRST if self._readings == 1 else (1 - _FIRST) / (self._readings * (self._readings - 1))
        chance = 1.0 / (compared + 1)
        same = _foreseen(again, breath) if gap is not None else 1.0
        capital = self._capital
        for at, (steady, part, exact) in enumerate(_STEADY):
            held = capital[at] + start * part
            if steady > chance:
                held *= steady / chance * (same if exact else 1.0) if more else (1 - steady) / (1 - chance)
            capital[at] = min(held, _MOST)
        for at, period in enumerate(_PERIODS, len(_STEADY)):
            held = capital[at] + start * _PERIODIC
            if gap == period and chance < _ON_TIME:
                held *= _ON_TIME / chance * same if more else (1 - _ON_TIME) / (1 - chance)
            capital[at] = min(held, _MOST)

    def clear(self) -> None:
        """What was won is given back; what is not set yet is kept."""
        self._capital = [0.0] * BETTORS

    def state(self) -> list[float]:
        return [self._readings, *self._capital]

    def restore(self, state: Sequence[float]) -> None:
        """Of another number of bettors: begins anew."""
        if len(state) == BETTORS + 1:
            self._readings, self._capital = int(state[0]), [float(one) for one in state[1:]]


def _foreseen(again: float | None, breath: float) -> float:
    """How much better the size was foreseen than by chance by who expects the same again."""
    if again is None:
        return 0.1
    return 0.9 * (again - 2) * (again - 1) if again > _SMALL + 1 and breath <= _SMALL else 1.0
