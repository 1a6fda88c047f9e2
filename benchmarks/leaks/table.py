"""What is printed: shares with intervals, delays, lost megabytes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from benchmarks.leaks.protocol import GATED_LOAD, OURS, OURS_LOAD, RATES, Told, wilson
from benchmarks.leaks.rivals import RIVALS
from benchmarks.leaks.series import MINUTES

A_YEAR = 365.25 * 24 * 60 / MINUTES
ALONE = (*RIVALS, OURS)
WITH_LOAD = ("gated valleys", GATED_LOAD, OURS, OURS_LOAD)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def false_alarms(told: Iterable[Told], names: tuple[str, ...]) -> list[str]:
    harmless = [t for t in told if not t.job.kind]
    out = [f"{'':28}{'series with a false alarm in 96 h':>36}{'a host-year of 1 series':>26}"]
    for name in names:
        of = [t for t in harmless if name in t.at]
        if not of:
            continue
        hits = sum(t.at[name] is not None for t in of)
        low, high = wilson(hits, len(of))
        share = f"{hits}/{len(of)} = {percent(hits / len(of))} ({percent(low)} to {percent(high)})"
        out.append(f"{name:28}{share:>36}{hits / len(of) * A_YEAR:>26.1f}")
    return out


def delays(told: Iterable[Told], names: tuple[str, ...]) -> list[str]:
    leaking = [t for t in told if t.job.kind]
    out = [f"{'':28}" + "".join(f"{f'{rate:g} MB/min':>30}" for rate in RATES)]
    for name in names:
        cells = []
        for rate in RATES:
            of = [t for t in leaking if t.job.rate == rate and name in t.at]
            cells.append(f"{cell(of, name):>30}")
        out.append(f"{name:28}" + "".join(cells))
    return out


def cell(of: list[Told], name: str) -> str:
    """Found; median hours over all (those that were not found count as never), and what had been lost by then."""
    if not of:
        return "-"
    hours = [math.inf if (at := t.at[name]) is None else (at - t.onset) / 60 for t in of]
    lost = [t.lost.get(name, math.inf) for t in of]
    found = sum(math.isfinite(h) for h in hours) / len(of)
    middle = median(hours)
    if math.isinf(middle):
        return f"{100 * found:.0f} %"
    return f"{100 * found:.0f} %  {middle:.1f} h  {median(lost):.0f} MB"


def by_family(told: Iterable[Told], names: tuple[str, ...]) -> list[str]:
    everyone = list(told)
    width = max(len(t.job.family) for t in everyone) + 2
    out = [f"{'':{width}}" + "".join(f"{name:>26}" for name in names)]
    for family in dict.fromkeys(t.job.family for t in everyone):
        cells = []
        for name in names:
            of = [t for t in everyone if t.job.family == family and not t.job.kind and name in t.at]
            hits = sum(t.at[name] is not None for t in of)
            cells.append(f"{f'{hits}/{len(of)}' if of else '-':>26}")
        out.append(f"{family:{width}}" + "".join(cells))
    return out


def by_kind(told: Iterable[Told]) -> list[str]:
    leaking = [t for t in told if t.job.kind]
    out = [f"{OURS:28}" + "".join(f"{f'{rate:g} MB/min':>30}" for rate in RATES)]
    for kind in dict.fromkeys(t.job.kind for t in leaking):
        cells = [cell([t for t in leaking if t.job.kind == kind and t.job.rate == rate], OURS) for rate in RATES]
        out.append(f"  {kind:26}" + "".join(f"{c:>30}" for c in cells))
    for late, word in ((False, "from the start"), (True, "after a day or two")):
        of = [t for t in leaking if t.job.late == late]
        cells = [cell([t for t in of if t.job.rate == rate], OURS) for rate in RATES]
        out.append(f"  {word:26}" + "".join(f"{c:>30}" for c in cells))
    return out
