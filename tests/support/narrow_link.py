"""A way to a viewer that carries so much and no more, and the viewer's feedback on it: by arithmetic, no clock runs."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

from steadycast.egress.core.arrivals import Arrivals, read_arrivals
from steadycast.egress.core.link import Link

FPS = 30
PACKET = 1200


def feedback(first: int, times: list[float | None], reference: int) -> bytes:
    """A message of transport-wide feedback, as a browser writes it; `reference` in units of 64 ms."""
    symbols, deltas, clock = [], b"", reference * 256  # in 250 us
    for one in times:
        ticks = None if one is None else round(one / 0.00025)
        if ticks is None:
            symbols.append(0)
            continue
        delta, clock = ticks - clock, ticks
        symbols.append(1 if 0 <= delta < 256 else 2)
        deltas += struct.pack(">B", delta) if 0 <= delta < 256 else struct.pack(">h", delta)
    chunks = b""
    for start in range(0, len(symbols), 7):
        part = symbols[start : start + 7]
        value = sum(symbol << (12 - 2 * place) for place, symbol in enumerate(part))
        chunks += struct.pack(">H", 0xC000 | value)
    head = struct.pack(">IIHHI", 1, 2, first & 0xFFFF, len(times), (reference & 0xFFFFFF) << 8)
    return head + chunks + deltas


@dataclass
class NarrowLink:
    """`bps` is what it carries, `queue_s` what waits at most until packets are lost, `jitter_s` what it adds by chance.

    Frames go out at `rate` bits a second; where `follows`, at nine tenths of the estimate, up to `most`.
    """

    bps: float
    most: float = 2_000_000
    queue_s: float = 1.0
    jitter_s: float = 0.0
    loss: float = 0.0
    follows: bool = True
    link: Link = field(default_factory=Link)
    now: float = 100.0
    number: int = 65_000  # of the next packet: it wraps soon
    clock: float = (1 << 24) * 0.064 - 5  # of the viewer, less `now`: it wraps soon
    rates: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(7)
        self._free = self.now  # when the wire is free
        self._waiting: list[float | None] = []
        self._first = self.number
        self._last = 0.0

    @property
    def rate(self) -> float:
        estimate = self.link.estimate_bps
        return self.most if estimate is None or not self.follows else min(self.most, 0.9 * estimate)

    def run(self, seconds: float) -> None:
        for frame in range(round(seconds * FPS)):
            self._send(round(self.rate / FPS / 8 / PACKET) or 1)
            self.now += 1 / FPS
            if frame % 3 == 2:
                self._tell()
            self.rates.append(self.rate)

    def _send(self, packets: int) -> None:
        self.link.sent(self.number, packets, packets * PACKET, self.now)
        self.number += packets
        for _ in range(packets):
            begins = max(self._free, self.now)
            if begins - self.now > self.queue_s or self._dice.random() < self.loss:
                self._waiting.append(None)
                continue
            self._free = begins + PACKET * 8 / self.bps
            came = self._free + 0.02 + self._dice.random() * self.jitter_s
            self._last = max(self._last, came)
            self._waiting.append(self._last)

    def _tell(self) -> None:
        """Of those that came until now."""
        due = len(self._waiting)
        while due and (one := self._waiting[due - 1]) is not None and one > self.now:
            due -= 1
        told, self._waiting = self._waiting[:due], self._waiting[due:]
        known = [one for one in told if one is not None]
        if known:
            begins = int((known[0] + self.clock) / 0.064)
            times = [None if one is None else one + self.clock for one in told]
            arrivals = read_arrivals(feedback(self._first, times, begins))
            assert isinstance(arrivals, Arrivals)
            self.link.arrived(arrivals, self.now)
        self._first += due
