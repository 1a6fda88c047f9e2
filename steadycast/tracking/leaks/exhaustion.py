"""When a limit is met: from a known rate, or from how what counts against the limit rises, whatever the cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steadycast.model.findings import Exhaustion, Rate, Shape
from steadycast.model.series import Bound
from steadycast.tracking.leaks.plain import build, plain
from steadycast.tracking.leaks.slopes import bend, slope
from steadycast.tracking.leaks.verdicts import EXACT, Verdict

DAY = 86400.0
FAR = 10 * 365 * DAY  # later than that is never
BLOCKS = 96


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """`near` of a limit and rising is told, `full` and rising pages; `safe` is where it ends.

    A rise is told where the limit is met within `soon` seconds, as long as no more than `ahead` times what was seen of
    the rise is foretold from it, and at least `share` of the limit is used. It pages once it was seen for `settled`
    seconds (what starts up fills a good part of what it needs evenly and quickly), or where the limit is `full`.
    """

    near: float = 0.8
    full: float = 0.9
    safe: float = 0.75
    soon: float = DAY
    ahead: float = 2.0
    share: float = 0.4
    settled: float = 480.0
    block: float = 7.5  # seconds; grows up to `longest`
    longest: float = 900.0
    rise: float = 0.005  # of the limit: less is no rise


def project(bound: Bound, per_hour: Rate | None, at: float) -> Exhaustion | None:
    """When `bound` is met at this rate from `at` (Unix seconds) on; None where it does not rise or that is far."""
    if per_hour is None or per_hour.value <= 0 or bound.limit <= 0:
        return None
    left = max(0.0, bound.limit - bound.used)
    seconds = 3600 * left / per_hour.value
    if seconds > FAR:
        return None
    earliest = 3600 * left / max(per_hour.high, per_hour.value)
    return Exhaustion(bound.name, bound.limit, bound.used, seconds, earliest, at + seconds)


class Limit:
    """What counts against one limit, in lowest values of blocks of time."""

    __slots__ = ("_blocks", "_busy", "_low", "_policy", "_start", "_step", "_told", "_verdict")

    def __init__(self, policy: LimitPolicy | None = None) -> None:
        self._policy = policy or LimitPolicy()
        self._step = self._policy.block
        self._blocks: list[tuple[float, float, float]] = []  # start, lowest, most load
        self._start: float | None = None
        self._low = self._busy = 0.0
        self._told: float | None = None  # since when
        self._verdict: Verdict | None = None

    def update(self, monotonic: float, used: float, limit: float, load: float = 0.0) -> Verdict | None:
        """`load`: how much is active. Answers as long as it is near its end, and once when that is over."""
        if limit <= 0:
            return None
        if self._start is None or monotonic < self._start:
            self._start, self._low, self._busy = monotonic, used, load
        if monotonic - self._start >= self._step:
            self._close(monotonic, used, load)
            self._verdict = self._judge(monotonic, used, limit)
        else:
            self._low, self._busy = min(self._low, used), max(self._busy, load)
        return self._verdict

    def state(self) -> dict[str, Any]:
        """As JSON: what was seen, but for the block that is under way."""
        return {"step": self._step, "blocks": self._blocks, "told": self._told, "verdict": plain(self._verdict)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """What `state` gave."""
        self._step, self._told = float(state["step"]), state["told"]
        self._blocks = [(float(start), float(low), float(busy)) for start, low, busy in state["blocks"][-BLOCKS:]]
        self._verdict = build(Verdict, state["verdict"]) if state["verdict"] is not None else None

    def _close(self, monotonic: float, used: float, load: float) -> None:
        assert self._start is not None
        self._blocks.append((self._start, self._low, self._busy))
        self._start, self._low, self._busy = monotonic, used, load
        if len(self._blocks) <= BLOCKS:
            return
        if self._step >= self._policy.longest:
            del self._blocks[0]
            return
        pairs = zip(self._blocks[::2], self._blocks[1::2], strict=False)
        self._blocks = [(a[0], min(a[1], b[1]), max(a[2], b[2])) for a, b in pairs]
        wide = (self._blocks[-1][0] - self._blocks[0][0]) / (len(self._blocks) - 1)
        self._step = max(2 * self._step, wide)  # looks may be further apart: blocks must be alike

    def _judge(self, monotonic: float, used: float, limit: float) -> Verdict | None:
        policy = self._policy
        share = self._blocks[-1][1] / limit
        rising = self._rising(limit)
        rate = self._rate()
        soon = rate is not None and self._soon(rate, limit, used)
        if soon or (rising and share >= policy.near):
            self._told = monotonic if self._told is None else self._told
        elif self._told is None:
            return None
        elif share < policy.safe and not soon:
            self._told = None
            return self._tell(used, limit, rate, 1.0, False)
        long_seen = self._blocks[-1][0] - self._blocks[0][0] >= policy.settled
        settled = soon and (long_seen or used >= policy.full * limit)
        pages = settled or (share >= policy.full and (rising or self._pages()))
        return self._tell(used, limit, rate, 1e-6 if pages else 0.02, True)

    def _pages(self) -> bool:
        return self._verdict is not None and self._verdict.chance < 1e-5

    def _rising(self, limit: float) -> bool:
        """The newest lowest value is above all that were before the last few."""
        newest, recent = self._blocks[-1], max(4 * self._step, self._policy.settled / 2)
        if newest[0] - self._blocks[0][0] < 2 * recent - self._step:
            return False
        before = [low for at, low, _ in self._blocks if newest[0] - at >= recent]
        return newest[1] > max(before) + self._policy.rise * limit

    def _rate(self) -> Rate | None:
        """An hour, from the newest two thirds; None while it does not rise steadily."""
        blocks = self._blocks[len(self._blocks) // 3 :]
        if len(blocks) < 8:
            return None
        x = np.array([(at - blocks[0][0]) / 3600 for at, _, _ in blocks])
        y = np.array([low for _, low, _ in blocks])
        fitted = slope(x, y)
        if fitted is None or fitted.value <= 0 or bend(x, y) < 0.7:
            return None
        low, high = fitted.interval()
        return Rate(fitted.value, low, high)

    def _soon(self, rate: Rate, limit: float, used: float) -> bool:
        policy, blocks = self._policy, self._blocks[len(self._blocks) // 3 :]
        if rate.low <= 0.3 * rate.value or used < policy.share * limit:
            return False
        seconds = 3600 * max(0.0, limit - used) / rate.value
        quarter = max(1, len(blocks) // 4)
        early = max(busy for _, _, busy in blocks[:quarter])
        late = max(busy for _, _, busy in blocks[-quarter:])
        seen = blocks[-1][0] - blocks[0][0]
        gains = np.diff([blocks[round(at)][1] for at in np.linspace(0, len(blocks) - 1, 5)])
        even = gains.min() > 0.1 * gains.sum()
        return bool(seconds < policy.soon and seconds <= policy.ahead * seen and late <= 1.1 * early and even)

    def _tell(self, used: float, limit: float, rate: Rate | None, chance: float, holds: bool) -> Verdict:
        lines = [f"{100 * used / limit:.0f} % of {limit:,.0f} in use"]
        if rate is not None:
            lines.append(f"rising by {100 * rate.value / limit:.1f} % of the limit an hour")
        return Verdict(
            Shape.EXHAUSTION, EXACT, chance, self._told, used, used, rate, evidence=tuple(lines), holds=holds
        )
