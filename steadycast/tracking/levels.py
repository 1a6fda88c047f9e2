"""How much more a worker holds than it did with the same things open. Pure.

Memory is measured and told, but judged by nobody here: allocators keep what they were given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from steadycast.model import Check, Measures

LEVELS = 64  # compositions of which a level is kept; those not seen for longest go
NAMED = 16  # things that one check names

# What is open in a worker, by kind, in order, without what there is none of.
Composition = tuple[tuple[str, int], ...]


def composition(*parts: Mapping[str, int]) -> Composition:
    """One of several counts, whose keys differ."""
    return tuple(sorted((key, count) for part in parts for key, count in part.items() if count))


@dataclass(frozen=True, slots=True)
class _Level:
    """What was held with these things open, after things of the kinds in `warmed` had come and gone."""

    open: Composition
    warmed: frozenset[str]
    held: Measures


class Levels:
    """What one worker held, by what was open in it."""

    def __init__(self) -> None:
        self._levels: OrderedDict[tuple[Composition, frozenset[str]], _Level] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def compare(self, now: Composition, warmed: frozenset[str], held: Measures) -> tuple[Check, ...] | None:
        """What is held beyond the level of the same composition; None where there is no such level.

        A level of less that was open, before fewer kinds had come and gone, is as good where nothing is beyond it.
        """
        level = self._levels.get((now, warmed))
        if level is not None:
            self._levels.move_to_end((now, warmed))
            found = beyond(level.held, held)
            if all(check.residue == () for check in found):
                return found
        for other in self._levels.values():
            if other.warmed <= warmed and _is_part(other.open, now):
                lower = beyond(other.held, held)
                if lower and all(check.residue == () for check in lower):
                    return lower
        return None if level is None else found

    def settle(self, now: Composition, warmed: frozenset[str], held: Measures) -> None:
        """This is held when all has settled. A level that was there becomes the lower of both."""
        key = now, warmed
        before = self._levels.pop(key, None)
        lower = held if before is None else _lower(before.held, held)
        self._levels[key] = _Level(now, warmed, lower)
        if len(self._levels) > LEVELS:
            self._levels.popitem(last=False)

    def accept(self, now: Composition, warmed: frozenset[str], held: Measures) -> None:
        """What was beyond the level has been told: from now on it is the level, so that it is told once."""
        self._levels.pop((now, warmed), None)
        self.settle(now, warmed, held)


def beyond(before: Measures, after: Measures) -> tuple[Check, ...]:
    """What is held after that was not before, one check for each kind of thing that was measured at all."""
    checks = [
        _number("processes", before.processes, after.processes),
        _counts("descriptors", "descriptor", before.descriptors, after.descriptors),
        _threads(before.threads, after.threads),
        _number("encoder sessions", before.encoder_sessions, after.encoder_sessions),
        _counts("objects", "object", before.objects, after.objects),
    ]
    return tuple(check for check in checks if check is not None)


def _number(name: str, before: int | None, after: int | None) -> Check | None:
    if before is None or after is None:
        return _unmeasured(name, before, after)
    return Check(name, (f"{name} +{after - before}",) if after > before else ())


def _counts(name: str, one: str, before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> Check | None:
    if before is None or after is None:
        return _unmeasured(name, before, after)
    more = {key: count - before.get(key, 0) for key, count in after.items() if count > before.get(key, 0)}
    ordered = sorted(more.items(), key=lambda item: (-item[1], item[0]))
    return Check(name, tuple(f"{one} {key} +{count}" for key, count in ordered[:NAMED]))


def _threads(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> Check | None:
    """Pools give their idle threads to whoever comes next, with another name: only more threads in all are residue."""
    if before is not None and after is not None and sum(after.values()) <= sum(before.values()):
        return Check("threads", ())
    return _counts("threads", "thread", before, after)


def _unmeasured(name: str, before: object, after: object) -> Check | None:
    """Of what is never measured (the sessions of a driver that does not tell) nothing is said."""
    if before is None and after is None:
        return None
    return Check(name, None, "it could be measured only once")


def _is_part(less: Composition, more: Composition) -> bool:
    there = dict(more)
    return all(count <= there.get(key, 0) for key, count in less)


def _lower(one: Measures, other: Measures) -> Measures:
    return replace(
        other,
        processes=_least(one.processes, other.processes),
        descriptors=_least_of(one.descriptors, other.descriptors),
        threads=_fewer(one.threads, other.threads),
        encoder_sessions=_least(one.encoder_sessions, other.encoder_sessions),
        objects=_least_of(one.objects, other.objects),
    )


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _least_of(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> dict[str, int] | None:
    if one is None or other is None:
        known = other if one is None else one
        return None if known is None else dict(known)
    return {key: min(one[key], other[key]) for key in one.keys() & other.keys()}


def _fewer(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> dict[str, int] | None:
    if one is None or other is None:
        return _least_of(one, other)
    return dict(one if sum(one.values()) < sum(other.values()) else other)
