"""Sessions that a server tells of only in its log: counted by its lines. Pure, but for the lock around the counts."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from steadycast.errors import ConfigError
from steadycast.tracking.probes.targets import Told
from steadycast.watching.common.growing import Lines
from steadycast.watching.common.patterns import LINE, check_pattern

SETTLE_S = 5.0  # after something came or went, until it is called quiet


@dataclass(frozen=True, slots=True)
class CyclePattern:
    """Lines at which a cycle of this kind begins and ends; `begin` None: how many are under way is not known."""

    kind: str
    end: str
    begin: str | None = None


# Words of the servers' own sources, where they log these moments. Wolf, neolink: with debug logs on.
SHIPPED: Mapping[str, CyclePattern] = {
    # wolf: src/moonlight-server/streaming/streaming.cpp
    "wolf": CyclePattern("session", r"Stopping video producer", r"Starting video producer"),
    # Sunshine: src/stream.cpp
    "sunshine": CyclePattern("session", r"CLIENT DISCONNECTED", r"CLIENT CONNECTED"),
    # neolink: src/rtsp/factory.rs; it tells of no end, so each that came counts as one that will go
    "neolink": CyclePattern("client", r"New client for "),
    # Frigate: frigate/video/ffmpeg.py
    "frigate": CyclePattern("ffmpeg start", r"Restarting ffmpeg\.\.\."),
}


def pattern_of(words: str) -> CyclePattern:
    """A name of SHIPPED, or a regular expression for the line at which a cycle is over. Raises ConfigError."""
    if words.lower() in SHIPPED:
        return SHIPPED[words.lower()]
    try:
        return CyclePattern("cycle", check_pattern(words))
    except ValueError as error:
        hint = f"Or one of {', '.join(SHIPPED)}."
        raise ConfigError("watch.cycles", f"--cycle-log: {words[:80]!r} {error}.", hint=hint) from None


class CycleLog:
    """What came and went by a log. `feed` it bytes; the sampler's thread asks `told`."""

    def __init__(self, pattern: CyclePattern, settle_s: float = SETTLE_S) -> None:
        self._settle = settle_s
        self._kind = pattern.kind
        self._end = re.compile(pattern.end)
        self._begin = re.compile(pattern.begin) if pattern.begin else None
        self._lines = Lines()
        self._lock = threading.Lock()
        self._begun = self._ended = 0
        self._changed = float("-inf")

    def feed(self, data: bytes, now: float | None = None) -> None:
        """More of the log. `now`: monotonic seconds."""
        for line in self._lines.feed(data):
            begins = self._begin is not None and self._begin.search(line[:LINE]) is not None
            ends = self._end.search(line[:LINE]) is not None
            if begins or ends:
                with self._lock:
                    self._begun += begins
                    self._ended += ends
                    self._changed = time.monotonic() if now is None else now

    def told(self, now: float | None = None) -> Told:
        """As a target's `told`."""
        with self._lock:
            quiet = (time.monotonic() if now is None else now) - self._changed >= self._settle
            load = {} if self._begin is None else {f"{self._kind}s": float(max(0, self._begun - self._ended))}
            return Told(load, {self._kind: self._ended}, quiet)
