"""Who a worker is, by the record that is kept of it."""

from __future__ import annotations

from steadycast.model import WorkerKind
from steadycast.tracking import proc
from steadycast.workers.records import WorkerRecord


class Recorded:
    """What a worker's record says of it."""

    _record: WorkerRecord

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def kind(self) -> WorkerKind:
        return self._record.kind

    @property
    def pid(self) -> int:
        return self._record.pid

    @property
    def start_time(self) -> int:
        """Clock ticks since boot."""
        return self._record.start_time

    @property
    def lobby(self) -> str | None:
        return self._record.lobby

    @property
    def started(self) -> float:
        """Unix seconds."""
        return self._record.started

    @property
    def age_s(self) -> float:
        """Since its process began; the wall clock may have jumped meanwhile."""
        return proc.age(self._record.start_time)
