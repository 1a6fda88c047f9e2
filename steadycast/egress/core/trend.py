"""Whether packets take longer and longer to a viewer: a queue on the way fills. Pure.

After the delay-based part of Google congestion control: one-way delay variation from group to group of packets, summed
up and smoothed; the slope of a line through it against a threshold that adapts (draft-ietf-rmcat-gcc-02, 5.3 and 5.4;
the line in place of the Kalman filter, and the numbers, are those of libwebrtc's trendline estimator).
"""

from __future__ import annotations

from collections import deque
from enum import Enum

WINDOW = 20  # groups that the line goes through
_SMOOTHING = 0.9
_GAIN = 4.0
_GROUPS_MOST = 60  # that add to the weight of the slope
_THRESHOLD_MS = 12.5
_THRESHOLD_RANGE_MS = (6.0, 600.0)
_UP, _DOWN = 0.0087, 0.039  # how fast the threshold follows what is above and below it, a millisecond
_OUTLIER_MS = 15.0  # above the threshold: a spike that it does not follow
_STEP_MS = 100.0  # longest step that it adapts by
_OVER_MS = 10.0  # that the slope must stay above it
_PAUSE_S = 3.0  # without a packet: what was is no sign of what comes


class Use(Enum):
    """Of the link."""

    NORMAL = "normal"
    OVER = "over"  # a queue fills
    UNDER = "under"  # it empties


class Trend:
    """Fed with groups of packets, each sent at once: when it was sent and when the last of it came, in seconds of two
    clocks. `judge` after some of them; `use` is what the last groups say then."""

    def __init__(self) -> None:
        self.use = Use.NORMAL
        self._begin()
        self._threshold = _THRESHOLD_MS

    def _begin(self) -> None:
        self.use = Use.NORMAL
        self._last: tuple[float, float] | None = None
        self._sum = self._smoothed = 0.0  # ms
        self._points: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._groups = 0
        self._over_ms = 0.0
        self._slope = 0.0
        self._judged: float | None = None  # when the last group came that was judged

    def add(self, sent: float, came: float) -> None:
        """The next group. One that came before the last is passed over."""
        last = self._last
        if last is not None and (abs(came - last[1]) > _PAUSE_S or sent - last[0] > _PAUSE_S):
            self._begin()
            last = None
        if last is not None and (sent <= last[0] or came < last[1]):
            return
        self._last = sent, came
        if last is None:
            return
        step = (came - last[1]) * 1000
        self._sum += step - (sent - last[0]) * 1000
        self._smoothed = _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * self._sum
        self._points.append((came * 1000, self._smoothed))
        self._groups = min(self._groups + 1, _GROUPS_MOST)

    def judge(self) -> None:
        """Look at the groups so far, if there are new ones."""
        if len(self._points) < WINDOW or self._last is None or self._judged == self._last[1]:
            return
        came = self._last[1]
        step = _STEP_MS if self._judged is None else (came - self._judged) * 1000
        self._judged = came
        slope = _slope(self._points)
        weighed = slope * self._groups * _GAIN
        if weighed > self._threshold:
            self._over_ms += step
            if self._over_ms > _OVER_MS and slope >= self._slope:
                self.use = Use.OVER
        else:
            self._over_ms = 0.0
            self.use = Use.UNDER if weighed < -self._threshold else Use.NORMAL
        self._slope = slope
        size = abs(weighed)
        if size <= self._threshold + _OUTLIER_MS:
            pace = _DOWN if size < self._threshold else _UP
            moved = self._threshold + pace * (size - self._threshold) * min(step, _STEP_MS)
            self._threshold = min(max(moved, _THRESHOLD_RANGE_MS[0]), _THRESHOLD_RANGE_MS[1])


def _slope(points: deque[tuple[float, float]]) -> float:
    """Of the line through the points by least squares; 0 where all came at one moment."""
    count, first = len(points), points[0][0]
    sum_x = sum_y = sum_xx = sum_xy = 0.0
    for moment, y in points:
        x = moment - first  # small numbers: the squares of large ones would leave no digits
        sum_x += x
        sum_y += y
        sum_xx += x * x
        sum_xy += x * y
    spread = sum_xx - sum_x * sum_x / count
    return (sum_xy - sum_x * sum_y / count) / spread if spread > 0 else 0.0
