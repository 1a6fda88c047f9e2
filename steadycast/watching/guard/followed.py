"""What all servers have in common that are one process and what descends from it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from steadycast.tracking.families import Identity
from steadycast.watching.guard.record import Life
from steadycast.workers.process import Process


class FollowedProcess(ABC):
    """Its head is followed by a pidfd. `life` is None where nothing is followed."""

    def __init__(self) -> None:
        self.life: Life | None = None
        self._process: Process | None = None
        self._known: set[Identity] = set()  # of earlier looks
        self._stuck: str | None = None

    @abstractmethod
    def _belonging(self) -> set[Identity]:
        """What descends from the head and is still there."""

    def members(self) -> tuple[Identity, ...]:
        """The head and what descends from it."""
        if self.life is None or self.life.identity is None:
            return ()
        return (self.life.identity, *sorted(self._belonging()))

    def forgive(self) -> None:
        """A person looked."""
        self._stuck = None

    def close(self) -> None:
        """Look no longer; the server is left alone."""
        if self._process is not None:
            self._process.close()
            self._process = None
