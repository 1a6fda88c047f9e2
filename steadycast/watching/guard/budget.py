"""How many restarts there may be, and how long to wait before the next. Pure. Restarts that a person asked for are
remembered and not counted."""

from __future__ import annotations

from collections.abc import Sequence

from steadycast.watching.guard.facts import Cause, Memory, Restart
from steadycast.watching.guard.policy import BudgetPolicy


def counted(budget: BudgetPolicy, memory: Memory, clock: float) -> int:
    """Restarts within the window."""
    return sum(one.clock > clock - budget.window_s for one in _own(memory))


def in_a_row(memory: Memory) -> int:
    """Restarts since the server was last well for long enough."""
    return len(_own(memory)) if memory.settled is None else sum(one.clock > memory.settled for one in _own(memory))


def used_up(budget: BudgetPolicy, memory: Memory, clock: float) -> bool:
    """By the window, or by as many restarts in a row none of which helped, however long that took."""
    return max(counted(budget, memory, clock), in_a_row(memory)) >= budget.restarts


def pause_before(budget: BudgetPolicy, memory: Memory, ended: float | None) -> float | None:
    """Clock before which nothing is started: counted from the end of the server, and of the last restart; None:
    nothing was before."""
    own = _own(memory)
    before = None if not own else own[-1].clock if own[-1].done is None else own[-1].done
    last = max((moment for moment in (ended, before) if moment is not None), default=None)
    if last is None:
        return None
    first, longest = budget.backoff_s
    tries = in_a_row(memory)
    if ended is None and tries == 0:
        return None  # it runs, was well since the last restart, and something new is wrong
    return last + min(longest, first * 2.0 ** min(tries, 60))


def latch_words(text: str, budget: BudgetPolicy, memory: Memory, clock: float) -> str:
    """What a person reads."""
    if counted(budget, memory, clock) >= budget.restarts:
        used = f"{budget.restarts} restarts within {budget.window_s:g} s"
    else:
        used = f"{budget.restarts} restarts in a row after none of which it was well for {budget.settled_s:g} s"
    return f"{text}; {used} did not help, so it is left as it is until a person looks"


def _own(memory: Memory) -> Sequence[Restart]:
    return [one for one in memory.restarts if one.cause is not Cause.ASKED]
