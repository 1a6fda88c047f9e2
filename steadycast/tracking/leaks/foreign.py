"""Things outside that nobody accounts for: a ledger of what there is against what is known to be held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from steadycast.model.findings import Shape
from steadycast.tracking.leaks.verdicts import EXACT, Verdict

GRACE = 120.0  # seconds in which what is new may find its owner, and what ended may go
NAMES = 10_000


@dataclass(frozen=True, slots=True)
class Stray:
    """One thing that nobody accounts for. `since` is when it was first seen so, on the clock of the looks."""

    kind: str
    name: str
    since: float


class Ledger:
    """Sockets, displays, containers, sinks, files, by kind and name."""

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._since: dict[tuple[str, str], float] = {}
        self.left_out = 0  # names beyond the bound in the last look

    def look(
        self, monotonic: float, outside: Mapping[str, Iterable[str]], accounted: Mapping[str, Collection[str]]
    ) -> tuple[Stray, ...]:
        """What is outside now, and what of it is known to be held. Answers with what was nobody's for the whole grace.

        A kind that could not be looked at is left out of `outside`: of it nothing is told.
        """
        free: dict[tuple[str, str], float] = {}
        self.left_out = 0
        for kind, names in outside.items():
            held = accounted.get(kind, ())
            for name in names:
                if name in held:
                    continue
                if len(free) >= NAMES:
                    self.left_out += 1
                    continue
                free[kind, name] = self._since.get((kind, name), monotonic)
        kept = {key: since for key, since in self._since.items() if key[0] not in outside}
        self._since = {**kept, **free}
        return tuple(
            Stray(kind, name, since) for (kind, name), since in sorted(free.items()) if monotonic - since >= self._grace
        )


class Foreign:
    """A count of such things in one series."""

    __slots__ = ("_grace", "_least", "_since", "_told")

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._since: float | None = None
        self._least = 0.0
        self._told = False

    def update(self, monotonic: float, value: float) -> Verdict | None:
        """Answers while something is nobody's for longer than the grace, and once when it is gone."""
        if value <= 0:
            told, self._told, self._since = self._told, False, None
            return self._verdict(monotonic, value, False) if told else None
        if self._since is None:
            self._since, self._least = monotonic, value
        self._least = min(self._least, value)
        if monotonic - self._since < self._grace:
            return None
        self._told = True
        return self._verdict(monotonic, value, True)

    def _verdict(self, monotonic: float, value: float, holds: bool) -> Verdict:
        long = self._since is not None and monotonic - self._since >= 5 * self._grace
        why = f"at least {self._least:,.0f} for {monotonic - (self._since or monotonic):,.0f} s, and nobody holds them"
        return Verdict(
            Shape.FOREIGN, EXACT, 1e-6 if long else 0.01, self._since, value, self._least, evidence=(why,), holds=holds
        )
