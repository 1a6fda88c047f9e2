"""What is counted of pushed pictures, for heartbeats. Totals since the worker began."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

# Why a picture is not shown; a closed set, whatever producers send.
CODES = ("push.slot", "push.size", "push.stride", "push.pts", "push.backwards")


class Counts:
    """Pictures and producers. `dropped`: thrown away by producers because no slot was free, by their own words."""

    def __init__(self) -> None:
        self.shown = 0
        self.copied = 0  # of those shown, because the pipeline held on to too many slots
        self.repeated = 0
        self.dropped = 0
        self.producers = 0
        self.refused: Counter[str] = Counter()
        self.last_refusal: str | None = None
        self.since: float | None = None  # Unix seconds: the producer came, or went; None: none came yet
        self._dropped_before = 0
        self._latest = 0.0  # monotonic seconds: the producer came, or sent a picture

    def came(self) -> None:
        """A producer."""
        self.producers += 1
        self.since, self._dropped_before = time.time(), 0
        self._latest = time.monotonic()

    def went(self) -> None:
        """The producer."""
        self.since = time.time()

    def refuse(self, code: str, what: str) -> None:
        """A picture was not taken."""
        self.refused[code if code in CODES else "push.other"] += 1
        self.last_refusal = what

    def quiet(self, now: float) -> float:
        """Seconds without a picture from the producer."""
        return max(0.0, now - self._latest)

    def heard(self, dropped: int) -> None:
        """A picture came. `dropped` is what the producer says it dropped since it came; what makes no sense counts as
        nothing."""
        self._latest = time.monotonic()
        if dropped > self._dropped_before:
            self.dropped += dropped - self._dropped_before
            self._dropped_before = dropped

    def told(self) -> dict[str, Any]:
        """For a heartbeat."""
        return {
            "shown": self.shown,
            "copied": self.copied,
            "repeated": self.repeated,
            "dropped": self.dropped,
            "producers": self.producers,
            "refused": dict(self.refused),
            "last_refusal": self.last_refusal,
            "since": self.since,
        }
