"""A rate that may not be exceeded for long: a token bucket. Pure; the time is an argument."""

from __future__ import annotations


class Budget:
    """`rate` uses a second, `burst` at once. Times are seconds of one clock that does not go back."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("rate must be above 0 and burst at least 1")
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Use it once: 0.0 when there was room, else nothing is used and the answer is how long to wait (seconds)."""
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate
