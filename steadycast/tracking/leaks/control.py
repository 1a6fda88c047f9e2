"""How many alarms all series of a host may raise: what pages is bounded in a year by design, suspects by a rate.

Pages: each series has its part of what is allowed in a year, and each life of it a part of that, so the sum over any
number of restarts stays within it (6 / (pi k)^2 for the k-th life sums to 1). No independence is needed.
Suspects: those of one owner that grow at the same time are one; the strongest come first, e-BH picks those that stand
out among all series of the host, and a bucket bounds how many start a probe in a day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from steadycast.model.series import Measured, Owner
from steadycast.tracking.leaks.verdicts import Verdict

DAY = 86400.0
TOGETHER = 0.5  # of the shorter growth must lie within the longer one


@dataclass(frozen=True, slots=True)
class Pages:
    """At most `a_year` false pages of a host with `series` series."""

    a_year: float = 1.0
    series: int = 1000

    def chance(self, life: int = 1) -> float:
        """The largest `Verdict.chance` at which the `life`-th life (from 1) of a series in a year may page."""
        return self.a_year / max(1, self.series) * 6 / (math.pi * max(1, life)) ** 2

    def allows(self, verdict: Verdict, life: int = 1) -> bool:
        return verdict.chance <= self.chance(life)


@dataclass(frozen=True, slots=True)
class Suspected:
    """Series of one owner that grow together, the one with the strongest evidence first."""

    owner: Owner
    members: tuple[tuple[Measured, Verdict], ...]

    @property
    def chance(self) -> float:
        return self.members[0][1].chance


def together(verdicts: Mapping[tuple[Owner, Measured], Verdict]) -> list[Suspected]:
    """One suspect for each owner and time: private memory, PSS and RSS that grow since the same hour are one leak."""
    groups: list[list[tuple[Owner, Measured, Verdict]]] = []
    ordered = sorted(verdicts.items(), key=lambda item: (item[1].chance, -item[1].grown / max(item[1].level, 1e-9)))
    for (owner, measured), verdict in ordered:
        for group in groups:
            if group[0][0] == owner and close(group[0][2], verdict):
                group.append((owner, measured, verdict))
                break
        else:
            groups.append([(owner, measured, verdict)])
    return [Suspected(group[0][0], tuple((measured, verdict) for _, measured, verdict in group)) for group in groups]


def close(one: Verdict, other: Verdict) -> bool:
    """Whether two growths of one owner go on at the same time. Both go on now, so only their starts count."""
    if one.since is None or other.since is None or one.per_hour is None or other.per_hour is None:
        return True
    lengths = [
        v.grown / v.per_hour.value if v.per_hour is not None and v.per_hour.value > 0 else 0.0 for v in (one, other)
    ]
    return abs(one.since - other.since) / 3600 <= (1 - TOGETHER) * max(max(lengths), 1.0)


def stand_out(chances: Sequence[float], share: float, series: int) -> list[int]:
    """e-BH: positions of those that may be told so that at most `share` of what is told is false on average, whatever
    depends on what. `chances` are 1/e of those that told anything; the others of the `series` have e = 0 at worst."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    most = 0
    for k, i in enumerate(order, 1):
        if chances[i] <= k * share / max(series, len(chances)):
            most = k
    return sorted(order[:most])


@dataclass(slots=True)
class Probes:
    """How many suspects may start a probe: `a_day` on average, `at_once` after a quiet time. One that found no place
    stays a suspect and asks again."""

    a_day: float = 12.0
    at_once: float = 4.0
    _left: float = field(default=math.nan)
    _at: float = 0.0

    def may(self, now: float) -> bool:
        """`now` in seconds of a clock that never goes back."""
        left = self.at_once if math.isnan(self._left) else self._left + max(0.0, now - self._at) / DAY * self.a_day
        self._left, self._at = min(self.at_once, left), now
        if self._left < 1:
            return False
        self._left -= 1
        return True
