"""Looks at one owner as a control plane would take them, without a process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from steadycast.model.findings import FindingChange, FindingEvent
from steadycast.model.series import About, Bound, Look, Measured, Owner, Resource
from steadycast.tracking.leaks.detection import Detection

SOCKETS = Measured(Resource.DESCRIPTORS, "socket")
ALL = Measured(Resource.DESCRIPTORS)
THREADS = Measured(Resource.THREADS)
IN_USE = Measured(Resource.IN_USE)
PRIVATE = Measured(Resource.PRIVATE)
RETAINED = Measured(Resource.RETAINED)
VRAM = Measured(Resource.VRAM, "0")
AT = 1_800_000_000.0  # Unix seconds at 0 on the clock of the looks


@dataclass
class Watched:
    """One owner, looked at once after each session of `minute` seconds; events are kept."""

    detection: Detection = field(default_factory=Detection)
    role: str = "server/ffmpeg"
    epoch: str = "4711:100"
    kind: str = "session"
    minute: float = 60.0
    monotonic: float = 0.0
    sessions: int = 0
    jump: float = 0.0  # of the clock on the wall
    bounds: tuple[Bound, ...] = ()
    events: list[FindingEvent] = field(default_factory=list)

    def look(
        self,
        values: Mapping[Measured, float],
        finished: Mapping[str, int] | None = None,
        load: Mapping[str, float] | None = None,
    ) -> tuple[FindingEvent, ...]:
        self.monotonic += self.minute
        self.sessions += 1
        pid = int(self.epoch.split(":")[0])
        owner = Owner(self.role, self.epoch, pid, About(command="/usr/bin/ffmpeg -i"))
        ended = {self.kind: self.sessions} if finished is None else finished
        at = AT + self.monotonic + self.jump
        look = Look(owner, at, self.monotonic, dict(values), load=dict(load or {}), finished=dict(ended), quiet=True)
        found = self.detection.observe(look, self.bounds)
        self.events += found
        return found

    def restart(self, epoch: str) -> None:
        """The next look is at another life."""
        self.epoch, self.sessions = epoch, 0

    def changes(self) -> list[FindingChange]:
        return [one.change for one in self.events]


def first(events: Iterable[FindingEvent], change: FindingChange) -> FindingEvent:
    return next(one for one in events if one.change is change)
