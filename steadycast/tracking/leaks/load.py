"""What load costs: bytes a session, a viewer, a unit of bitrate, and what their highest number so far left behind.

Learned from changes over an hour, never from levels: a leak grows while load happens to grow too, but it does not go up
and down with it. A constant drift has a term of its own. What is learned of a role outlives its processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steadycast.model.series import LOADS

Array = npt.NDArray[np.float64]

LAG = 6  # bins: an hour, time for memory to follow
SURE = 3.5  # standard errors that a cost must have
CLIP = 4.0  # of the usual residual: what is further off is no load
LEAST = 24  # changes
MEMORY = 0.9  # of what former fits weigh against the newest: about ten lives, or ten days


@dataclass(slots=True)
class Cost:
    """Of each load, and of the highest load so far; standard errors. All in the unit of the series."""

    each: Array  # (2 LOADS,)
    error: Array

    def of(self, loads: Array) -> Array:
        """What load explains of each row (n,) of `loads` (n, 2 LOADS)."""
        out: Array = loads @ self.each
        return out

    def doubt(self, change: Array) -> float:
        """Standard error of what a change of the loads (2 LOADS,) explains."""
        return float(np.sqrt(((change * self.error) ** 2).sum()))


def regressors(loads: Array) -> Array:
    """Loads (n, LOADS) and their high-water marks; what is not known counts as no change."""
    filled = forward(loads)
    return np.hstack([filled, np.maximum.accumulate(filled, axis=0)]) if len(filled) else np.zeros((0, 2 * LOADS))


def forward(rows: Array) -> Array:
    """Each NaN becomes the last known value, or the first known one; a column without any becomes 0."""
    known = ~np.isnan(rows)
    last = np.maximum.accumulate(np.where(known, np.arange(len(rows))[:, None], -1), axis=0)
    first = np.argmax(known, axis=0)
    out: Array = np.take_along_axis(rows, np.where(last < 0, first[None, :], last), axis=0)
    return np.nan_to_num(out, nan=0.0)


def fit(values: Array, loads: Array) -> Cost | None:
    """From fine bins: `values` (n,) with NaN where nobody measured, `loads` (n, 2 LOADS). None: nothing is certain."""
    change = values[LAG:] - values[:-LAG]
    what = loads[LAG:] - loads[:-LAG]
    known = ~np.isnan(change)
    change, what = change[known], what[known]
    moving = np.flatnonzero((what != 0).sum(axis=0) >= LAG)
    if len(change) < LEAST or not len(moving):
        return None
    each, error = np.zeros(2 * LOADS), np.zeros(2 * LOADS)
    for _ in range(len(moving)):
        found, spread = solve(what[:, moving], change)
        good = found > SURE * spread
        if good.all():
            each[moving], error[moving] = found, spread
            return Cost(each, error)
        moving = moving[good]  # memory that falls with load is no cost of it
        if not len(moving):
            return None
    return None


def solve(what: Array, change: Array) -> tuple[Array, Array]:
    """Least squares with a drift, once more without what is far off; errors allow for changes that overlap."""
    x = np.column_stack([what, np.ones(len(change))])
    scale = np.abs(x).max(axis=0)
    x = x / scale
    ridge = 1e-9 * len(x) * np.eye(x.shape[1])
    target = change
    for _ in range(3):
        inverse = np.linalg.inv(x.T @ x + ridge)
        coefficients = inverse @ (x.T @ target)
        off = change - x @ coefficients
        usual = 1.4826 * float(np.median(np.abs(off))) + 1e-12
        target = x @ coefficients + np.clip(off, -CLIP * usual, CLIP * usual)
    variance = float(((target - x @ coefficients) ** 2).sum()) / max(1, len(x) - x.shape[1])
    error = np.sqrt(variance * LAG * np.abs(np.diag(inverse)))
    return (coefficients / scale)[:-1], (error / scale)[:-1]
