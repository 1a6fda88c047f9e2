"""How often keys are wanted, newer times counting more. Bounded, whatever keys come."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
HALF_LIFE_S = 300.0


class Worth(Generic[K]):
    """Of the `most` keys that are wanted most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._level: dict[K, float] = {}  # log2 of the uses, each weighed by when it was: so time alone changes nothing
        self._epoch: float | None = None

    def used(self, key: K, now: float) -> None:
        """Somebody wants this key."""
        if self._epoch is None:
            self._epoch = now
        at = (now - self._epoch) / HALF_LIFE_S
        before = self._level.pop(key, -math.inf)
        high, low = max(before, at), min(before, at)
        self._level[key] = high + math.log2(1 + 2 ** (low - high))
        if len(self._level) > self._most:
            del self._level[min(self._level, key=lambda one: self._level[one])]

    def of(self, key: K, now: float) -> float:
        """Uses of late; 0 for a key that nobody remembers."""
        if self._epoch is None or key not in self._level:
            return 0.0
        return float(2 ** min(64.0, self._level[key] - (now - self._epoch) / HALF_LIFE_S))
