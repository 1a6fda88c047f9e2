"""What others do with the same series: the usual trend tests, and a tier of valleys, load and shape gates as published
descriptions of such tiers have it. Each answers the minute of its first alarm, judged each hour (the line through the
last ten samples: each minute)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import stats

from benchmarks.leaks.series import Array, Made

Rival = Callable[[Made, bool], int | None]


def lives(made: Made) -> list[tuple[int, Array]]:
    """Each life with the minute at which it began; a gap keeps the value before it."""
    values = made.values.copy()
    known = np.flatnonzero(~np.isnan(values))
    values = np.interp(np.arange(len(values)), known, values[known])
    cuts = [0, *made.restarts, len(values)]
    return [(a, values[a:b]) for a, b in pairwise(cuts) if b > a]


def last_ten(made: Made, with_load: bool) -> int | None:
    """A line through the last ten samples that climbs by more than 1 MB a minute."""
    x = np.arange(10) - 4.5
    for start, values in lives(made):
        if len(values) < 10:
            continue
        slopes = np.lib.stride_tricks.sliding_window_view(values, 10) @ x / (x @ x)
        hit = (
            np.flatnonzero(slopes[made.onset - start :] > 1) if start <= made.onset < start + len(values) - 9 else None
        )
        found = np.flatnonzero(slopes > 1) if hit is None else hit + made.onset - start
        if start + len(values) > made.onset and len(found):
            return start + int(found[0]) + 9
    return None


def hourly(made: Made, test: Callable[[Array], bool], window: int) -> int | None:
    for start, values in lives(made):
        for end in range(window, len(values) + 1, 60):
            if start + end > made.onset and test(values[end - window : end]):
                return start + end - 1
    return None


def ols(values: Array) -> bool:
    found = stats.linregress(np.arange(len(values)), values)
    return bool(found.slope - 2.33 * found.stderr > 0)


def theil_sen(values: Array) -> bool:
    part = values[::6]
    return bool(stats.theilslopes(part, np.arange(len(part)), 0.99)[2] > 0)


def mann_kendall(values: Array) -> bool:
    part = values[::3]
    n = len(part)
    score = float(np.sign(np.subtract.outer(part, part))[np.tril_indices(n, -1)].sum())
    return bool((score - 1) / np.sqrt(n * (n - 1) * (2 * n + 5) / 18) > 2.33)


def hac(values: Array) -> bool:
    slope, error = slope_hac(values[::10])
    return slope - 2.33 * error > 0


def slope_hac(y: Array) -> tuple[float, float]:
    """Slope a point and its Newey-West standard error with n / 5 lags."""
    n = len(y)
    x = np.arange(n) - (n - 1) / 2
    slope = float(x @ y / (x @ x))
    score = x * (y - y.mean() - slope * x)
    lags = max(1, n // 5)
    spread = float(score @ score)
    for k in range(1, lags + 1):
        spread += 2 * (1 - k / (lags + 1)) * float(score[k:] @ score[:-k])
    return slope, float(np.sqrt(max(spread, 0.0) * n / max(1, n - 2))) / float(x @ x)


LEAST = ((12, 250.0), (24, 250.0), (48, 200.0), (96, 58.0))  # half hours, MB


def gated_valleys(made: Made, with_load: bool) -> int | None:
    """Load out by first differences, 10 % quantile of half hours, 2 h of warm-up dropped, windows of 6 to 48 h with a
    least growth, lower HAC bound above it, and gates: monotone, not carried by few, still rising."""
    for start, values in lives(made):
        adjusted = values
        if with_load and made.load:
            active = next(iter(made.load.values()))[start : start + len(values)]
            change = np.diff(active)
            if change @ change > 0:
                adjusted = values - float(change @ np.diff(values) / (change @ change)) * active
        n = len(adjusted) // 30
        valley = np.quantile(adjusted[: n * 30].reshape(n, 30), 0.1, axis=1)[4:]
        for end in range(12, len(valley) + 1, 2):
            minute = start + (end + 4) * 30
            if minute > made.onset and any(rises(valley[end - w : end], least) for w, least in LEAST if w <= end):
                return minute - 1
    return None


def rises(valley: Array, least: float) -> bool:
    if valley[-1] - valley[0] < 0.5 * least:
        return False
    slope, error = slope_hac(valley)
    if (slope - 2.33 * error) * len(valley) < least:
        return False
    parts = np.array([np.median(p) for p in np.array_split(valley, 9)])
    growth = np.diff(parts)
    up, down = float(growth[growth > 0].sum()), float(-growth[growth < 0].sum())
    total = up - down
    if total <= 0 or total / (up + down) < 0.7 or float((growth[1:] + growth[:-1]).max()) > 0.65 * total:
        return False
    quarter = len(valley) // 4
    return float(np.median(valley[-quarter // 2 :]) - np.median(valley[-quarter : -quarter // 2])) > 0


RIVALS: dict[str, Rival] = {
    "line through 10 samples": last_ten,
    "OLS 6 h": lambda made, load: hourly(made, ols, 360),
    "Theil-Sen 6 h": lambda made, load: hourly(made, theil_sen, 360),
    "Mann-Kendall 6 h": lambda made, load: hourly(made, mann_kendall, 360),
    "HAC slope 24 h": lambda made, load: hourly(made, hac, 1440),
    "gated valleys": gated_valleys,
}
