"""When a lobby that lost its source or worker is started again. Pure: the time and the dice are arguments.

- A camera that is away is tried for ever, the waits growing from the first to the longest of the settings.
- A worker that died (or a source that may come back, or a program that ended after it had run for a while) is started
  again within a budget: the first time at once, then with growing waits; more than `restarts` within
  `restart_window_s` and the lobby stays down until a person creates it again.
- A source that says that trying again cannot help, and a program that ended soon after its start, are not tried again.

Time spent streaming forgives: after `STABLE_S` the waits begin from the first again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

STABLE_S = 10.0  # streaming this long forgives earlier failures; a program that ran this long is started again
RESTART_WAIT_S = 0.5  # second restart of a worker; doubles up to the longest
RESTART_LONGEST_S = 8.0


class LossKind(StrEnum):
    """What was lost."""

    CAMERA = "camera"  # a camera, by its own words or silence; it may come back
    WORKER = "worker"  # a process of ours died or broke its word
    SOURCE = "source"  # any other source that may come back
    PROGRAM = "program"  # the program of a desktop ended
    FINAL = "final"  # trying again cannot help


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a lobby does not stream (any more), in words for a person. `streamed_s`: how long it had streamed or run."""

    kind: LossKind
    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    streamed_s: float = 0.0

    def after(self, streamed_s: float) -> Loss:
        """The same, after at least so long."""
        return replace(self, streamed_s=max(self.streamed_s, streamed_s))


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of earlier losses. `failures`: those in a row; `restarts`: times within the window."""

    failures: int = 0
    restarts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds and counts of the settings."""

    camera_wait_s: tuple[float, float]
    restarts: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Retry:
    """What to do: start again at `at` (None: never, `latched` by `why`), and what to remember."""

    at: float | None
    past: Past
    why: str | None = None


def after_loss(loss: Loss, past: Past, policy: RetryPolicy, now: float, dice: float) -> Retry:
    """What to do after a loss. `dice` is a random number from 0 to 1; it spreads the waits by a quarter either way."""
    if loss.streamed_s >= STABLE_S:
        past = replace(past, failures=0)
    failed = replace(past, failures=past.failures + 1)
    spread = 0.75 + 0.5 * dice
    if loss.kind is LossKind.CAMERA:
        first, longest = policy.camera_wait_s
        return Retry(now + min(_doubled(first, past.failures) * spread, longest), failed)
    if loss.kind is LossKind.FINAL:
        return Retry(None, failed)
    if loss.kind is LossKind.PROGRAM and loss.streamed_s < STABLE_S:
        return Retry(None, failed, "it ended soon after its start, so it is not started again by itself")
    return _within_budget(failed, policy, now, spread)


def _within_budget(past: Past, policy: RetryPolicy, now: float, spread: float) -> Retry:
    recent = tuple(at for at in past.restarts if at > now - policy.window_s)
    if len(recent) >= policy.restarts:
        why = f"it was started again {len(recent)} times within {policy.window_s:g} s, so it stays down"
        return Retry(None, replace(past, restarts=recent), why)
    wait = 0.0 if not recent else min(_doubled(RESTART_WAIT_S, len(recent) - 1) * spread, RESTART_LONGEST_S)
    return Retry(now + wait, replace(past, restarts=(*recent, now + wait)))


def _doubled(first: float, times: int) -> float:
    return float(first * 2 ** min(times, 30))
