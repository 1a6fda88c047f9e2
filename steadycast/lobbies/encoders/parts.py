"""What the encoders are built from: the rooms below as they are seen here, and bounds of this room."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from steadycast.config.current import HostSettings
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.store import Store
from steadycast.model import EncoderOrder
from steadycast.vendors.protocol import VendorReport
from steadycast.workers.trials import Calibration, TrialResult


class Trying(Protocol):
    """Opens encoders in throw-away children."""

    async def trial(self, order: EncoderOrder) -> TrialResult:
        """Open it, encode some frames. Answers within a deadline of its own; RefusedError where the host ends."""

    async def calibrate(self) -> Calibration:
        """Measure the CPU; may be cancelled. Raises WorkerError."""


class Looking(Protocol):
    """Asks all vendors, each within its deadline."""

    async def look_all(self) -> tuple[VendorReport, ...]:
        """A new look at every vendor."""

    def reports(self) -> tuple[VendorReport, ...]:
        """What is known without a new one."""


def _no_workers() -> Mapping[int, str]:
    return {}


def _no_children() -> Iterable[int]:
    return ()


def _no_reaping(_pid: int, _why: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class EncodersParts:
    """What `Encoders` is built from.

    `gstreamer` is the version that the workers use, `machine` names the CPU: what was found out counts only for these.
    `pids_of_workers` maps each lobby worker's process to its lobby's id, `children` are all processes of this one
    (trials too); `reap` ends the worker with a pid, whose session nobody holds. `clock` does not go back, `wall` is
    Unix seconds.
    """

    settings: HostSettings
    attendance: Looking
    trials: Trying
    store: Store
    events: EventLog
    gstreamer: str | None = None
    machine: str = "unknown"
    cores: int = 1
    pids_of_workers: Callable[[], Mapping[int, str]] = _no_workers
    children: Callable[[], Iterable[int]] = _no_children
    reap: Callable[[int, str], None] = _no_reaping
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
