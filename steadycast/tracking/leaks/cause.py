"""Whether a growth goes with time or with what was worked on meanwhile, said for a person."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from steadycast.tracking.leaks.load import forward

Array = npt.NDArray[np.float64]

BETTER = 1.3  # times less of the growth left unexplained


def left_over(y: Array, x: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    along = float(x @ x)
    rest = y - x * (float(x @ y) / along) if along > 0 else y
    return float(rest @ rest)


def cause(values: Array, loads: Array, names: tuple[str, ...]) -> tuple[str, ...]:
    """From the bins of a growth: `values` (n,), `loads` (n, at least as many as names). A load that hardly changes
    cannot be told from time."""
    known = ~np.isnan(values)
    if known.sum() < 6:
        return ()
    y = values[known]
    time = np.flatnonzero(known).astype(float)
    by_time = left_over(y, time)
    busy = np.cumsum(forward(loads), axis=0)[known]
    best, name = min((left_over(y, busy[:, i]), name) for i, name in enumerate(names))
    if best * BETTER < by_time:
        return (f"goes with {name} times hours rather than with time alone",)
    if by_time * BETTER < best:
        return (f"goes with time rather than with {name}",)
    return (f"cannot tell whether it goes with time or with {name}: both fit",)


def odds_of(log: float) -> str:
    """ln of odds as a person reads them."""
    return "over 10,000 to 1" if log > math.log(1e4) else f"{math.exp(max(log, 0.0)):.0f} to 1"
