"""Regular expressions of a policy: only those that cannot search for ever. Pure.

Python's engine backtracks: a repeat inside a repeat tries exponentially many ways, several repeats side by side a power
of the length of the line. The first is refused, the second bounded: lines are cut at `LINE` characters, and what all
repeats of a pattern may try together has a limit.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any

LINE = 800  # characters of a line that are looked at
TRIES = 50_000
OPEN = 200  # ways that a repeat without a bound counts as: `.*` twice in a pattern, not three times

_parser: Any = importlib.import_module("re._parser")
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_PLAIN = {"LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "NEGATE", "RANGE", "CATEGORY"}


def check_pattern(text: str) -> str:
    """The pattern itself. Raises ValueError that says what is wrong with it."""
    try:
        re.compile(text)
        tree = _parser.parse(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if _tries(tree, inside=False) > TRIES:
        raise ValueError("would take too long on some lines: allowed are two repeats without a bound (write .{0,80})")
    return text


def _tries(tree: Iterable[Any], *, inside: bool) -> int:
    """In how many ways the repeats can be placed at most."""
    product = 1
    for name, argument in tree:
        kind = str(name)
        if kind in _REPEATS:
            product *= _repeat(argument, inside=inside)
        elif kind == "BRANCH":
            if inside:
                raise ValueError("has a choice inside a repeat, which can search for ever; allowed is [abc]+ or (a|b)")
            product *= max(1, sum(_tries(one, inside=False) for one in argument[1]))
        elif kind == "SUBPATTERN":
            product *= _tries(argument[-1], inside=inside)
        elif kind not in _PLAIN:
            raise ValueError(
                f"uses {kind.lower().replace('_', ' ')}; allowed are characters, classes, groups, repeats, |"
            )
    return product


def _repeat(argument: Any, *, inside: bool) -> int:
    low, high, body = argument
    ways = min(OPEN, int(high) - int(low) + 1)
    if int(high) <= 1:  # an optional part is a choice of two
        return ways * _tries(body, inside=inside)
    if inside:
        raise ValueError("has a repeat inside a repeat, which can search for ever; allowed is one level, like [ab]+")
    _tries(body, inside=True)
    return ways
