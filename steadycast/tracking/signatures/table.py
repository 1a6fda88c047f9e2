"""What is known of log lines, as frozen data: signatures, the causes one may have, and the table of all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from steadycast.model.findings import Remedy

ROOT_FIRST = 9  # of a signature that explains whatever stands around it
ROOT_USUAL = 5
ROOT_NEVER = 0  # of a line that only follows from another


class Told(StrEnum):
    """What is known of a process or its machine that speaks for or against a cause."""

    DESCRIPTORS = "descriptors"  # it is at its limit of open files
    VRAM = "vram"  # the device has next to no memory left
    BAR1 = "bar1"  # nor room to map it
    SESSIONS = "sessions"  # as many encoders are open as the cap allows
    RAM = "ram"  # the machine or the cgroup has next to none left
    FRESH = "fresh"  # the process began only now
    OLD = "old"  # it worked for long before
    BY_LINES = "lines"  # only other lines of the same incident can tell


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing a line can come from. `prior`: how often it is this, from 0 to 1, where nothing else is known.

    `told` is what decides about it; `lines` are ids of signatures (`xid.`: all of a kind) that speak for it when they
    stand beside it, `hints` those that do so weakly. `ask` is a command or a fact that would decide.
    """

    id: str
    what: str
    prior: float
    remedy: Remedy
    do: str
    told: Told | None = None
    lines: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A line (or a few) that programs write, and what it really means.

    `sure`: how well the line alone tells its cause, 0 to 1. `causes` are weighed where it may have several: then
    `cause`, `remedy` and `do` are those of nothing known. `root` orders lines of one incident: the highest explains the
    others, 0 only ever follows. `beats` are ids of more general signatures that match the same line.
    """

    id: str
    system: str
    name: str
    patterns: tuple[re.Pattern[str], ...]
    literals: tuple[tuple[str, ...], ...]
    examples: tuple[str, ...]
    meaning: str
    cause: str
    remedy: Remedy
    do: str
    source: str
    mistaken_for: str | None = None
    sure: float = 0.9
    root: int = ROOT_USUAL
    causes: tuple[Cause, ...] = ()
    beats: tuple[str, ...] = ()
    normal: bool = False  # it is no fault: told only when asked for

    @property
    def is_follow_up(self) -> bool:
        """It says only that something failed before it."""
        return self.root == ROOT_NEVER

    @property
    def weighs(self) -> tuple[Told, ...]:
        """Facts that tell its causes apart."""
        return tuple(dict.fromkeys(one.told for one in self.causes if one.told and one.told is not Told.BY_LINES))


Candidate = tuple[Signature, re.Pattern[str]]


@dataclass(frozen=True)
class Table:
    """All signatures that are known, by id."""

    signatures: Mapping[str, Signature]

    @cached_property
    def by_literal(self) -> Mapping[str, tuple[Candidate, ...]]:
        """Literals in lower case, and the patterns of which every match holds it or one of their others."""
        found: dict[str, list[Candidate]] = {}
        for one in self.signatures.values():
            for pattern, needed in zip(one.patterns, one.literals, strict=True):
                for literal in needed:
                    found.setdefault(literal, []).append((one, pattern))
        return {literal: tuple(some) for literal, some in found.items()}

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """All patterns."""
        return tuple((one, pattern) for one in self.signatures.values() for pattern in one.patterns)

    def best(self, text: str, among: tuple[Candidate, ...]) -> tuple[Signature, re.Match[str]] | None:
        """Of those that match: one that beats the others, else the one that explains most, else the longest match."""
        hits: dict[str, tuple[Signature, re.Match[str]]] = {}
        for one, pattern in among:
            match = pattern.search(text)
            if match is not None and (one.id not in hits or _length(match) > _length(hits[one.id][1])):
                hits[one.id] = one, match
        if len(hits) < 2:
            return next(iter(hits.values()), None)
        beaten = {general for one, _ in hits.values() for general in one.beats}
        left = [hit for hit in hits.values() if hit[0].id not in beaten] or list(hits.values())
        return max(left, key=lambda hit: (hit[0].root, _length(hit[1]), hit[0].id))

    def match(self, text: str) -> tuple[Signature, re.Match[str]] | None:
        """Of one line."""
        low = text.lower()
        some = [one for literal, owners in self.by_literal.items() if literal in low for one in owners]
        return self.best(text, tuple(some)) if some else None


def _length(match: re.Match[str]) -> int:
    return match.end() - match.start()
