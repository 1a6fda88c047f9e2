"""Tells a decision: once a change, not once a look."""

from __future__ import annotations

from steadycast.watching.guard.decide import Decision, Do
from steadycast.watching.guard.facts import Presence, Server
from steadycast.watching.guard.journal import Journal, Kind

_WORDS = {
    Do.NOTHING: "does nothing",
    Do.WAIT: "waits",
    Do.START: "starts it",
    Do.RESTART: "restarts it",
    Do.FINISH: "is done",
}
_WOULD = {Do.START: "would start it", Do.RESTART: "would restart it"}


def tell(journal: Journal, before: Decision, decision: Decision, server: Server, *, dry: bool) -> None:
    """Note a decision that differs from the one before."""
    same = before.do is decision.do and (before.reason or before.why) == (decision.reason or decision.why)
    idle = decision.do is Do.NOTHING and server.presence is Presence.RUNNING
    latched = before.do is Do.LATCH and decision.do is Do.NOTHING  # told by then
    if same or latched or (idle and before.do is Do.NOTHING):
        return
    if decision.do is Do.LATCH:
        hint = "look at it, then reset: steadycast guard reset POLICY"
        journal.say(Kind.DECISION, f"latched: {decision.why}", grave=True, hint=hint)
    elif not idle:
        words = _WOULD.get(decision.do, _WORDS[decision.do]) if dry else _WORDS[decision.do]
        journal.say(Kind.DECISION, f"{words}: {decision.why}")
