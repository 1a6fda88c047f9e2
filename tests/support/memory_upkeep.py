"""What a host found and measured of itself, in memory, behind the real API."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from steadycast.lobbies.events import EventLog
from steadycast.model import (
    ActionTaken,
    Exhaustion,
    Finding,
    FindingChange,
    FindingState,
    Look,
    Measured,
    Owner,
    ProbeOutcome,
    Rate,
    Resource,
    Shape,
    Suspicion,
    Unit,
)
from steadycast.model.series import About
from steadycast.tracking.history.history import History
from steadycast.upkeep.views import Watched, watched_of

HOUR = 3600.0


class MemoryUpkeep:
    """Answers like `steadycast.upkeep.upkeep.Upkeep`, for the API."""

    def __init__(self) -> None:
        self.history = History(Path(":memory:"))
        self.found: dict[str, Finding] = {}

    def findings(self) -> tuple[Finding, ...]:
        return tuple(self.found[id_] for id_ in sorted(self.found))

    def watched(self) -> Watched:
        return watched_of(self.findings(), 9, 180)

    def tell(self, events: EventLog, change: FindingChange, finding: Finding) -> None:
        """A finding is as it is now, and all are told."""
        self.found[finding.id] = finding
        data = {"finding": finding.id, "state": finding.state.value, "role": finding.owner.role}
        lobby = finding.owner.about.lobby
        events.publish("finding", f"finding.{change}", lobby=lobby, why=finding.headline, data=data)

    def measure(self, lobby: str, minutes: int = 50) -> None:
        """A worker of this lobby that loses 14 descriptors every five minutes, and is replaced half the way."""
        now = time.time()
        for minute in range(minutes):
            life = minute * 2 // minutes
            kept = 20.0 + 14 * (minute % (minutes // 2) // 5)
            owner = Owner(f"lobby:{lobby}", f"{4000 + life}:1", 4000 + life)
            values = {
                Measured(Resource.DESCRIPTORS): kept,
                Measured(Resource.THREADS): 12.0,
                Measured(Resource.PRIVATE): 38e6 + minute % 7 * 9e5,
            }
            at = now - 60 * (minutes - minute)
            self.history.add(Look(owner, at, at, values))


def a_finding(lobby: str | None = None, state: FindingState = FindingState.CONFIRMED, **changes: object) -> Finding:
    """An encoder's context that is not closed."""
    now = time.time()
    found = Finding(
        id="6b0e44b3-1",
        shape=Shape.CYCLE,
        state=state,
        owner=Owner(f"lobby:{lobby}", "4001:1", 4001, About(lobby, "test", "h264")),
        measured=Measured(Resource.DESCRIPTORS),
        unit=Unit.COUNT,
        headline="The lobby worker (pid 4001) loses 14.0 descriptors each rendition, 28 so far",
        opened=now - 900,
        updated=now - 60,
        since=now - 1200,
        level=76.0,
        grown=28.0,
        per_hour=Rate(168.0, 154.0, 182.0),
        per_cycle=Rate(14.0, 13.0, 15.0),
        cycle="rendition",
        cycles=2,
        exhaustion=Exhaustion("RLIMIT_NOFILE", 20_000.0, 83.0, 6.2 * HOUR, 5.4 * HOUR, now + 6 * HOUR),
        sources=(Suspicion("each rendition leaves 14.0 descriptors: they are not closed", 0.57, ("eventfd grew",)),),
        evidence=("a new high 2 times while 2 ended (rendition), at no more load, and none given back",),
        related=(Measured(Resource.DESCRIPTORS, "eventfd"),),
        probe=ProbeOutcome(now - 880, 2.0, ("collected 0 Python objects",), True, "nothing was given back when asked"),
        actions=(ActionTaken(now - 870, "recycle lobby-99422a38", "it is replaced when it is its turn"),),
    )
    return replace(found, **changes)  # type: ignore[arg-type]
