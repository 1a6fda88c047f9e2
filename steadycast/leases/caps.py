"""How many encoder sessions a pool has: configured > learned > table; and what a refusal by the driver teaches. Pure.

No API of a driver tells the cap, so the table is only a first guess: a refusal lowers it, a success above it raises it.
What was learned is kept by driver version and pool. A lowered cap heals: another program that took sessions may have
ended, so after a while one request above the cap is let through, and if it works, the next one too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from steadycast.model import EncoderFault

# From a refusal until one request above the cap is let through; doubles up to the longest while that is refused.
PROBE_AFTER_S = 600.0
LONGEST_PROBE_S = 6 * 3600.0
# Pools times driver versions; the longest unused one is forgotten.
MOST_LEARNED = 64
MOST_SESSIONS = 100_000
_UNKNOWN_DRIVER = "unknown"


class CapOrigin(StrEnum):
    """Where a cap comes from."""

    CONFIGURED = "configured"
    LEARNED = "learned"
    TABLE = "table"


class Verdict(StrEnum):
    """What a failed opening says."""

    CAP = "cap"  # no session was free
    VRAM = "vram"  # too little video memory
    NO_ENCODER = "no_encoder"  # this chip has none for it: never tried again
    DRIVER = "driver"  # the driver, its licence, or the device: counts for the breaker
    OTHER = "other"  # nothing is known: counts for the breaker


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool: its name, the driver's version, and the cap that the table of drivers names (None: none known)."""

    pool: str
    driver: str | None
    table: int | None


@dataclass(frozen=True, slots=True)
class Cap:
    """What counts now. `probing`: it is one above what was learned, to find out whether that still holds."""

    limit: int | None
    origin: CapOrigin | None
    probing: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learned: `changed` is worth an event. `doubtful`: nothing was, though something is wrong."""

    before: Cap
    after: Cap
    why: str
    doubtful: bool = False

    @property
    def changed(self) -> bool:
        """Whether another limit counts now."""
        return (self.before.limit, self.before.origin) != (self.after.limit, self.after.origin)


@dataclass(frozen=True, slots=True)
class _Learned:
    """`at`: when it was last learned (Unix seconds); `probe_at`: when one more may be tried, after `wait` seconds."""

    cap: int
    at: float
    probe_at: float
    wait: float


def verdict(
    fault: EncoderFault, sessions_open: int | None, cap: int | None, vram_free: int | None, vram_needed: int
) -> Verdict:
    """What an encoder that did not open says, with what was open in its pool at that moment.

    NVENC answers 10 or 21 when its sessions are used up; 10 is also a real lack of memory, 21 also a driver or licence
    that does not fit, but not while sessions are open. A missing element is a used-up cap where others have it open
    (the plugin opens a session when it is loaded). Without a code (old elements drop it) it is taken for the cap only
    in a pool that is known to have one: a wrong lesson heals, a breaker would close the whole device.
    """
    short = vram_free is not None and vram_free < vram_needed
    some_open = sessions_open is None or sessions_open > 0
    match fault:
        case EncoderFault.OUT_OF_MEMORY:
            if short:
                return Verdict.VRAM
            return Verdict.CAP if some_open else Verdict.OTHER
        case EncoderFault.CLIENT_KEY:
            return Verdict.CAP if some_open else Verdict.DRIVER
        case EncoderFault.MISSING:
            return Verdict.CAP if sessions_open else Verdict.OTHER
        case EncoderFault.OPEN:
            if short:
                return Verdict.VRAM
            return Verdict.CAP if sessions_open and cap is not None else Verdict.OTHER
        case EncoderFault.UNSUPPORTED:
            return Verdict.NO_ENCODER
        case EncoderFault.VERSION | EncoderFault.DRIVER_LOST | EncoderFault.HUNG:
            return Verdict.DRIVER
        case _:
            return Verdict.OTHER


class Caps:
    """The caps of all pools. `now` is Unix seconds, because what was learned outlives the process."""

    def __init__(self, configured: Mapping[str, int], kept: object = None) -> None:
        self._configured = dict(configured)
        self._learned: dict[tuple[str, str], _Learned] = {}
        self.load(kept)

    def cap(self, facts: PoolFacts, now: float) -> Cap:
        """What counts now for a pool."""
        configured = self._configured.get(facts.pool)
        if configured is not None:
            return Cap(configured, CapOrigin.CONFIGURED)
        learned = self._learned.get(_key(facts))
        if learned is None:
            return Cap(facts.table, None if facts.table is None else CapOrigin.TABLE)
        probing = _below_table(learned, facts) and _due(learned, now)
        return Cap(learned.cap + probing, CapOrigin.LEARNED, probing)

    def refused(self, facts: PoolFacts, ours: int, foreign: int | None, now: float) -> Lesson:
        """The driver gave no session (verdict CAP) while `ours` were open and others held `foreign` (None: unknown)."""
        before = self.cap(facts, now)
        open_now = ours + (foreign or 0)
        if open_now < 1:
            why = "It was refused though nothing else is open: that is no cap."
            return Lesson(before, before, why, doubtful=True)
        learned = self._learned.get(_key(facts))
        known = facts.table if learned is None else learned.cap
        cap = min(open_now, MOST_SESSIONS if known is None else known)  # more than that is for `proven` to say
        wait = PROBE_AFTER_S if learned is None else learned.wait
        if before.probing:
            wait = min(LONGEST_PROBE_S, wait * 2)
        self._keep(facts, _Learned(cap, now, now + wait, wait))
        return Lesson(before, self.cap(facts, now), f"The driver refused one more while {open_now} were open.")

    def proven(self, facts: PoolFacts, ours: int, foreign: int | None, now: float) -> Lesson:
        """So many are open at this moment: raises a cap below that. A stale `foreign` may raise it wrongly, which costs
        one refusal."""
        before = self.cap(facts, now)
        open_now = ours + (foreign or 0)
        learned = self._learned.get(_key(facts))
        known = learned.cap if learned is not None else facts.table
        if known is None or open_now <= known or open_now > MOST_SESSIONS:
            return Lesson(before, before, f"{open_now} are open.")
        # A probe that worked is followed by the next one at once; sessions that were only seen are no reason to try.
        at = now if learned is None or before.probing else learned.probe_at
        self._keep(facts, _Learned(open_now, now, at, PROBE_AFTER_S))
        return Lesson(before, self.cap(facts, now), f"{open_now} are open at the same time.")

    def dump(self) -> dict[str, Any]:
        """What was learned, as JSON takes it."""
        rows = [
            {"driver": d, "pool": p, "cap": v.cap, "at": v.at, "probe_at": v.probe_at, "wait": v.wait}
            for (d, p), v in self._learned.items()
        ]
        return {"learned": rows}

    def load(self, kept: object) -> None:
        """Takes what `dump` gave, at an earlier start maybe; leaves out what it cannot read."""
        rows = kept.get("learned") if isinstance(kept, Mapping) else None
        for row in rows[-MOST_LEARNED:] if isinstance(rows, list) else ():
            read = _read(row)
            if read is not None:
                self._learned[read[0]] = read[1]

    def forget(self, facts: PoolFacts) -> None:
        """A person wants it to be learned anew."""
        self._learned.pop(_key(facts), None)

    def _keep(self, facts: PoolFacts, learned: _Learned) -> None:
        self._learned.pop(_key(facts), None)
        if learned.cap == facts.table:
            return  # the table says the same, and may be corrected by the next release
        self._learned[_key(facts)] = learned
        if len(self._learned) > MOST_LEARNED:
            del self._learned[next(iter(self._learned))]


def _key(facts: PoolFacts) -> tuple[str, str]:
    return facts.driver or _UNKNOWN_DRIVER, facts.pool


def _below_table(learned: _Learned, facts: PoolFacts) -> bool:
    return facts.table is None or learned.cap < facts.table


def _due(learned: _Learned, now: float) -> bool:
    """A clock that was set back must not put it off for ever."""
    return now >= learned.probe_at or learned.probe_at - now > learned.wait


def _read(row: object) -> tuple[tuple[str, str], _Learned] | None:
    if not isinstance(row, Mapping):
        return None
    driver, pool, cap = row.get("driver"), row.get("pool"), row.get("cap")
    times = [row.get(name) for name in ("at", "probe_at", "wait")]
    if not (isinstance(driver, str) and isinstance(pool, str) and isinstance(cap, int) and not isinstance(cap, bool)):
        return None
    if not (1 <= cap <= MOST_SESSIONS) or len(driver) > 200 or len(pool) > 200:
        return None
    numbers = [float(t) for t in times if isinstance(t, int | float) and not isinstance(t, bool) and math.isfinite(t)]
    if len(numbers) != len(times):
        return None
    learned = _Learned(cap, *numbers)
    return (driver, pool), replace(learned, wait=min(LONGEST_PROBE_S, max(PROBE_AFTER_S, learned.wait)))
