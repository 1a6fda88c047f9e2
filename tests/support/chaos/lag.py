"""How busy the machine is: a machine that has other things to do is no fault of the host.

What is promised in seconds is promised for a machine that has CPUs for it. So time is weighed: a second in which four
processes wanted each CPU is worth a quarter of one. What took too long by the clock and not by weighed time is not
judged, and counted.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

EVERY_S = 0.05
LATE_S = 0.1  # a look that comes later than this: nothing ran, we did not, or the machine stood still
GRANTED_LOOKS = 4  # looks between two at schedstat
LEAST_NS = 5_000_000  # who wanted less tells nothing
MOST = 40_000  # looks that are kept
STARVED = 1 / 3  # of what an idle machine does
STARVED_S = 3.0  # so long: workers miss heartbeats


class Pace:
    """Time, weighed. Pure: `share` is what a process that wanted a CPU got of it since the look before, 0 to 1."""

    def __init__(self, now: float) -> None:
        self._times = [now]
        self._worked = [0.0]
        self._starving_since: float | None = None
        self.starved: list[tuple[float, float]] = []  # when it was so long that it has consequences: from, until

    def add(self, now: float, share: float) -> None:
        self._note_starved(self._times[-1], now, share)
        self._worked.append(self._worked[-1] + (now - self._times[-1]) * share)
        self._times.append(now)
        if len(self._times) > MOST:
            del self._times[: MOST // 2], self._worked[: MOST // 2]

    def worked(self, since: float, until: float) -> float:
        """Seconds of an idle machine that this time was worth; what was not looked at yet counts in full."""
        return self._until(until) - self._until(since)

    def share(self, since: float, until: float) -> float:
        """Of an idle machine; 1 where nothing is known."""
        return self.worked(since, until) / (until - since) if until > since else 1.0

    def starved_until(self, since: float) -> float | None:
        """The end of the last long starvation that touches the time since then."""
        ends = [end for _, end in self.starved if end >= since]
        return max(ends) if ends else None

    def _until(self, at: float) -> float:
        place = bisect_right(self._times, at) - 1
        if place < 0:
            return self._worked[0] - (self._times[0] - at)
        if place == len(self._times) - 1:
            return self._worked[-1] + at - self._times[-1]
        part = (at - self._times[place]) / (self._times[place + 1] - self._times[place])
        return self._worked[place] + part * (self._worked[place + 1] - self._worked[place])

    def _note_starved(self, before: float, now: float, share: float) -> None:
        since = max(self._times[0], now - STARVED_S)
        worked = self.worked(since, before) + (now - before) * share
        if now - since < STARVED_S * 0.99 or worked > STARVED * (now - since):
            return
        if self.starved and self.starved[-1][1] >= since:
            self.starved[-1] = (self.starved[-1][0], now)
        else:
            self.starved.append((since, now))
            del self.starved[:-1000]


class Lag:
    """A thread that looks each `EVERY_S`. What a process gets of a CPU that it wants is the worse of two measures: how
    many are ready to run for each CPU (/proc/loadavg), and how long `pids` waited while they were ready to run
    (/proc/<pid>/schedstat); less what a hypervisor took (/proc/stat, steal; all in proc(5)), and what the thread itself
    is late. `loop` is told by the driver's loop, which is late when it has too much to do itself."""

    def __init__(self) -> None:
        now = time.monotonic()
        self.machine = Pace(now)
        self.loop = Pace(now)
        self.worst = 1.0
        self.pids: Callable[[], tuple[int, ...]] = lambda: (os.getpid(),)
        self._waits: dict[int, tuple[int, int]] = {}
        self._cpus = len(os.sched_getaffinity(0))
        self._steal = _steal_s()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)
        self._thread.start()

    def worked(self, since: float, until: float) -> float:
        """Seconds of a machine and a driver that have nothing else to do."""
        lost = until - since - self.loop.worked(since, until)
        return max(0.0, self.machine.worked(since, until) - lost)

    def told_by_loop(self, before: float, now: float, every_s: float) -> None:
        """The loop wanted to run `every_s` after `before`."""
        late = max(0.0, now - before - every_s)
        self.loop.add(now, 1.0 - (late if late > LATE_S else 0.0) / (now - before))

    @property
    def slowness(self) -> float:
        """How many times longer things took within the last seconds than on an idle machine."""
        now = time.monotonic()
        return 1.0 / max(0.02, self.machine.share(now - STARVED_S, now))

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        before, looks, granted = time.monotonic(), 0, 1.0
        while not self._end.wait(EVERY_S):
            now = time.monotonic()
            looks += 1
            if looks % GRANTED_LOOKS == 0:
                granted = self._granted()
            share = min(granted, self._ready()) * max(0.0, 1.0 - self._stolen(now - before))
            late = max(0.0, now - before - EVERY_S)
            self.machine.add(now, share * (1.0 - (late if late > LATE_S else 0.0) / (now - before)))
            self.worst = max(self.worst, self.slowness)
            before = now

    def _ready(self) -> float:
        ready = int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]) - 1  # not this thread
        return min(1.0, self._cpus / max(1, ready))

    def _granted(self) -> float:
        """What that process got which got least of the time in which it wanted a CPU, since the last look."""
        now = {pid: found for pid in self.pids() if (found := _schedstat(pid)) is not None}
        both = [(now[pid], self._waits[pid]) for pid in now.keys() & self._waits.keys()]
        self._waits = now
        least = 1.0
        for (ran, waited), (ran_before, waited_before) in both:
            ran, wanted = ran - ran_before, ran + waited - ran_before - waited_before
            least = min(least, ran / wanted) if wanted > LEAST_NS else least
        return least

    def _stolen(self, seconds: float) -> float:
        before, self._steal = self._steal, _steal_s()
        return (self._steal - before) / seconds / self._cpus


def _schedstat(pid: int) -> tuple[int, int] | None:
    """Nanoseconds for which its first thread ran, and waited for a CPU."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):  # it is gone, or this kernel does not tell
        return None
    return int(ran), int(waited)


def _steal_s() -> float:
    """Of all CPUs together, since boot."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(words[8]) / os.sysconf("SC_CLK_TCK") if len(words) > 8 else 0.0
