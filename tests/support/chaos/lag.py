"""How busy the machine is: a machine that has other things to do is no fault of the host."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

EVERY_S = 0.1
WINDOW = 80  # looks: the last 8 s
MOST = 6.0
BUSY = 3.5  # times slower than idle: what is a matter of seconds cannot be judged there
BUSY_S = 20.0  # nor so long afterwards: what was late then has its own consequences


class Lag:
    """`look` is called every `EVERY_S` by the driver's loop. Two measures, the worse counts: time in which the driver
    was ready to run but did not (/proc/self/schedstat, nanoseconds), and how many others were ready to run for each
    CPU (/proc/loadavg, proc(5))."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)
        self._late: deque[float] = deque(maxlen=WINDOW)
        self._ready: deque[int] = deque(maxlen=WINDOW)
        self._own = f"/proc/{os.getpid()}/schedstat"
        self._cpus = len(os.sched_getaffinity(0))
        self._busy_at = -BUSY_S
        self.worst = 1.0

    def look(self) -> None:
        now = time.monotonic()
        if self._looks:
            self._late.append(max(0.0, now - self._looks[-1][0] - EVERY_S))
        ran, waited, _ = Path(self._own).read_text().split()
        self._looks.append((now, int(ran), int(waited)))
        self._ready.append(int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]) - 1)  # not this process
        self.worst = max(self.worst, self._slowness())
        if self._slowness() > BUSY:
            self._busy_at = now

    @property
    def slowness(self) -> float:
        """How many times longer things take than on an idle machine; 1 to `MOST`."""
        return min(MOST, self._slowness())

    @property
    def busy(self) -> bool:
        """Whether nothing can be said now of how long something takes."""
        return time.monotonic() < self._busy_at + BUSY_S

    @property
    def extra_s(self) -> float:
        """By how much the driver itself was late within the window."""
        return sum(self._late)

    def _slowness(self) -> float:
        if len(self._looks) < 2:
            return 1.0
        (_, ran0, waited0), (_, ran1, waited1) = self._looks[0], self._looks[-1]
        waits = 1.0 + (waited1 - waited0) / max(1, ran1 - ran0)
        return max(1.0, waits, sum(self._ready) / len(self._ready) / self._cpus)
