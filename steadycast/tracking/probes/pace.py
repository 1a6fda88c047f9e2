"""When to read what of one process. Pure; seconds are monotonic."""

from __future__ import annotations

from dataclasses import dataclass, field

from steadycast.tracking.probes.process import Peek

_SMALL = 256 << 10  # bytes of RSS that come and go in any program
_MEMORY_SHARE = 0.005  # of a core, for the walks over the page tables of all processes together


@dataclass(frozen=True, slots=True)
class Steps:
    """`fast_s` while something changes, and `hold_s` longer; `slow_s` otherwise. `settle_s`: after something came or
    went, until it is called quiet."""

    fast_s: float = 1.0
    slow_s: float = 60.0
    hold_s: float = 10.0
    settle_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Due:
    """What to read now."""

    counts: bool = False
    memory: bool = False


@dataclass(slots=True)
class Pace:
    """Of one process. It is peeked at each step; all else depends on what that shows."""

    steps: Steps = field(default_factory=Steps)
    _seen: Peek | None = None
    _family: tuple[float, float] = (0, 0)
    _active_until: float = float("-inf")
    _counted: float = float("-inf")
    _walked: float = float("-inf")
    _walked_rss: int = -1
    _cost_s: float = 0.0

    def due(self, peek: Peek, family: tuple[float, float], now: float, watched: int, *, settled: bool) -> Due:
        """`family`: children, zombies. `watched` is the number of processes that share the time there is; `settled`: it
        has just become quiet."""
        if self._seen is None or family != self._family or _differs(self._seen, peek):
            self._active_until = now + self.steps.hold_s
            self._seen, self._family = peek, family
        is_old = now - self._counted >= self.steps.slow_s
        counts = is_old or settled or now < self._active_until
        gap = max(self.steps.fast_s, self._cost_s * max(watched, 1) / _MEMORY_SHARE)
        age = now - self._walked
        moved = abs(peek.rss - self._walked_rss) > max(_SMALL, self._walked_rss // 200)
        memory = age >= gap and (moved or settled or is_old or age >= self.steps.slow_s)
        counts = counts or memory
        if counts:
            self._counted = now
        if memory:
            self._walked, self._walked_rss = now, peek.rss
        return Due(counts, memory)

    def took(self, seconds: float) -> None:
        """How long the last walk over the page tables took."""
        self._cost_s = seconds


def _differs(old: Peek, new: Peek) -> bool:
    return (
        (old.state in "ZX") is not (new.state in "ZX")
        or old.threads != new.threads
        or old.descriptors != new.descriptors
        or old.name != new.name
        or abs(old.rss - new.rss) > max(_SMALL, old.rss // 200)
    )
