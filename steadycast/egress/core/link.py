"""What the way to one viewer carries, as far as its feedback tells. Pure: time is an argument, seconds of one clock.

Nothing is known, and so nothing limited, until the way shows a limit: a queue that fills (`Trend`), losses, or a bound
that the viewer states (REMB). From then on the estimate falls to what came through and rises again by steps, as in
draft-ietf-rmcat-gcc-02, 5.5 and 6. A viewer that says nothing is no sign of a narrow way: its tab may sleep.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from steadycast.egress.core.arrivals import PERIOD_S, Arrivals
from steadycast.egress.core.trend import Trend, Use

FLOOR_BPS = 50_000.0
CEILING_BPS = 200_000_000.0
FRAMES = 512  # sent and not told of: 8 s at 60 frames a second
STALE_S = 5.0  # after which a viewer's last word tells nothing of now
_RATE_S = 0.5  # window of what came through
_RATE_MOST = 256  # groups in that window
_GROUP_S = 0.005  # frames that were sent this close together are one group
_FALL = 0.85  # of what came through, where a queue fills
_FALL_EVERY_S = 0.3  # and a round trip: until then a fall cannot be seen
_RISE = 1.08  # a second
_RISE_NEAR_BPS = 40_000.0  # a second, near where it last was too much
_NEAR = (0.9, 1.1)
_AHEAD = 2.0  # the estimate rises to so many times what came through: encoders often make less than they may
_LOSS_S = 1.0  # over which losses are counted
_LOSS_PACKETS = 20  # and at least so many packets
_LOST_MUCH, _LOST_LITTLE = 0.10, 0.02
_RTT_MOST_S = 10.0
_REPORTS = 8


@dataclass(slots=True)
class _Sent:
    """A frame: numbers from `first` on, in one burst."""

    first: int
    count: int
    bytes: int
    at: float


class Link:
    """Of one viewer's picture. `estimate_bps` is None while no limit was seen."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.rtt_s: float | None = None
        self.heard: float | None = None  # when feedback last told something
        self._estimate: float | None = None
        self._bound: float | None = None  # of the viewer's own (REMB)
        self._trend = Trend()
        self._sent: deque[_Sent] = deque(maxlen=FRAMES)
        self._next = 0  # behind the highest number sent
        self._told = 0  # behind the highest number told of
        self._pending: tuple[float, float] | None = None  # a group that may go on: when it was sent, and came
        self._came: deque[tuple[float, float]] = deque(maxlen=_RATE_MOST)  # when, bytes
        self._clock: float | None = None  # of the viewer, where it was last
        self._rounds = 0.0  # of the viewer's clock, seconds
        self._counted = [0, 0]  # packets told of, and those of them that did not come
        self._counted_since: float | None = None
        self._lossy = False
        self._fell = self._rose = 0.0
        self._limit: float | None = None  # what came through when it last was too much
        self._reports: deque[tuple[int, float]] = deque(maxlen=_REPORTS)

    @property
    def estimate_bps(self) -> float | None:
        """Bits a second; None while no limit was seen."""
        known = [one for one in (self._estimate, self._bound) if one is not None]
        return min(known) if known else None

    def fresh(self, now: float) -> bool:
        """Whether the viewer said something lately."""
        return self.heard is not None and now - self.heard <= STALE_S

    # --- what is sent

    def sent(self, first: int, count: int, size: int, now: float) -> None:
        """A frame goes out: packets numbered from `first` on (not wrapped), bytes of all of them."""
        if first < self._next:  # begun anew
            self._sent.clear()
            self._told = first
        elif not self._sent and self._told < first:
            self._told = first
        self._sent.append(_Sent(first, count, size, now))
        self._next = first + count

    def report_sent(self, mark: int, now: float) -> None:
        """A sender report goes out; `mark` is the middle of its NTP time, as reports of receivers repeat it."""
        self._reports.append((mark, now))

    # --- what the viewer says

    def reported(self, lost_fraction: float, mark: int, delay: int, now: float) -> None:
        """A receiver report: losses where nothing better tells of them, and the round trip. `delay` in 1/65536 s."""
        at = next((at for known, at in self._reports if known == mark), None) if mark else None
        if at is not None and 0 <= (trip := now - at - delay / 65536) <= _RTT_MOST_S:
            self.rtt_s = trip
        self.heard = now
        if self._clock is None and 0 <= lost_fraction <= 1:  # no transport-wide feedback
            self._lose(lost_fraction, now)
            if not self._lossy:
                self._rise(now, self._sending(now))

    def bounded(self, bps: float, now: float) -> None:
        """The viewer says what it can take."""
        self.heard = now
        self._bound = min(max(bps, FLOOR_BPS), CEILING_BPS)

    def arrived(self, told: Arrivals, now: float) -> None:
        """Transport-wide feedback. Numbers that were never sent, or are forgotten, are passed over."""
        first = self._unwrapped(told.first)
        came = False
        place = 0
        while self._sent and self._sent[0].first + self._sent[0].count <= first:
            self._sent.popleft()  # the viewer is beyond it
        for frame in tuple(self._sent):
            times = told.times[max(0, frame.first - first) : max(0, frame.first + frame.count - first)]
            if not times:
                continue
            place = max(place, frame.first + frame.count)
            self._count(frame, first, len(times), sum(one is None for one in times), now)
            known = [one for one in times if one is not None]
            if known:
                came = True
                self._group(frame, len(known), self._moment(max(known)))
        if came or place:
            self.heard = now
            self._told = max(self._told, min(place, first + len(told.times)))
            self._judge(now)

    def _unwrapped(self, number: int) -> int:
        """The number sent that ends in these 16 bits, the nearest to what was told of last."""
        ahead = (number - self._told) & 0xFFFF
        return self._told + (ahead if ahead < 0x8000 else ahead - 0x10000)

    def _moment(self, clock: float) -> float:
        """Of the viewer's clock, which begins anew after `PERIOD_S`."""
        if self._clock is not None:
            if self._clock - clock > PERIOD_S / 2:
                self._rounds += PERIOD_S
            elif clock - self._clock > PERIOD_S / 2:
                self._rounds -= PERIOD_S
        self._clock = clock
        return clock + self._rounds

    def _group(self, frame: _Sent, packets: int, came: float) -> None:
        self._came.append((came, frame.bytes * packets / frame.count))
        group = self._pending
        if group is not None and 0 <= frame.at - group[0] < _GROUP_S:
            self._pending = group[0], max(group[1], came)
            return
        if group is not None:
            self._trend.add(*group)
        self._pending = frame.at, came

    def _count(self, frame: _Sent, first: int, packets: int, lost: int, now: float) -> None:
        if max(frame.first, first) + packets <= self._told:
            return  # told of before
        if self._counted_since is None:
            self._counted_since = now
        self._counted[0] += packets
        self._counted[1] += lost
        if now - self._counted_since >= _LOSS_S and self._counted[0] >= _LOSS_PACKETS:
            self._lose(self._counted[1] / self._counted[0], now)
            self._counted, self._counted_since = [0, 0], now

    # --- what follows

    def _judge(self, now: float) -> None:
        self._trend.judge()
        through = self._through()
        if self._trend.use is Use.OVER and through is not None:
            self._fall(through * _FALL, through, now)
        elif self._trend.use is Use.NORMAL and not self._lossy:
            self._rise(now, through)
        else:
            self._rose = now

    def _lose(self, fraction: float, now: float) -> None:
        self.loss = fraction
        self._lossy = fraction > _LOST_LITTLE
        if fraction > _LOST_MUCH:
            sending = self._sending(now)
            base = sending if self._estimate is None else self._estimate
            if base is not None:
                self._fall((base if sending is None else min(base, sending)) * (1 - fraction / 2), sending, now)

    def _fall(self, to: float, through: float | None, now: float) -> None:
        if now - self._fell < _FALL_EVERY_S + (self.rtt_s or 0.0):
            return
        self._fell = self._rose = now
        self._limit = through
        before = CEILING_BPS if self._estimate is None else self._estimate
        self._estimate = max(FLOOR_BPS, min(before, to))

    def _rise(self, now: float, through: float | None) -> None:
        past, self._rose = now - self._rose, now
        if self._estimate is None or through is None or not 0 < past <= STALE_S or self._estimate > through * _AHEAD:
            return
        is_near = self._limit is not None and _NEAR[0] <= self._estimate / self._limit <= _NEAR[1]
        higher = self._estimate + _RISE_NEAR_BPS * past if is_near else self._estimate * _RISE**past
        self._estimate = min(higher, CEILING_BPS)

    def _through(self) -> float | None:
        """Bits a second that came to the viewer lately, by its own clock; None: too little came."""
        if len(self._came) < 2:
            return None
        last = self._came[-1][0]
        while len(self._came) > 2 and self._came[0][0] < last - _RATE_S:
            self._came.popleft()
        span = last - self._came[0][0]
        # What came first came at the beginning of the span.
        return 8 * sum(size for _, size in list(self._came)[1:]) / span if span > 0.05 else None

    def _sending(self, now: float) -> float | None:
        """Bits a second that were sent within the last second or so; None: nothing."""
        recent = [frame for frame in self._sent if now - frame.at <= _LOSS_S]
        return 8 * sum(frame.bytes for frame in recent) / _LOSS_S if recent else None
