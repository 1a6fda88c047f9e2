"""What was true of a process and its machine when a line was written, as far as somebody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steadycast.tracking.signatures.table import Told


@dataclass(frozen=True, slots=True)
class Facts:
    """Bytes and counts; None is not known, never 0. `at`: Unix seconds at which it was measured.

    `sessions` counts all encoders open in the cap's pool (all GeForce cards of the host share one), `cap_source` says
    where the cap comes from (`measured`, `config`, `driver table`). `fresh`: the process has done no such thing before.
    `memory` is that of the cgroup or the machine, whichever ends first.
    """

    at: float | None = None
    pid: int | None = None
    descriptors: int | None = None
    descriptor_limit: int | None = None
    vram_free: int | None = None
    vram_total: int | None = None
    bar1_free: int | None = None
    bar1_total: int | None = None
    sessions: int | None = None
    session_cap: int | None = None
    cap_source: str | None = None
    memory_free: int | None = None
    memory_total: int | None = None
    fresh: bool | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """What one fact says: `odds` over 1 for it, under 1 against it (a likelihood ratio), and in words."""

    odds: float
    words: str


FOR, LEANS_FOR, LEANS_AGAINST, AGAINST = 40.0, 5.0, 0.3, 0.03
_MIB = 1 << 20
# That a process is old says little for a cause, as most are; that it is new says much against one that needs time.
_NEW = (5.0, "the process is new")
_OLD = (3.0, "the process had worked before")


def signs(facts: Facts) -> Mapping[Told, Sign]:
    """What is told by what is known; a fact that is not known says nothing, and is not in here."""
    found = {
        Told.DESCRIPTORS: _descriptors(facts),
        Told.VRAM: _memory("of the device's memory", facts.vram_free, facts.vram_total, 300 * _MIB),
        Told.BAR1: _memory("of BAR1", facts.bar1_free, facts.bar1_total, 4 * _MIB),
        Told.RAM: _memory("of memory", facts.memory_free, facts.memory_total, 100 * _MIB),
        Told.SESSIONS: _sessions(facts),
        Told.FRESH: None if facts.fresh is None else Sign(*(_NEW if facts.fresh else (0.1, _OLD[1]))),
        Told.OLD: None if facts.fresh is None else Sign(*((0.05, _NEW[1]) if facts.fresh else _OLD)),
    }
    return {told: sign for told, sign in found.items() if sign is not None}


def _descriptors(facts: Facts) -> Sign | None:
    used, limit = facts.descriptors, facts.descriptor_limit
    if used is None or not limit:
        return None
    share = used / limit
    odds = FOR if share >= 0.9 else LEANS_FOR if share >= 0.75 else LEANS_AGAINST if share >= 0.5 else AGAINST
    return Sign(odds, f"{used} of {limit} descriptors are open")


def _memory(what: str, free: int | None, total: int | None, little: int) -> Sign | None:
    if free is None or not total:
        return None
    share = free / total
    if free < little or share < 0.02:
        odds = FOR
    elif share < 0.08:
        odds = LEANS_FOR
    else:
        odds = LEANS_AGAINST if share < 0.25 else AGAINST
    return Sign(odds, f"{free // _MIB} of {total // _MIB} MiB {what} are free")


def _sessions(facts: Facts) -> Sign | None:
    used, cap = facts.sessions, facts.session_cap
    if used is None or cap is None:
        return None
    # A cap from the table is a first guess: drivers differ from it in both ways.
    is_sure = facts.cap_source != "driver table"
    if used >= cap:
        odds = FOR if is_sure else LEANS_FOR * 2
    elif used == cap - 1:  # the refused one itself, or one that ended since
        odds = LEANS_FOR
    else:
        odds = AGAINST if is_sure else 0.1
    source = f" ({facts.cap_source})" if facts.cap_source else ""
    return Sign(odds, f"{used} of {cap} encoder sessions are open{source}")
