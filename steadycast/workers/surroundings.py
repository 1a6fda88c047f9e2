"""What a worker needs of its supervisor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steadycast.config.settings import WorkerSettings
from steadycast.lifecycle import WorkerState
from steadycast.model import Receipt
from steadycast.tracking.gauge import Gauge
from steadycast.workers.evidence import EvidenceFolder

if TYPE_CHECKING:
    from steadycast.workers.worker import Worker

OnState = Callable[["Worker", WorkerState, str | None, float], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of one supervisor. `looks` runs what reads much of /proc.

    `on_state` hears each move: the new state, its cause, and the seconds spent in the state before.
    """

    runtime: Path
    settings: WorkerSettings
    looks: Executor
    on_gone: Callable[[Worker, Receipt], None]
    on_state: OnState
    gauge: Gauge
    evidence: EvidenceFolder | None = None  # where it is kept of those that hang
