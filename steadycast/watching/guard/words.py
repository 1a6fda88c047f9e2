"""A policy in words: what guard will do, and what it will not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from steadycast.tracking.signatures.masking import masked
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.policy_probes import CommandHealth, CountProbe, HealthProbe, HttpHealth
from steadycast.watching.guard.windows import days_words

_ACTS = {"restart": "restarts at once", "quiet": "restarts when it is quiet", "tell": "only tells"}


def explain(policy: Policy) -> list[str]:
    """One line for each thing."""
    return [masked(line) for part in (_target, _stop, _when, _budget, _quiet, _rest) for line in part(policy)]


def _target(policy: Policy) -> Iterator[str]:
    target = policy.target
    if target.command is not None:
        yield f"Starts and guards the command: {' '.join(target.command)}"
        if target.background == "follow":
            named = f"named by {target.pid_file}" if target.pid_file else "the oldest that it left"
            yield f"When the command goes into the background, it follows the process {named}."
    elif target.unit is not None:
        yield f"Guards the systemd unit {target.unit}{' of this user' if target.user else ''}; starts it if inactive."
    else:
        source = target.pid_file or " ".join(target.pid_command or ())
        yield f"Guards the process {target.program!r} that {source} names."
        yield f"Starts it with: {' '.join(target.start or ())}"
    ends = "ends the server" if target.stops_with_guard else "leaves the server running"
    yield f"When guard itself is told to end, it {ends}. When guard dies, the next one adopts the server."


def _stop(policy: Policy) -> Iterator[str]:
    stop = policy.stop
    if policy.target.is_unit:
        yield f"Ends it by systemctl stop ({stop.graceful_s:g} s), then SIGKILL to its cgroup ({stop.kill_s:g} s)."
        return
    first = f"{' '.join(stop.command)} ({stop.command_s:g} s), then " if stop.command else ""
    yield f"Ends it by {first}{stop.signal} ({stop.graceful_s:g} s), then SIGKILL ({stop.kill_s:g} s); all it left too."


def _when(policy: Policy) -> Iterator[str]:
    after = {"always": "whenever it ended", "failure": "when it ended with a failure", "never": "never"}
    yield f"Starts it again {after[policy.start.after_exit]}."
    for probe in policy.health:
        fails = f"{probe.failures} failures in a row" if probe.failures > 1 else "one failure"
        yield f"Every {probe.every_s:g} s, {probe.name}: {_probe(probe)}; after {fails} it {_ACTS[probe.act]}."
    if policy.health:
        yield f"After a start it has {policy.start.ready_s:g} s to get well."
    for one in policy.signatures:
        often = "" if one.times == 1 else f" {one.times} times within {one.within_s:g} s"
        yield f"When its log says {one.pattern!r}{often} ({one.name}), it {_ACTS[one.act]}."
    if policy.known is not None:
        for name, meaning in (("recycle", "needs a new process"), ("deny", "is full"), ("gpu", "is a bad GPU")):
            yield f"When a known line of its log means that it {meaning}, it {_ACTS[getattr(policy.known, name)]}."
    found = policy.findings
    if found is not None:
        rest = f", not within {found.rest_s:g} s of its start" if found.act != "tell" and found.rest_s else ""
        yield f"When it is confirmed that it leaks, it {_ACTS[found.act]}{rest}."
        yield (
            f"When a limit may be met within {found.margin_s:g} s at this rate, or {found.full:.0%} of its descriptors "
            f"are open, it {_ACTS[found.exhaustion]}."
        )
    if policy.age is not None:
        spread = f" (give or take {policy.age.jitter:.0%})" if policy.age.jitter else ""
        yield f"When it has run for {policy.age.max_s:g} s{spread}, it {_ACTS[policy.age.act]}."


def _probe(probe: HealthProbe) -> str:
    if isinstance(probe, CommandHealth):
        return f"{' '.join(probe.command)} must exit with 0 within {probe.deadline_s:g} s"
    if isinstance(probe, HttpHealth):
        body = "" if probe.pattern is None else f" and say {probe.pattern!r}"
        return f"{probe.url} must answer {probe.status[0]} to {probe.status[1]}{body} within {probe.deadline_s:g} s"
    return f"the picture of {probe.url} must move ({probe.frames} pictures within {probe.deadline_s:g} s)"


def _budget(policy: Policy) -> Iterator[str]:
    budget = policy.budget
    first, longest = budget.backoff_s
    yield (
        f"At most {budget.restarts} restarts within {budget.window_s:g} s and in a row, {first:g} to {longest:g} s "
        "apart; then it does nothing more until a person resets it."
    )


def _quiet(policy: Policy) -> Iterator[str]:
    quiet = policy.quiet
    if quiet is None:
        return
    window = "at any time" if quiet.begin is None else f"from {quiet.begin} to {quiet.end}{days_words(quiet)}"
    nobody = "" if quiet.watching is None else f" while nobody watches ({_count(quiet.watching)})"
    yield f"It is quiet {window}{nobody}."


def _count(probe: CountProbe) -> str:
    if probe.port is not None:
        return f"connections to port {probe.port}"
    return f"asked of {probe.url}" if probe.url is not None else " ".join(probe.command or ())


def _rest(policy: Policy) -> Iterator[str]:
    yield "What cannot be told restarts nothing."
    evidence = policy.evidence
    yield f"Before each restart it keeps evidence: {evidence.cases} cases of {evidence.case_bytes} bytes at most."
    gate = policy.gate
    if gate is not None:
        limits = [f"{gate.sessions} sessions" if gate.sessions is not None else ""]
        for name, value in (("VRAM", gate.vram_free), ("memory", gate.memory_free)):
            limits.append(f"{value} bytes of {name} free" if value is not None else "")
        limits.append(f"{gate.descriptors_free} descriptors free" if gate.descriptors_free is not None else "")
        unknown = "lets in" if gate.unknown == "allow" else "refuses"
        yield f"The gate wants {', '.join(filter(None, limits))}; where that cannot be told it {unknown}."
    if policy.api.port is not None:
        token = " with a token" if policy.api.token_hash is not None else ""
        yield f"Answers on http://127.0.0.1:{policy.api.port}{token}."
