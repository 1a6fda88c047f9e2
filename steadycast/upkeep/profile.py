"""The memory of a process over its whole life, from the minutes of the history: where it began, how far it went,
whether it still grows. `profile_of` is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from steadycast.model import Measured, Resource
from steadycast.tracking.history.buckets import Bucket
from steadycast.tracking.history.history import History
from steadycast.tracking.leaks.slopes import slope

HOUR = 3600.0
WARM_S = 600.0  # a process that has just begun still fills what it needs
LEAST = 10  # minutes behind that, until growth is told
RAW_S = 30 * 24 * HOUR  # of which minutes are kept


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """PSS of one life of a worker, bytes; `growth` in bytes an hour by its valleys, with its interval (95 %).

    Unknown is None, and `why` says why, by the field's name. `since` is when it began, Unix seconds, `hours` how long
    it lives. `allocations` a second: malloc does not count its calls, and to have it count costs more than it tells.
    """

    since: float
    hours: float
    baseline: float | None = None
    peak: float | None = None
    after_hour: float | None = None
    now: float | None = None
    growth: float | None = None
    growth_low: float | None = None
    growth_high: float | None = None
    allocations: float | None = None
    why: dict[str, str] = field(default_factory=dict)


def read_profile(history: History, role: str, now: float) -> MemoryProfile | None:
    """Of the newest life of this role; None where nothing of it was measured. Blocking: reads the history's file."""
    known = history.find(role, Measured(Resource.PSS))
    if known is None:
        return None
    lives = history.epochs(role)
    began = lives[-1][0] if lives else known.first
    return profile_of(history.minutes(known.id, max(began, now - RAW_S) - 60, now), began, now)


def profile_of(minutes: Sequence[Bucket], began: float, now: float) -> MemoryProfile:
    """From the buckets of one life, in order."""
    why = {"allocations": "malloc does not count its calls"}
    since = [one for one in minutes if one.at + one.width >= began]
    if not since:
        return MemoryProfile(began, (now - began) / HOUR, why={**why, "baseline": "nothing was measured yet"})
    later = next((one.median for one in since if one.at >= began + HOUR), None)
    if later is None:
        why["after_hour"] = "it is younger than an hour"
    growth = low = high = None
    steady = [one for one in since if one.at >= began + WARM_S]
    fitted = None
    if len(steady) >= LEAST:
        hours = np.array([(one.at - began) / HOUR for one in steady])
        fitted = slope(hours, np.array([one.low for one in steady]))
    if fitted is None:
        why["growth"] = f"it takes {LEAST} minutes beyond the first {WARM_S / 60:.0f}"
    else:
        growth, (low, high) = fitted.value, fitted.interval()
    peak = max(one.high for one in since)
    return MemoryProfile(
        began, (now - began) / HOUR, since[0].median, peak, later, since[-1].median, growth, low, high, None, why
    )
