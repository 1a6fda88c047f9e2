"""The shapes that growth takes, and how well each explains a window of a series: evidence for a line against all that
looks like one for a while.

A window is n points. Each explanation is a shape (a line from some point on; or nothing, a slowing curve, a ramp that
ended, steps) on top of one kind of noise (white, with memory, wandering, with a rhythm of the day), with the level, the
size of the growth and the size of the noise unknown and integrated out. The evidence of a group is the sum over its
members, so nothing is picked by hand and what cannot be told apart stays undecided. Everything that does not depend on
the values is made once a window length and shared by all series.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEVEL = 1e3  # prior size of the level against the noise, as good as unknown
GROWTH = 20.0  # prior size of a growth against the noise
RHYTHM = 60.0  # prior size of a rhythm against the noise
DAY = 24.0
RHYTHM_FROM = 8.0  # hours: a shorter window cannot tell a rhythm from a line at all
PROFILE_FROM = 36.0  # hours: any shape that comes back each day, not a sine alone
HINGES = tuple(i / 8 for i in range(7))


@dataclass(frozen=True, slots=True)
class Bank:
    """All explanations of a window of n points.

    `white` (K, n, n) takes noise of kind k to white noise; `shapes` (M, n) and `whitened` (K, M, n) are the growths;
    `gain` (K, M) is 1 + GROWTH^2 |whitened|^2; `prior` (K,) and `weight` (M,) are logs; the first `lines` shapes
    are lines, the next `slowing` slow down, the others have ended.
    """

    white: Array
    base: Array  # (K,) logs: prior of the noise and its determinant
    shapes: Array
    whitened: Array
    gain: Array
    weight: Array
    lines: int
    slowing: int
    hinges: Array


@dataclass(frozen=True, slots=True)
class Evidence:
    """ln of the odds of a line against what has ended or never was (`odds`) and against growth that slows (`steady`);
    the line itself: growth from its hinge on, standard error, share of the window before the hinge, and share of the
    window in which it grew (from the hinge or the first point on)."""

    odds: float
    steady: float
    grown: float
    error: float
    hinge: float
    span: float


def unit(z: Array) -> Array:
    spread = float(z.max() - z.min())
    return z / spread if spread > 0 else z


def noises(n: int, hours: float) -> tuple[Array, Array]:
    """Covariances (K, n, n) of unit noise, and ln of their prior weights."""
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)

    def memory(phi: float, nugget: float = 0.0) -> Array:
        out: Array = (1 - nugget) * phi**lag + nugget * np.eye(n)
        return out

    plain = [memory(p) for p in (0.0, 0.6, 0.85, 0.95, 0.99)] + [memory(0.97, 0.5), memory(0.99, 0.8)]
    out, prior = list(plain), [0.6 / len(plain)] * len(plain)
    if hours >= RHYTHM_FROM:
        turn = 2 * np.pi * lag * hours / n / DAY
        some = [memory(0.0), memory(0.85), memory(0.97, 0.5)]
        wave = np.cos(turn) + 0.15 * np.cos(2 * turn)
        out += [c + RHYTHM**2 * wave for c in some]
        prior += [0.3 / len(some)] * len(some)
        if hours >= PROFILE_FROM:
            profile = np.exp(-2 * np.sin(turn / 2) ** 2 / 0.6**2)
            out += [c + RHYTHM**2 * profile for c in some]
            prior += [0.1 / len(some)] * len(some)
    return np.array(out), np.log(np.array(prior) / sum(prior))


def lines(x: Array) -> tuple[list[Array], list[float]]:
    starts = [s for s in HINGES if (1 - s) * len(x) >= 5]
    return [np.maximum(0, x - s) for s in starts], starts


def slowing_down(x: Array) -> list[tuple[float, Array]]:
    """Curves that look like a line for a while, with prior weights."""
    slowing: list[Array] = []
    for s in (0.0, 0.2, 0.4, 0.6, 0.75):
        since = np.maximum(0, x - s)
        slowing += [1 - np.exp(-since / (tau * (1 - s))) for tau in (0.1, 0.25, 0.6, 1.2, 2.5)]
        slowing += [np.log1p(since / (c * (1 - s))) for c in (0.02, 0.1, 0.4)]
        slowing.append(np.sqrt(since))
    return [(0.35 / len(slowing), z) for z in slowing]


def ended(x: Array) -> list[tuple[float, Array]]:
    """Growth that is over, with prior weights; `flat` has the rest."""
    ends = (0.12, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9)
    ramps = [np.clip((x - s) / (e - s), 0, 1) for s in (0.0, 0.12, 0.25, 0.4, 0.55, 0.7) for e in ends if e > s + 0.05]
    steps = [(x > (i + 0.5) / 16).astype(float) for i in range(1, 15)]
    out = [(0.2 / len(ramps), z) for z in ramps]
    return out + [(0.15 / len(steps), z) for z in steps]


def ageing(x: Array, before: float) -> list[tuple[float, Array]]:
    """Growth that has been slowing since the start of the life, which was `before` windows before this one."""
    old = x + before
    return [(0.05, np.log(old + c)) for c in (0.02, 0.1)] + [(0.05, np.sqrt(old + 0.01))]


AGES = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


def nearest_age(before: float) -> float:
    """The age to assume, in windows; above the largest the shapes are as straight as a line."""
    return max(a for a in AGES if a <= before + 1e-9)


@lru_cache(maxsize=256)
def bank(n: int, hours: float, before: float) -> Bank:
    """`hours` long, `before` windows (of AGES) after the start of the life."""
    x = (np.arange(n) + 1.0) / n
    covariances, prior = noises(n, hours)
    white = np.linalg.inv(np.linalg.cholesky(covariances + LEVEL**2))
    base = prior + np.log(np.abs(np.diagonal(white, axis1=1, axis2=2))).sum(axis=1)
    straight, hinges = lines(x)
    curves = slowing_down(x) + ageing(x, before)
    others = curves + ended(x)
    shapes = np.array([unit(z) for z in straight] + [unit(z) for _, z in others])
    weight = np.log(np.array([1 / len(straight)] * len(straight) + [w for w, _ in others]))
    whitened = np.einsum("kij,mj->kmi", white, shapes)
    gain = 1 + GROWTH**2 * (whitened**2).sum(axis=2)
    return Bank(white, base, shapes, whitened, gain, weight, len(straight), len(curves), np.array(hinges))


FLAT = float(np.log(0.3))
TINY = float(np.finfo(np.float64).tiny)
LEAST = 1e-6  # noise that there is at least, against the size of what moves: numbers are not exact


def weigh(b: Bank, y: Array, floor: float) -> Evidence:
    """`y` (n,), evenly spaced, no NaN. `floor` is noise that there is at least (what cannot be seen in these data)."""
    n = len(y)
    centred = y - y.mean()
    scale = float(np.abs(centred).max())
    if scale < TINY:
        return Evidence(-np.inf, -np.inf, 0.0, 0.0, 0.0, 1.0)  # it does not move at all
    white = b.white @ (centred / scale)  # (K, n)
    whole = (white**2).sum(axis=1) + n * max(floor / scale, LEAST) ** 2  # (K,)
    along = np.einsum("kmi,ki->km", b.whitened, white)
    rest = np.maximum(whole[:, None] - GROWTH**2 * along**2 / b.gain, n * LEAST**2)
    fit = b.base[:, None] + b.weight[None, :] - 0.5 * np.log(b.gain) - 0.5 * (n - 1) * np.log(rest)
    flat = b.base + FLAT - 0.5 * (n - 1) * np.log(whole)
    up = along > 0
    line = np.where(up[:, : b.lines], fit[:, : b.lines], -np.inf)
    top = float(max(fit.max(), flat.max()))
    curves = b.lines + b.slowing
    slower = np.exp(np.where(up[:, b.lines : curves], fit[:, b.lines : curves], -np.inf) - top).sum()
    over = np.exp(fit[:, curves:] - top).sum() + np.exp(flat - top).sum()
    share = np.exp(line - top)
    total = float(share.sum())
    if total <= 0:
        return Evidence(-np.inf, -np.inf, 0.0, 0.0, 0.0, 1.0)
    share /= total
    size = GROWTH**2 * along[:, : b.lines] / b.gain[:, : b.lines]
    spread = rest[:, : b.lines] / (n - 1) * GROWTH**2 / b.gain[:, : b.lines]
    grown = float((share * size).sum())
    error = float(np.sqrt((share * (spread + (size - grown) ** 2)).sum()))
    odds, steady = (float(np.log(total) - np.log(max(against, TINY))) for against in (float(over), float(slower)))
    by_hinge = share.sum(axis=0)
    span = float((by_hinge * (1 - np.maximum(b.hinges, 1 / n))).sum())
    return Evidence(odds, steady, grown * scale, error * scale, float((by_hinge * b.hinges).sum()), span)
