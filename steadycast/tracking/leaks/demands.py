"""What a growth must show before it is a suspect: how large, how sure, how steady, each by how long it has gone on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# The usual least growth, a share of the level that falls with the length of the growth in hours.
USUAL_AT = np.log((2.0, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 168.0, 336.0))
USUAL = (0.10, 0.09, 0.06, 0.035, 0.022, 0.016, 0.012, 0.009, 0.007)
ODDS_AT = np.log((3.0, 12.0, 48.0))
STEADY_AT = np.log((3.0, 8.0, 16.0, 32.0, 96.0))
PLAIN_AT = np.log((24.0, 36.0, 48.0, 72.0, 96.0))
FLOORS_AT = np.log((2.0, 4.0, 8.0, 16.0, 32.0, 96.0, 168.0))


@dataclass(frozen=True, slots=True)
class TrendPolicy:
    """`step`: seconds of a bin. `warm`: seconds of a life that are not judged.

    `odds`, `steady`: ln of the odds that a line needs against what is over (growths of 3, 12, 48 hours), and against
    what slows down (3, 8, 16, 32, 96 hours); never less than `odds_least` and `steady_least`. `odds_larger`,
    `steady_larger`: how much less for each e-fold by which the growth surely exceeds the usual least one; more for
    one that falls short of it. `floors`: the least growth against the usual one (2, 4, 8, 16, 32, 96, 168 hours).
    `clear`: the growth against its standard error. They must hold for `times` bins in a row and for `agree` of the
    length of the growth. `beyond`: growth against the highest rise that was given back before. `few`: the share of it
    that two neighbouring eighths may carry. `newest`: the least growth of the newest quarter against its share.
    `plateau`: how far above the height at which earlier lives stopped. `short`: no growth is shorter, hours. `rhythm`:
    how large a rhythm of the day may be, share of the level.
    `alone`: how much larger a growth must be where others of its owner contradict.
    `quiet`: the noise that there is at least, share of the level. `plain`: the share of the level (over 24, 36, 48, 72,
    96 hours) that is enough without any odds, if the slope is surely that large; it has gates of its own.
    """

    step: float = 600.0
    warm: float = 1800.0
    odds: tuple[float, ...] = (2.35, 5.14, 8.06)
    odds_larger: float = 1.03
    odds_least: float = 1.9
    steady: tuple[float, ...] = (1.86, 1.02, 5.11, 0.66, 1.8)
    steady_larger: float = 1.72
    steady_least: float = 0.5
    floors: tuple[float, ...] = (1.69, 0.16, 3.68, 1.77, 2.19, 4.07, 1.0)
    clear: float = 5.93
    times: int = 7
    agree: float = 0.021
    beyond: float = 3.83
    few: float = 0.438
    newest: float = 0.99
    plateau: float = 1.31
    plain: tuple[float, ...] = (0.56, 0.214, 0.126, 0.1, 0.196)
    plain_few: float = 0.492
    plain_newest: float = 1.101
    plain_beyond: float = 0.43
    rhythm: float = 0.163
    short: float = 0.78
    quiet: float = 0.0003
    alone: float = 1.5
    certain: float = 0.01  # no chance is told to be smaller: the world has more shapes than ours

    @property
    def flattest(self) -> float:
        """The least that `floors` asks for anywhere."""
        return min(self.floors)

    def least(self, hours: float, level: float) -> float:
        """The least growth of that length."""
        return float(np.interp(math.log(hours), FLOORS_AT, self.floors)) * usual(hours, level)

    def plainly(self, hours: float, surely: float, level: float) -> bool:
        """Whether a growth of days is so large that nothing need be known of its shape."""
        return surely >= float(np.interp(math.log(hours), PLAIN_AT, self.plain)) * level

    def content(self, hours: float, surely: float, level: float, odds: float, steady: float, ease: float = 0.0) -> bool:
        """Whether a growth that is `surely` at least so large is large, sure and steady enough for its length. `ease`:
        1 where other series of its owner say the same, so it is no noise (but a cache would be as large), -1 where they
        contradict."""
        odds, steady, surely = odds + ease, steady + ease, surely * self.alone ** min(0.0, ease)
        if hours < self.short or odds < self.odds_least or steady < self.steady_least:
            return False
        if surely < self.least(hours, level):
            return False
        at, larger = math.log(hours), math.log(max(surely, 1e-12) / max(usual(hours, level), 1e-12))
        return odds + self.odds_larger * larger >= float(np.interp(at, ODDS_AT, self.odds)) and (
            steady + self.steady_larger * larger >= float(np.interp(at, STEADY_AT, self.steady))
        )


def usual(hours: float, level: float) -> float:
    return float(np.interp(math.log(hours), USUAL_AT, USUAL)) * level
