"""Which kind of thing takes a piece with it: growth of one series against each counter of what came and went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ALIKE = 0.9  # of the best explanation: so good a one cannot be told from it


class Kinds:
    """Sums over the readings since the growth began: how well each kind foretells by how much it grows."""

    __slots__ = ("_all", "_sums")

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}  # kind: sum of ended * more, of ended squared, of ended
        self._all = 0.0  # sum of more squared

    def add(self, ended: Mapping[str, int], more: float) -> None:
        """Between two readings so many ended of each kind, and it grew by so much."""
        self._all += more * more
        for kind, count in ended.items():
            sums = self._sums.setdefault(kind, [0.0, 0.0, 0.0])
            sums[0] += count * more
            sums[1] += count * count
            sums[2] += count

    def ranked(self) -> list[tuple[str, float]]:
        """Kinds, best first, with the share of the growth's size that each foretells (0 to 1).

        Of those that foretell it alike, the one that ended least often comes first: what holds the others.
        """
        if not self._all:
            return []
        found = [
            (kind, across * across / (squares * self._all), ended)
            for kind, (across, squares, ended) in self._sums.items()
            if squares
        ]
        if not found:
            return []
        best = max(share for _, share, _ in found)
        found.sort(key=lambda one: (one[1] < ALIKE * best, one[2] if one[1] >= ALIKE * best else -one[1]))
        return [(kind, share) for kind, share, _ in found]

    def ended(self, kind: str) -> int:
        """How many of this kind since the growth began."""
        return int(self._sums[kind][2]) if kind in self._sums else 0

    def state(self) -> list[Any]:
        return [self._all, self._sums]

    def restore(self, state: Sequence[Any]) -> None:
        self._all = float(state[0])
        self._sums = {str(kind): [float(one) for one in sums] for kind, sums in state[1].items()}


def together(ranked: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    """Kinds that explain the growth as well as the first one does."""
    return tuple(kind for kind, share in ranked[1:] if share >= ALIKE * ranked[0][1]) if ranked else ()
