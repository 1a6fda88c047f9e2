"""Slopes with honest errors: least squares, and errors that hold where neighbours resemble each other (Newey and West).

Arrays in, numbers out. Nothing here knows what is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SHARE = 5  # lags: a fifth of the readings
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Slope:
    """`value` a unit of x, its standard `error`, degrees of freedom, and what is left unexplained (sum of squares)."""

    value: float
    error: float
    free: int
    left: float

    def chance(self, budget: float) -> float:
        """Probability (one-sided) of such a slope where the true one is at most `budget`."""
        if self.value <= budget:
            return 1.0
        return tail((self.value - budget) / max(self.error, _TINY), self.free)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        reach = quantile((1 + confidence) / 2, self.free) * self.error
        return self.value - reach, self.value + reach


def slope(x: Array, y: Array, others: Array | None = None, floor: float = 0.0) -> Slope | None:
    """Of `y` against `x`, with the columns `others` (n, k) taken out. `floor`: `y` is read no finer than that.

    None where there are too few readings, or `x` cannot be told from the others.
    """
    n = len(x)
    columns = [np.ones(n), x - x[0]]
    if others is not None and others.shape[1]:
        columns += [column for column in others.T if np.ptp(column) > 0]
    design = np.column_stack(columns)
    free = n - design.shape[1] - n // _SHARE
    if free < 3 or np.ptp(x) <= 0:
        return None
    gram = design.T @ design
    try:
        inverse = np.linalg.inv(gram)
    except np.linalg.LinAlgError:
        return None
    if not inverse[1, 1] > 0 or not np.all(np.isfinite(inverse)):
        return None
    fitted = inverse @ (design.T @ y)
    residual = y - design @ fitted
    # What each reading adds to the slope; its autocovariances with Bartlett's weights.
    pull = (inverse[1] @ design.T) * residual
    covariances = np.correlate(pull, pull, "full")[n - 1 :]
    lags = max(1, n // _SHARE)
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    variance = float(covariances[0] + 2 * (weights @ covariances[1 : lags + 1])) * n / (n - design.shape[1])
    plain = float(residual @ residual) / (n - design.shape[1]) * float(inverse[1, 1])
    error = math.sqrt(max(variance, plain, 0.0) + (floor / float(np.ptp(x))) ** 2)
    return Slope(float(fitted[1]), error, free, float(residual @ residual))


def without(y: Array, x: Array, others: Array) -> Array:
    """`y` with what goes with the other columns taken out, and what goes with `x` left in."""
    varied = others[:, np.ptp(others, axis=0) > 0] if others.size else others
    if not varied.size:
        return y
    design = np.column_stack([np.ones(len(x)), x, varied])
    fitted: Any = np.linalg.lstsq(design, y, rcond=None)[0]
    out: Array = y - varied @ fitted[2:]
    return out


def tail(t: float, free: float) -> float:
    """Probability above `t` of Student's distribution (Wallace, 1959: right to a tenth from 3 degrees on)."""
    z = (8 * free + 1) / (8 * free + 3) * math.sqrt(free * math.log1p(t * t / free))
    above = 0.5 * math.erfc(abs(z) / math.sqrt(2))
    return above if t >= 0 else 1 - above


def quantile(at: float, free: float) -> float:
    """Student's quantile for `at` over 0.5, by halving."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle, free) > 1 - at else (low, middle)
    return low


def bend(x: Array, y: Array) -> float:
    """How steep a parabola through the points is at its end, as a share of how steep it is at its start.

    1 for a line, 0.5 for a root, 0.25 for a logarithm, where `x` begins at a quarter of its end. Infinite where it only
    begins to rise.
    """
    centred = x - x.mean()
    square = centred * centred
    square = square - square.mean() - centred * float(square @ centred) / float(centred @ centred)
    squares = float(square @ square)
    if squares <= _TINY:
        return 1.0
    level = y - y.mean()
    steep = float(centred @ level) / float(centred @ centred)
    curve = float(square @ level) / squares
    skew = float((centred * centred) @ centred) / float(centred @ centred)
    first, last = (steep + curve * (2 * edge - skew) for edge in (centred[0], centred[-1]))
    return last / first if first > 0 else math.inf


def hinge(x: Array, y: Array) -> int:
    """The reading from which on `y` rises: level before, a line after, least squares. Few readings: all are tried."""
    best, found = math.inf, 0
    for at in range(0, max(1, len(x) - 4), max(1, len(x) // 32)):
        rise = np.maximum(x - x[at], 0.0)
        mean = rise - rise.mean()
        squares = float(mean @ mean)
        if not squares:
            continue
        centred = y - y.mean()
        left = float(centred @ centred) - float(mean @ centred) ** 2 / squares
        if left < best * (1 - 1e-9):
            best, found = left, at
    return found
