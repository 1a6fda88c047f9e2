"""Whether one more session fits. Pure. What is not known never lets more in than what is known, unless the policy
says so."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.watching.guard.policy import GatePolicy

MIB = 1_048_576


@dataclass(frozen=True, slots=True)
class Room:
    """What there is now; None: it cannot be told, `unknown` says why by the name of the limit. `held`: sessions that
    were let in and that the count may not show yet, or that the gate itself counts."""

    sessions: int | None = None
    held: int = 0
    vram_free: int | None = None
    descriptors_free: int | None = None
    memory_free: int | None = None


def refused(policy: GatePolicy, room: Room, unknown: dict[str, str]) -> str | None:
    """Why no more is let in; None: it may come in."""
    why = _sessions(policy, room, unknown) or _free(policy, room, unknown)
    return None if why is None else f"{policy.message}: {why}" if policy.message else f"no room for a session: {why}"


def _sessions(policy: GatePolicy, room: Room, unknown: dict[str, str]) -> str | None:
    if policy.sessions is None:
        return None
    counted = room.sessions
    if policy.count is not None and counted is None:
        if policy.unknown == "refuse":
            return f"it cannot be told how many sessions there are: {unknown.get('sessions', 'not known')}"
        counted = 0
    used = (counted or 0) + room.held
    if used < policy.sessions:
        return None
    coming = f", {room.held} of them just let in" if room.held and policy.count is not None else ""
    return f"{used} of {policy.sessions} sessions are there{coming}"


def _free(policy: GatePolicy, room: Room, unknown: dict[str, str]) -> str | None:
    limits = (
        ("vram_free", "GPU memory", policy.vram_free, room.vram_free),
        ("descriptors_free", "descriptors", policy.descriptors_free, room.descriptors_free),
        ("memory_free", "memory", policy.memory_free, room.memory_free),
    )
    for name, what, wanted, free in limits:
        if wanted is None:
            continue
        if free is None:
            if policy.unknown == "refuse":
                return f"it cannot be told what is free of {what}: {unknown.get(name, 'not known')}"
        elif free < wanted:
            return f"{_amount(name, free)} of {what} free, {_amount(name, wanted)} needed"
    return None


def _amount(name: str, value: int) -> str:
    return str(value) if name == "descriptors_free" else f"{value / MIB:.0f} MiB"
