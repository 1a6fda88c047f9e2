"""What encoders were seen to take, so that estimates need not be believed for long. Pure; bytes."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from statistics import median

KINDS = 64  # of encodings that are remembered, the newest
SEEN = 8  # newest of each
ENOUGH = 3  # until they are believed: one may have been measured while something else began or ended
MARGIN = 1.1  # of what was seen: the next one may take a little more


class MemorySeen:
    """By kind of encoding: what decides its memory (codec, size, references, element)."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[Hashable, deque[int]] = OrderedDict()

    def note(self, kind: Hashable, took: int) -> None:
        """One took so much; nothing, or less, was not seen."""
        if took <= 0:
            return
        self._kinds.setdefault(kind, deque(maxlen=SEEN)).append(took)
        self._kinds.move_to_end(kind)
        while len(self._kinds) > KINDS:
            self._kinds.popitem(last=False)

    def of(self, kind: Hashable) -> int | None:
        """What one more will take; None where too few were seen."""
        seen = self._kinds.get(kind)
        return None if seen is None or len(seen) < ENOUGH else round(median(seen) * MARGIN)

    def count(self, kind: Hashable) -> int:
        """How many of this kind are remembered."""
        return len(self._kinds.get(kind, ()))
