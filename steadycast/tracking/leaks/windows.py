"""The windows over which a series is judged, from two hours to a month, and how one is cut out of the history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steadycast.tracking.leaks.bins import RATIO

Array = npt.NDArray[np.float64]

COVERED = 0.7  # of the points of a window must have been measured
OUTLIER = 6.0  # usual deviations from the neighbours


@dataclass(frozen=True, slots=True)
class Window:
    """`points` points of `group` bins each, of the coarse history or of the fine one."""

    points: int
    group: int
    coarse: bool = False

    @property
    def bins(self) -> int:
        return self.points * self.group

    @property
    def fine(self) -> int:
        """Fine bins from one judgement to the next."""
        return self.group * (RATIO if self.coarse else 1)


# With bins of ten minutes: 2 3 4 6 8 12 16 24 36 48 72 96 hours, then 7, 14, 30 days.
WINDOWS = (
    Window(12, 1), Window(18, 1), Window(24, 1), Window(36, 1), Window(48, 1), Window(36, 2), Window(48, 2),
    Window(48, 3), Window(43, 5), Window(48, 6), Window(48, 9), Window(48, 12),
    Window(12, 3), Window(12, 4), Window(12, 6), Window(12, 8), Window(12, 12), Window(12, 18),
    Window(12, 24), Window(12, 48),
    Window(42, 2, True), Window(42, 4, True), Window(45, 8, True),
)  # fmt: skip


def points_of(rows: Array, window: Window) -> Array | None:
    """The newest window of `rows` (n, columns): (points, columns), the lower envelope of each group, gaps bridged, what
    stands out alone pulled in. None where too little was measured."""
    if len(rows) < window.bins:
        return None
    cut = rows[-window.bins :].reshape(window.points, window.group, -1)
    values = cut[:, :, 0]
    known = (~np.isnan(values)).sum(axis=1)
    if (known > 0).mean() < COVERED or known[-1] == 0:
        return None
    order = np.argsort(values, axis=1)  # NaN last
    rank = (0.2 * np.maximum(known - 1, 0)).astype(int)
    chosen = np.take_along_axis(order, rank[:, None], axis=1)
    out: Array = np.take_along_axis(cut, chosen[:, :, None], axis=1)[:, 0, :]
    return bridged(out, known > 0)


def bridged(points: Array, known: npt.NDArray[np.bool_]) -> Array:
    if known.all():
        return points
    at, there = np.arange(len(points)), np.flatnonzero(known)
    columns = [np.interp(at, there, points[there, i]) for i in range(points.shape[1])]
    return np.column_stack(columns)


def tamed(values: Array) -> Array:
    """Points far from the median of their five neighbours are pulled back to it: a spike is no growth."""
    padded = np.pad(values, 2, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    off = values - around
    limit = OUTLIER * 1.4826 * float(np.median(np.abs(off))) + 0.02 * float(np.ptp(values))
    out: Array = around + np.clip(off, -limit, limit)
    return out


def valleys(values: Array, width: int) -> Array:
    """The lowest of the last `width` values at each of them; gaps keep the value before."""
    filled = values.copy()
    known = ~np.isnan(filled)
    if not known.any():
        return np.zeros(len(filled))
    filled = np.interp(np.arange(len(filled)), np.flatnonzero(known), filled[known])
    padded = np.concatenate([np.full(width - 1, filled[0]), filled])
    out: Array = np.lib.stride_tricks.sliding_window_view(padded, width).min(axis=1)
    return out


def given_back(values: Array) -> float:
    """The highest that the series ever rose and then came down again (the smaller of the two)."""
    if len(values) < 3:
        return 0.0
    below = np.minimum.accumulate(values)
    after = np.minimum.accumulate(values[::-1])[::-1]
    return float(np.minimum(values - below, values - after).max())


def carried_by_few(values: Array) -> float:
    """Share of the growth that the best two neighbouring eighths carry; 1 where it did not grow. Of few points the
    parts are larger and their share counts for less."""
    blocks = min(8, len(values) - 1)
    if blocks < 3:
        return 1.0
    parts = [float(np.median(part)) for part in np.array_split(values, blocks + 1)]
    growth = np.diff(parts)
    total = float(growth.sum())
    if total <= 0:
        return 1.0
    return float((growth[1:] + growth[:-1]).max()) / total * blocks / 8


def newest(values: Array) -> float:
    """Growth of the newest quarter against what its share of the whole growth would be: 1 for a line."""
    quarter = max(2, len(values) // 4)
    half = max(1, quarter // 2)
    whole = float(np.median(values[-half:])) - float(np.median(values[:half]))
    late = float(np.median(values[-half:])) - float(np.median(values[-quarter - half : -quarter]))
    return late / whole * (len(values) - half) / quarter if whole > 0 else 0.0


def slope_of(values: Array) -> tuple[float, float]:
    """Growth over all of `values` and its standard error, with errors that go on for a fifth of it (Newey-West)."""
    n = len(values)
    x = np.arange(n) - (n - 1) / 2
    across = float(x @ x)
    slope = float(x @ values) / across
    score = x * (values - values.mean() - slope * x)
    lags = max(1, n // 5)
    spread = float(score @ score)
    for k in range(1, lags + 1):
        spread += 2 * (1 - k / (lags + 1)) * float(score[k:] @ score[:-k])
    return slope * n, float(np.sqrt(max(spread, 0.0) * n / (n - 2))) / across * n
