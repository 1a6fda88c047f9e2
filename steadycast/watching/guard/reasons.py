"""Reasons to restart a server that runs, each with why, and of everything else why it is none. Pure."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from steadycast.watching.guard.facts import Act, Cause, Facts, Health, Moment, Server, Sign
from steadycast.watching.guard.policy import AgePolicy, Policy


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in words; `key` and `finding` say which signature or finding it was."""

    cause: Cause
    act: Act
    text: str
    key: str = ""
    finding: str | None = None


def reasons(facts: Facts, policy: Policy, now: Moment) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """Those there are, and a line for each thing that was looked at."""
    found: list[Reason] = []
    trail: list[str] = []
    for one in facts.health:
        reason, line = _health(one, facts.server, policy, now)
        trail.append(line)
        if reason is not None:
            found.append(reason)
    for sign in facts.signs:
        rest = _rest(sign, facts.server, policy, now)
        trail.append(f"{sign.cause} {sign.key}: {rest or sign.act}")
        if sign.act is not Act.TELL and rest is None:
            found.append(Reason(sign.cause, sign.act, sign.text, sign.key, sign.finding))
    if policy.age is not None:
        reason, line = _age(policy, policy.age, facts.server, now)
        trail.append(line)
        if reason is not None:
            found.append(reason)
    return tuple(found), tuple(trail)


def _rest(sign: Sign, server: Server, policy: Policy, now: Moment) -> str | None:
    """Why a finding waits: what leaks leaks again, so each life must be worth its restart. A near limit does not."""
    if sign.cause is not Cause.FINDING or policy.findings is None or server.since is None:
        return None
    left = policy.findings.rest_s - (now.clock - server.since)
    return f"in {left:.0f} s, no limit is near" if left > 0 else None


def _health(one: Health, server: Server, policy: Policy, now: Moment) -> tuple[Reason | None, str]:
    name = f"health {one.name}"
    if one.ok is None:
        return None, f"{name}: cannot tell: {one.text}"  # also what failed before that is not judged on it
    if one.ok:
        return None, f"{name}: well"
    if one.failures < one.allowed:
        return None, f"{name}: failed {one.failures} of {one.allowed} times: {one.text}"
    if one.act is not Act.RESTART:
        return None, f"{name}: failed, and the policy wants that told only: {one.text}"
    ready = one.was_good or server.adopted
    if not ready:
        age = None if server.since is None else now.clock - server.since
        if age is None or age < policy.start.ready_s:
            return None, f"{name}: not ready yet ({policy.start.ready_s:g} s): {one.text}"
        text = f"it did not get well within {policy.start.ready_s:g} s of its start ({one.name}: {one.text})"
        return Reason(Cause.NEVER_HEALTHY, Act.RESTART, text, one.name), f"{name}: never well"
    text = f"{one.name} failed {one.failures} times in a row: {one.text}"
    return Reason(Cause.HEALTH, Act.RESTART, text, one.name), f"{name}: failed {one.failures} times"


def _age(policy: Policy, age: AgePolicy, server: Server, now: Moment) -> tuple[Reason | None, str]:
    if server.since is None:
        return None, "age: not known"
    limit = old_at(policy.name, age, server.since)
    is_old = now.clock - server.since
    if is_old < limit:
        return None, f"age: {is_old:.0f} of {limit:.0f} s"
    text = f"it runs for {is_old:.0f} s, longer than {limit:.0f} s"
    return Reason(Cause.AGE, Act(age.act), text), f"age: {is_old:.0f} s, over {limit:.0f} s"


def old_at(name: str, age: AgePolicy, since: float) -> float:
    """Seconds; the same for one life however often it is asked, another for each server."""
    share = zlib.crc32(f"{name}:{since:.0f}".encode()) / 0xFFFFFFFF  # 0 to 1
    return age.max_s * (1 + age.jitter * (2 * share - 1))
