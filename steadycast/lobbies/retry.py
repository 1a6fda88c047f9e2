"""When a lobby that lost its source or worker is started again. Pure: the time and the dice are arguments.

- A camera that is away is tried for ever, the waits growing from the first to the longest of the settings.
- A worker that died (or a source that may come back, or a program that ended after it had run for a while) is started
  again within a budget: the first time at once, then with growing waits; where the budget is used up the lobby is
  latched: it stays down until a person restarts it.
- A source that says that trying again cannot help, and a program that ended soon after its start, are not tried again.

A restart puts a lobby on probation, and time spent streaming does not end it: only a keyframe that was decoded does
(`proved`). The budget counts the restarts within `restart_window_s`, proved or not, and all since the last proof. So a
worker that dies each hour for want of a picture latches, and one that shows its picture each time before it dies does
not get around the budget either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

STABLE_S = 10.0  # a program that ran this long is started again
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
    """Why a lobby does not stream (any more), in words for a person. `streamed_s`: how long it had streamed or run;
    `hung`: something in its worker hangs, which is asked what before it is ended."""

    kind: LossKind
    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    streamed_s: float = 0.0
    hung: bool = False

    def after(self, streamed_s: float) -> Loss:
        """The same, after at least so long."""
        return replace(self, streamed_s=max(self.streamed_s, streamed_s))


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of earlier losses. `failures`: those since the last proof; `restarts`: times of those that the
    budget still counts; `proved_at`: when a keyframe was decoded last."""

    failures: int = 0
    restarts: tuple[float, ...] = ()
    proved_at: float | None = None

    @property
    def on_probation(self) -> bool:
        """Whether it was lost since a picture of it was seen."""
        return self.failures > 0

    def proved(self, now: float) -> Past:
        """A keyframe was decoded: what came before is forgiven, but for the restarts within the window."""
        return replace(self, failures=0, proved_at=now)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds and counts of the settings."""

    camera_wait_s: tuple[float, float]
    restarts: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Retry:
    """What to do: start again at `at` (None: not by itself, and `why`), and what to remember. `latched`: the budget is
    used up, so that something is wrong that starting again does not put right."""

    at: float | None
    past: Past
    why: str | None = None
    latched: bool = False


def after_loss(loss: Loss, past: Past, policy: RetryPolicy, now: float, dice: float) -> Retry:
    """What to do after a loss. `dice` is a random number from 0 to 1; it spreads the waits by a quarter either way."""
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
    within = now - policy.window_s
    proved = past.proved_at
    counted = tuple(at for at in past.restarts if at > within or proved is None or at > proved)
    if len(counted) >= policy.restarts:
        return Retry(None, replace(past, restarts=counted), _latched(counted, within, policy), latched=True)
    wait = 0.0 if not counted else min(_doubled(RESTART_WAIT_S, len(counted) - 1) * spread, RESTART_LONGEST_S)
    return Retry(now + wait, replace(past, restarts=(*counted, now + wait)))


def _latched(counted: tuple[float, ...], within: float, policy: RetryPolicy) -> str:
    """In words."""
    times = f"it was started again {len(counted)} times"
    if all(at > within for at in counted):
        return f"{times} within {policy.window_s:g} s, so it stays down"
    return f"{times} and no picture of it could be decoded since, so it stays down"


def _doubled(first: float, times: int) -> float:
    return float(first * 2 ** min(times, 30))
