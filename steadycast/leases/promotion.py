"""Which software renditions that prefer hardware are moved to it when a slot is free. Pure; the time is an argument.

Those in the line come first. A slot must be free for a while, one rendition moves at a time in a pool, and one whose
move failed rests longer each time: nothing flaps, since nothing is ever moved back to make room.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from steadycast.leases.line import rank

FIRST_REST_S = 10.0
LONGEST_REST_S = 600.0
AGAIN_S = 1.0  # one that could not be moved just then, which says nothing of the encoder
# Holders whose failed moves are remembered; the longest unused one is forgotten.
MOST_RESTING = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rendition in software that prefers hardware: since when it waits, and the pools whose devices would do."""

    holder: str
    since: float
    priority: int
    pools: frozenset[str]


@dataclass(frozen=True, slots=True)
class Promotion:
    """Move this one to a device of this pool now."""

    holder: str
    pool: str


@dataclass(frozen=True, slots=True)
class _Rest:
    failures: int
    until: float


def order(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Who is moved first: as in the line, the longest wait and the higher priority."""
    return tuple(sorted(candidates, key=lambda c: (rank(c.priority, c.since), c.since, c.holder)))


class Promotions:
    """What has to be remembered between decisions. Times are seconds of one clock that does not go back."""

    def __init__(self, after_s: float) -> None:
        self._after = after_s
        self._free_since: dict[str, float] = {}
        self._under_way: dict[str, str] = {}
        self._resting: dict[str, _Rest] = {}

    def seen(self, free: Mapping[str, int | None], now: float) -> None:
        """The free sessions of all pools now (None: no cap is known, so there is one). Pools not named are gone."""
        for pool in self._free_since.keys() - free.keys():
            del self._free_since[pool]
        for pool, number in free.items():
            if number is not None and number < 1:
                self._free_since.pop(pool, None)
            else:
                self._free_since.setdefault(pool, now)

    def choose(
        self,
        candidates: Iterable[Candidate],
        free: Mapping[str, int | None],
        waiting: Mapping[str, int],
        now: float,
    ) -> tuple[Promotion, ...]:
        """At most one for each pool. `waiting`: how many in the line could use a pool; their slots are not touched."""
        self.seen(free, now)
        moving = set(self._under_way.values())
        open_pools = {pool for pool in free if self._open(pool, free[pool], waiting.get(pool, 0), now)}
        chosen: list[Promotion] = []
        for candidate in order(candidates):
            pools = sorted(candidate.pools & open_pools)
            if not pools or candidate.holder in moving or self.rests(candidate.holder, now):
                continue
            chosen.append(Promotion(candidate.holder, pools[0]))
            open_pools.discard(pools[0])
            if not open_pools:
                break
        return tuple(chosen)

    def begun(self, promotion: Promotion) -> None:
        """It is being moved; nothing else is moved to this pool meanwhile."""
        self._under_way[promotion.pool] = promotion.holder

    def ended(self, promotion: Promotion, worked: bool | None, now: float) -> None:
        """How the move went; None: it could not be tried."""
        if self._under_way.get(promotion.pool) == promotion.holder:
            del self._under_way[promotion.pool]
        if worked:
            self._resting.pop(promotion.holder, None)
        elif worked is None:
            before = self._resting.get(promotion.holder)
            self._rest(promotion.holder, _Rest(0 if before is None else before.failures, now + AGAIN_S))
        else:
            self.failed(promotion.holder, now)

    def failed(self, holder: str, now: float) -> None:
        """A move failed, or it fell out of hardware: it rests, each time twice as long up to `LONGEST_REST_S`."""
        before = self._resting.get(holder)
        failures = 1 if before is None else min(30, before.failures + 1)
        rest = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** (failures - 1))
        self._rest(holder, _Rest(failures, now + rest))

    def forget(self, holder: str) -> None:
        """It is gone. A move that is under way still ends with `ended`."""
        self._resting.pop(holder, None)

    def rests(self, holder: str, now: float) -> bool:
        """Whether it may not be moved yet."""
        rest = self._resting.get(holder)
        return rest is not None and now < rest.until

    def next_at(self, holders: Iterable[str], now: float) -> float | None:
        """When time alone may change the answer of `choose`: a slot was free for long enough, a rest ends."""
        times = [since + self._after for since in self._free_since.values()]
        times += [rest.until for rest in map(self._resting.get, holders) if rest is not None]
        return min((at for at in times if at > now), default=None)

    def _rest(self, holder: str, rest: _Rest) -> None:
        self._resting.pop(holder, None)
        self._resting[holder] = rest
        if len(self._resting) > MOST_RESTING:
            del self._resting[next(iter(self._resting))]

    def _open(self, pool: str, free: int | None, waiting: int, now: float) -> bool:
        since = self._free_since.get(pool)
        if since is None or pool in self._under_way or now < since + self._after:
            return False
        return free is None or free > waiting
