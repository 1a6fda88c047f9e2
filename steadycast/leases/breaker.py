"""Whether a device gets new work after failures: a breaker with the time as an argument. Pure.

closed --failures in the window--> open --its rest is over, a canary runs--> trying --it worked--> closed
                                    ^------------------- it failed (the rest doubles) --------'
After so many openings in a row it is latched: only a person resets it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

# Openings are forgotten after so many windows without a failure.
QUIET_WINDOWS = 10
LONGEST_REST_S = 3600.0
# A canary has deadlines of its own; one that was never heard of again counts as failed after this.
TRYING_S = 120.0


class BreakerState(StrEnum):
    """The words of API and page."""

    CLOSED = "closed"
    OPEN = "open"
    TRYING = "trying"
    LATCHED = "latched"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """`failures` within `window_s` open it; it rests `rest_s`, doubled each time; the `trips`-th opening latches."""

    failures: int = 3
    window_s: float = 60.0
    rest_s: float = 30.0
    trips: int = 5


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """The breaker now. `failures` are those in the window, `trips` the openings in a row; `retry_at`: the earliest
    canary, in the clock of the caller."""

    state: BreakerState
    failures: int
    trips: int
    why: str | None
    retry_at: float | None


class Breaker:
    """The breaker of one device. `now` is in seconds of one clock that does not go back."""

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._state = BreakerState.CLOSED
        self._failures: deque[float] = deque(maxlen=max(1, rules.failures))
        self._trips = 0
        self._why: str | None = None
        self._until = 0.0  # open: the end of the rest; trying: when the canary counts as lost
        self._quiet_since = 0.0

    def failed(self, now: float, why: str, *, fatal: bool = False) -> bool:
        """Work on it failed; True when that opened the breaker. `fatal` (an Xid, a lost device) opens it at once."""
        self._settle(now)
        if self._state is not BreakerState.CLOSED:
            return False  # what ran there before it opened; only the canary counts now
        self._failures.append(now)
        self._quiet_since = now
        self._why = why
        if fatal or len(self._failures) >= self._rules.failures:
            self._open(now, why)
            return True
        return False

    def may_try(self, now: float) -> bool:
        """Whether its rest is over, so that a canary may run."""
        self._settle(now)
        return self._state is BreakerState.OPEN and now >= self._until

    def trying(self, now: float) -> None:
        """A canary runs now. Does nothing unless `may_try`."""
        if self.may_try(now):
            self._state = BreakerState.TRYING
            self._until = now + TRYING_S

    def tried(self, now: float, worked: bool, why: str | None = None) -> None:
        """How the canary went. Does nothing unless one runs: a late answer changes nothing."""
        self._settle(now)
        if self._state is not BreakerState.TRYING:
            return
        if worked:
            self._close(now)
        else:
            self._open(now, why or "the canary failed")

    def reset(self, now: float) -> None:
        """A person says that it is well again."""
        self._close(now)
        self._trips = 0

    def status(self, now: float) -> BreakerStatus:
        """What it is now."""
        self._settle(now)
        retry = self._until if self._state is BreakerState.OPEN else None
        return BreakerStatus(self._state, len(self._failures), self._trips, self._why, retry)

    def _open(self, now: float, why: str) -> None:
        self._trips += 1
        self._why = why
        self._failures.clear()
        rest = min(LONGEST_REST_S, self._rules.rest_s * 2.0 ** min(self._trips - 1, 30))
        self._until = now + rest
        self._state = BreakerState.LATCHED if self._trips >= self._rules.trips else BreakerState.OPEN

    def _close(self, now: float) -> None:
        self._state = BreakerState.CLOSED
        self._failures.clear()
        self._why = None
        self._quiet_since = now

    def _settle(self, now: float) -> None:
        """What time alone does."""
        if self._state is BreakerState.TRYING and now >= self._until:
            self._open(now, "the canary was not heard of again")
        if self._state is not BreakerState.CLOSED:
            return
        while self._failures and self._failures[0] <= now - self._rules.window_s:
            self._failures.popleft()
        if not self._failures:
            self._why = None
            if now - self._quiet_since >= QUIET_WINDOWS * self._rules.window_s:
                self._trips = 0
