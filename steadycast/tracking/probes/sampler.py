"""Looks at everything that is watched, in threads of its own, and hands on what it saw. Never on an event loop.

Time is CLOCK_MONOTONIC: it stands still while the machine sleeps, and so do those that are watched. An hour in a rate
is an hour in which something could grow.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from steadycast.model import Bound, Look
from steadycast.tracking.probes.aside import Aside
from steadycast.tracking.probes.devices import Devices
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.round import Round
from steadycast.tracking.probes.targets import Target

STOP_S = 5.0
_log = structlog.get_logger("tracking")


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at one owner, and what limits it."""

    look: Look
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampled:
    """One round. `missing` says of each target that means nobody now, why; `ended` are roles and epochs that are over.

    `took_s` is on the clock, `notes` are for a person: drivers that do not answer, processes that are too many.
    """

    samples: tuple[Sample, ...]
    missing: dict[str, str]
    ended: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    took_s: float


@dataclass(frozen=True, slots=True)
class SamplerStatistics:
    """How it goes. `left_behind`: reads that do not come back."""

    targets: int
    processes: int
    rounds: int
    looks: int
    left_behind: int
    last_took_s: float


class Sampler:
    """Of one host. `sample` does one round now; `start` does them in a thread until `stop`."""

    def __init__(
        self,
        targets: Iterable[Target] = (),
        *,
        devices: Devices | None = None,
        steps: Steps = Steps(),  # noqa: B008 - frozen
        root: Path = Path("/"),
    ) -> None:
        self._steps = steps
        self._aside = Aside("reads /proc")
        self._round = Round(steps, root, devices, self._aside)
        self._lock = threading.Lock()
        self._targets = {target.role: target for target in targets}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._rounds = self._looks = 0
        self._took = 0.0
        self._fails: str | None = None

    def watch(self, target: Target) -> None:
        """Also this one; another target of the same role is replaced."""
        with self._lock:
            self._targets[target.role] = target

    def forget(self, role: str) -> None:
        """This one no more."""
        with self._lock:
            self._targets.pop(role, None)

    def sample(self, now: float | None = None) -> Sampled:
        """One round. Blocks, mostly for milliseconds; half a second for each read that hangs for the first time. `now`
        is monotonic; another clock may be told from round to round."""
        began = time.monotonic()
        with self._lock:
            targets = tuple(self._targets.values())
        seen = self._round.look(targets, began if now is None else now)
        self._rounds += 1
        self._looks += len(seen.looks)
        self._took = time.monotonic() - began
        samples = tuple(Sample(look, bounds) for look, bounds in seen.looks)
        return Sampled(samples, seen.missing, tuple(seen.ended), tuple(seen.notes), self._took)

    def start(self, take: Callable[[Sampled], None]) -> None:
        """`take` is called by the sampler's thread after each round and must not block. An error of it, or of a round,
        is logged once, and the next round is tried."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, args=(take,), name="sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Waits for a round that is under way, but not for ever; everything that was open is closed."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
            if self._thread.is_alive():
                return  # its files are closed with the process
            self._thread = None
        self._aside.close()
        self._round.close()

    def statistics(self) -> SamplerStatistics:
        """How it goes."""
        return SamplerStatistics(
            targets=len(self._targets),
            processes=self._round.watching,
            rounds=self._rounds,
            looks=self._looks,
            left_behind=self._aside.left_behind,
            last_took_s=self._took,
        )

    def _run(self, take: Callable[[Sampled], None]) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                take(self.sample())
                self._fails = None
            except Exception as error:  # noqa: BLE001 - whatever it was, the next round is tried, and it is told once
                if self._fails != repr(error):
                    self._fails = repr(error)
                    _log.warning("a round of the sampler failed", exc_info=error)
            due = max(due + self._steps.fast_s, time.monotonic())
            self._stop.wait(due - time.monotonic())
