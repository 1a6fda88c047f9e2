"""Patterns of signatures: which are allowed, so that none can search for ever, and the literals each one needs.

Python's engine backtracks. A pattern is allowed where the worst that backtracking can do is small and known: every
repeat is bounded, a repeat holds no other repeat and no choice, and what all repeats of one pattern may try together
has a limit. What a matching line must hold, whatever else it holds, is read off the pattern: only lines with one of
these literals are ever searched.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

LENGTH = 400  # characters of a pattern
REPEAT = 400  # times, of one repeat
TRIES = 50_000  # ways to place all repeats of a pattern
LITERAL = 7  # characters at least that a matching line must hold in one piece
LITERALS = 24  # of one pattern: any line it matches holds one of them

_parser: Any = importlib.import_module("re._parser")
_NAMES = {"MAX_REPEAT", "MIN_REPEAT"}
_PLAIN = {"LITERAL", "NOT_LITERAL", "ANY", "IN", "AT"}
# Characters that JSON may write another way, and what is not ASCII, would hide a literal in a log of JSON lines.
_HIDDEN = frozenset('"\\/<>&')
GRAM = 4  # characters
# Words that any log is full of: a literal made of them alone would have every second line searched.
_COMMON = (
    " error: failed to fail failure warning: could not cannot create created creating open opened opening memory alloc "
    "allocate allocation buffer buffers stream streaming device devices initialize initialization init init session "
    "sessions connection connected connect closed close timeout timed out invalid request requests response client "
    "server video audio encoder encoding encode decoder decode frame frames http https info debug message: 127.0.0.1 "
    "assertion ' gst gstreamer pipeline element state process thread file files from with for the and this that has "
    "been was were kernel systemd system start started stop stopped running exit exited status code result unknown not "
    "found driver module context command config configuration display resource resources reason 2025-1 2026-0 00:00: "
)
_COMMON_GRAMS = frozenset(_COMMON[at : at + GRAM] for at in range(len(_COMMON) - GRAM + 1))


class PatternError(ValueError):
    """Why a pattern is not allowed."""


def compiled(pattern: str) -> re.Pattern[str]:
    """For lines of text; upper and lower case are one, as programs differ. Raises PatternError."""
    if not pattern or len(pattern) > LENGTH:
        raise PatternError(f"is empty or longer than {LENGTH} characters")
    try:
        made = re.compile(pattern, re.IGNORECASE | re.ASCII)
        tree = _parser.parse(pattern, re.IGNORECASE | re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"is no regular expression: {error}") from None
    tries = _tries(tree, inside=False)
    if tries > TRIES:
        raise PatternError(f"could try {tries} ways on one line (at most {TRIES}): bound its repeats, as in .{{0,80}}")
    return made


def literals(pattern: str) -> tuple[str, ...]:
    """In lower case; a line that matches holds at least one of them. Raises PatternError where none is long enough."""
    found = _needed(_parser.parse(pattern, re.IGNORECASE | re.ASCII))
    if not found or min(map(len, found)) < LITERAL:
        raise PatternError(f"needs {LITERAL} plain characters in a row (no quotes, slashes) that every match holds")
    if len(found) > LITERALS:
        raise PatternError(f"has more than {LITERALS} alternatives: make several patterns of it")
    return tuple(sorted(found))


def reads_digits(pattern: str) -> bool:
    """Whether it matters to the pattern which digits stand somewhere, not only that some do."""
    return _reads_digits(_parser.parse(pattern, re.IGNORECASE | re.ASCII))


def _reads_digits(tree: Iterable[Any]) -> bool:
    for name, argument in tree:
        kind = str(name)
        if kind in ("LITERAL", "NOT_LITERAL"):
            found = chr(argument).isdigit()
        elif kind == "RANGE":
            low, high = (chr(side) for side in argument)
            found = not (low <= "0" and high >= "9") and low <= "9" and high >= "0"
        elif kind == "IN":
            found = _reads_digits(argument)
        elif kind in _NAMES:
            found = _reads_digits(argument[2])
        elif kind == "BRANCH":
            found = any(_reads_digits(one) for one in argument[1])
        else:
            found = kind == "SUBPATTERN" and _reads_digits(argument[-1])
        if found:
            return True
    return False


def _tries(tree: Iterable[Any], *, inside: bool) -> int:
    """In how many ways the repeats can be placed at most."""
    product = 1
    for name, argument in tree:
        kind = str(name)
        if kind in _NAMES:
            low, high, body = argument
            if int(high) == 1:  # it is there or not: no loop
                product *= 1 + _tries(body, inside=inside)
                continue
            if inside:
                raise PatternError("has a repeat inside a repeat, which can search for ever")
            if int(high) > REPEAT:
                raise PatternError(f"has a repeat without a bound (or over {REPEAT}): write .{{0,80}} for .*")
            _tries(body, inside=True)
            product *= int(high) - int(low) + 1
        elif kind == "BRANCH":
            if inside:
                raise PatternError("has a choice inside a repeat, which can search for ever")
            product *= max(1, sum(_tries(one, inside=False) for one in argument[1]))
        elif kind == "SUBPATTERN":
            product *= _tries(argument[-1], inside=inside)
        elif kind not in _PLAIN:
            raise PatternError(f"uses {kind.lower().replace('_', ' ')}, which is not allowed")
    return product


def _needed(tree: Sequence[Any]) -> frozenset[str]:
    """The best set of literals of which every match of a sequence holds one."""
    best: frozenset[str] = frozenset()
    run = ""
    for name, argument in tree:
        kind = str(name)
        if kind == "LITERAL" and _shows(argument):
            run += chr(argument).lower()
            continue
        best, run = _better(best, frozenset({run}) if run else frozenset()), ""
        if kind == "BRANCH":
            sets = [_needed(one) for one in argument[1]]
            if all(sets):
                best = _better(best, frozenset().union(*sets))
        elif kind == "SUBPATTERN":
            best = _better(best, _needed(argument[-1]))
        elif kind in _NAMES and argument[0] > 0:
            best = _better(best, _needed(argument[2]))
    return _better(best, frozenset({run}) if run else frozenset())


def _shows(code: int) -> bool:
    return 32 <= code < 127 and chr(code) not in _HIDDEN


def rarity(text: str) -> int:
    """How many of its grams are not in what any log is full of."""
    return sum(text[at : at + GRAM] not in _COMMON_GRAMS for at in range(len(text) - GRAM + 1))


def _better(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The one whose most usual literal is rarest; of equal ones the later, which is mostly the more special."""
    if not one or not other:
        return one or other
    left, right = (min(min(10, rarity(text)) if len(text) >= LITERAL else -1 for text in some) for some in (one, other))
    return other if right >= left else one
