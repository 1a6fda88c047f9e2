"""Guard as plain values: for the API, the state file, evidence and `steadycast guard status`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from steadycast.tracking.leaks.words import duration
from steadycast.tracking.signatures.masking import masked
from steadycast.watching.common.quiet_probe import SETTLE_S
from steadycast.watching.guard.budget import counted
from steadycast.watching.guard.facts import Facts, Presence
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.record import clock
from steadycast.workers.codec import to_plain

if TYPE_CHECKING:
    from steadycast.watching.guard.keeper import Keeper

FINDINGS = 20  # in one case of evidence


def status_of(keeper: Keeper) -> dict[str, Any]:
    """What it is about now."""
    memory, policy, server, life = keeper.memory, keeper.policy, keeper.server, keeper.life
    running = server.presence is Presence.RUNNING and life is not None
    watching = keeper.watchers.watching
    return {
        "name": policy.name,
        "at": time.time(),
        "guard_since": keeper.started_at,
        "dry_run": keeper.dry,
        "server": {
            "presence": server.presence.value,
            "why": server.why or (server.ended.words() if server.ended else ""),
            "pid": life.pid if running and life is not None else None,
            "since": life.at if running and life is not None else None,
            "age_s": clock() - server.since if running and server.since is not None else None,
            "adopted": server.adopted,
        },
        "busy": keeper.busy,
        "paused": memory.paused,
        "latch": to_plain(memory.latch),
        "decision": {"do": keeper.decision.do.value, "why": keeper.decision.why, "trail": list(keeper.decision.trail)},
        "budget": {
            "restarts": policy.budget.restarts,
            "window_s": policy.budget.window_s,
            "used": counted(policy.budget, memory, clock()),
        },
        "health": [to_plain(one.health) for one in keeper.watchers.health],
        "signs": [to_plain(one) for one in keeper.watchers.signs.signs],
        "watching": {"count": watching.number, "text": watching.text},
        "log_trouble": keeper.watchers.log.trouble if keeper.watchers.log is not None else None,
        "leaks": leaks_of(keeper),
    }


def leaks_of(keeper: Keeper) -> dict[str, Any] | None:
    """How the search for leaks goes; None where there is none."""
    leaks = keeper.watchers.leaks
    if leaks is None:
        return None
    suspects = [
        {"finding": one.id, "headline": one.headline, "decide_by": one.decide_by, "hindered": one.hindered}
        for one in leaks.suspects
    ]
    return {
        "looks": leaks.looks,
        "missing": leaks.missing,
        "findings": len(leaks.findings),
        "suspects": suspects,
        "decided_by": decided_by(keeper.policy),
    }


def decided_by(policy: Policy) -> str:
    """What decides about a suspect, in words. Pure."""
    if policy.quiet is None or policy.quiet.watching is None:
        return (
            "time alone: the policy does not say who watches (quiet.watching), and nothing can be asked of the server"
        )
    return f"what is left of it when nobody watches for {duration(SETTLE_S)}, else time"


def restarts_of(keeper: Keeper) -> list[dict[str, Any]]:
    """What guard did, the newest last, and what came of it."""
    return [{**to_plain(one), "text": one.words()} for one in keeper.effects]


def findings_of(keeper: Keeper) -> list[dict[str, Any]]:
    """Findings of leak detection, the newest last."""
    leaks = keeper.watchers.leaks
    return [] if leaks is None else [to_plain(one) for one in leaks.findings]


def known_of(keeper: Keeper, facts: Facts) -> dict[str, Any]:
    """What goes into the evidence of a restart."""
    return {
        "server": to_plain(facts.server),
        "health": [to_plain(one) for one in facts.health],
        "signs": [{**to_plain(one), "text": masked(one.text)} for one in facts.signs],
        "watching": facts.watching,
        "findings": findings_of(keeper)[-FINDINGS:],
        "restarts_before": [to_plain(one) for one in keeper.memory.restarts[-10:]],
    }
