"""A whole series judged at once, as it would have been judged while it was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from steadycast.model.series import Unit
from steadycast.tracking.leaks.demands import TrendPolicy
from steadycast.tracking.leaks.trend import Trend
from steadycast.tracking.leaks.verdicts import Verdict

SHORT = 3 * 3600.0  # seconds
SHORT_ROWS = 240
# Lengths in hours mean nothing there: large growth, the same certainty for all.
BRIEF = TrendPolicy(
    odds=(5.0,) * 3, odds_larger=0.0, steady=(5.0,) * 5, steady_larger=0.0, floors=(1.5,) * 7, times=3, agree=0.05,
    beyond=1.3, few=0.6, newest=0.35, plateau=1.03, rhythm=0.18, clear=1.64,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suspect:
    """`raised` and `ended`: times of the series at which it was told and withdrawn (None: it still holds at the end).

    `verdict` is the newest one, so its rate and size are those of the end; its `since` is a time of the series too.
    """

    raised: float
    ended: float | None
    verdict: Verdict


def judge(
    times: Sequence[float],
    values: Sequence[float | None],
    load: Mapping[str, Sequence[float | None]] | None = None,
    unit: Unit = Unit.BYTES,
    restarts: Sequence[float] = (),
    policy: TrendPolicy | None = None,
) -> list[Suspect]:
    """Suspects of growth with time, in the order in which they were raised.

    `times` (n,) in seconds, of any origin, at any steps; rows that go back in time or repeat one are left out, so sort
    a table that is not sorted. `values` (n,) in any unit: nothing in here depends on it; None and NaN are gaps. `load`:
    names (at most four count) to (n,) of what the owner worked on then; None where that is not known. `restarts`: times
    at which another life begins. Two hours of data are the least that can raise anything; slow leaks take days. A
    recording of less than three hours with many rows is judged at a scale of its own; only large growth counts then.
    """
    trend = Trend(unit, policy or fitting(times))
    found: list[Suspect] = []
    lives = iter(sorted(restarts))
    following = next(lives, math.inf)
    open_ = False
    for at, value, busy in rows(times, values, load or {}):
        while at >= following:
            trend.restart(following)
            following, open_ = next(lives, math.inf), False
        verdict = trend.update(at, value, busy)
        if verdict is None:
            open_ = False
        elif not open_:
            found.append(Suspect(at, None, verdict))
            open_ = True
        else:
            found[-1] = Suspect(found[-1].raised, None if verdict.holds else at, verdict)
    return found


def fitting(times: Sequence[float]) -> TrendPolicy:
    """Bins of ten minutes; of a sixtieth of a short recording, with more growth and more certainty."""
    span = times[-1] - times[0] if len(times) >= SHORT_ROWS else math.inf
    if not 0 < span < SHORT:
        return TrendPolicy()
    step = span / 60
    return replace(BRIEF, step=step, warm=3 * step, short=step / 600)  # 6 bins


def rows(
    times: Sequence[float], values: Sequence[float | None], load: Mapping[str, Sequence[float | None]]
) -> Iterator[tuple[float, float, Mapping[str, float]]]:
    for i, (at, value) in enumerate(zip(times, values, strict=True)):
        if not math.isfinite(at):
            continue
        busy = {name: math.nan if (known := column[i]) is None else float(known) for name, column in load.items()}
        yield float(at), math.nan if value is None else float(value), busy
