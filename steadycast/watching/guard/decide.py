"""Decides whether a server is started, restarted or left alone: facts in, decision out, with a trail of why. Pure.

It never acts on what is not known; restarts are bounded by the budget whatever the facts are; latched stays latched
until somebody resets it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from steadycast.watching.guard.budget import latch_words, pause_before, used_up
from steadycast.watching.guard.facts import KEPT, Act, Cause, Facts, Latch, Memory, Moment, Presence, Restart
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.reasons import Reason, reasons
from steadycast.watching.guard.windows import quiet_now


class Do(StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    WAIT = "wait"
    START = "start"
    RESTART = "restart"
    LATCH = "latch"
    FINISH = "finish"  # the server ended and the policy wants no start after that


@dataclass(frozen=True, slots=True)
class Decision:
    """`why` in words; `until`: clock of the end of a wait, where it is known; `trail`: what was looked at."""

    do: Do
    why: str
    reason: Reason | None = None
    until: float | None = None
    trail: tuple[str, ...] = ()


def decide(facts: Facts, policy: Policy, memory: Memory, now: Moment) -> Decision:
    """What to do now."""
    server = facts.server
    if memory.latch is not None:
        return Decision(Do.NOTHING, f"latched: {memory.latch.why}")
    if server.presence is Presence.UNKNOWN:
        return Decision(Do.NOTHING, f"it cannot be told whether the server runs: {server.why}")
    if server.presence is Presence.STUCK:
        return Decision(Do.LATCH, server.why)
    if memory.paused and facts.asked is None:
        return Decision(Do.NOTHING, "paused by a person")
    if server.presence is Presence.AWAY and facts.asked is None:
        return Decision(Do.NOTHING, server.why)
    if server.presence is Presence.RUNNING:
        return _running(facts, policy, memory, now)
    return _down(facts, policy, memory, now)


def after(decision: Decision, memory: Memory, now: Moment) -> Memory:
    """The memory once the decision is carried out."""
    if decision.do is Do.LATCH:
        return replace(memory, latch=Latch(now.unix, decision.why))
    if decision.do in (Do.START, Do.RESTART) and decision.reason is not None:
        memory = replace(memory, began=True)
        if decision.reason.cause is not Cause.FIRST:
            made = Restart(now.clock, now.unix, decision.reason.cause, decision.reason.text)
            memory = replace(memory, restarts=(*memory.restarts, made)[-KEPT:])
    return memory


def carried_out(memory: Memory, clock: float) -> Memory:
    """The memory once the newest restart is done, whatever came of it: waits count from then."""
    if not memory.restarts or memory.restarts[-1].done is not None:
        return memory
    return replace(memory, restarts=(*memory.restarts[:-1], replace(memory.restarts[-1], done=clock)))


def settle(facts: Facts, policy: Policy, memory: Memory, now: Moment) -> Memory:
    """Whether the server is well for long enough that the next back-off begins anew."""
    server = facts.server
    if server.presence is not Presence.RUNNING or server.since is None:
        return memory
    ill = any(one.ok is False for one in facts.health if one.act is Act.RESTART)  # what cannot tell proves nothing
    if ill or now.clock - server.since < policy.budget.settled_s:
        return memory
    return replace(memory, settled=now.clock)


def _down(facts: Facts, policy: Policy, memory: Memory, now: Moment) -> Decision:
    server = facts.server
    if facts.asked is not None:
        return Decision(Do.START, f"{facts.asked} asked for it", Reason(Cause.ASKED, Act.RESTART, facts.asked))
    if not memory.began and server.presence is Presence.ABSENT:
        return Decision(Do.START, "it is not running", Reason(Cause.FIRST, Act.RESTART, "it was not running"))
    ended = server.ended
    text = ended.words() if ended is not None else server.why or "it is not running any more"
    after_exit = policy.start.after_exit
    if after_exit == "never" or (after_exit == "failure" and ended is not None and not ended.failed):
        return Decision(Do.FINISH, f"{text}, and start.after_exit is {after_exit!r}")
    reason = Reason(Cause.EXIT, Act.RESTART, text)
    return _bounded(Do.START, reason, facts, policy, memory, now)


def _running(facts: Facts, policy: Policy, memory: Memory, now: Moment) -> Decision:
    found, trail = reasons(facts, policy, now)
    if facts.asked is not None:
        reason = Reason(Cause.ASKED, Act.RESTART, facts.asked)
        return Decision(Do.RESTART, f"{facts.asked} asked for it", reason, trail=trail)
    if not found:
        return Decision(Do.NOTHING, "nothing is wrong", trail=trail)
    reason = min(found, key=lambda one: one.act is not Act.RESTART)
    if reason.act is Act.QUIET:
        is_quiet, why = quiet_now(facts, policy.quiet, now)
        trail = (*trail, f"quiet: {why}")
        if is_quiet is not True:
            return Decision(Do.WAIT, f"{reason.text}; it waits: {why}", reason, trail=trail)
    return replace(_bounded(Do.RESTART, reason, facts, policy, memory, now), trail=trail)


def _bounded(do: Do, reason: Reason, facts: Facts, policy: Policy, memory: Memory, now: Moment) -> Decision:
    if used_up(policy.budget, memory, now.clock):
        return Decision(Do.LATCH, latch_words(reason.text, policy.budget, memory, now.clock), reason)
    ended = facts.server.ended
    until = pause_before(policy.budget, memory, ended.clock if ended is not None else None)
    if until is not None and now.clock < until:
        return Decision(Do.WAIT, f"{reason.text}; next try in {until - now.clock:.1f} s", reason, until)
    return Decision(do, reason.text, reason)
