"""Which of the causes that a line may have it was, by what is known of the process and by the lines around it. Pure.

Each cause has a weight where nothing is known (its prior). Each fact that tells about it multiplies that by how much
better the cause explains the fact than its absence would, each line beside it likewise; then all sum to one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from steadycast.model.findings import Remedy
from steadycast.tracking.signatures.facts import Facts, Sign, signs
from steadycast.tracking.signatures.table import Signature, Told

LINE_ODDS, HINT_ODDS = 25.0, 4.0
FACTS_ARE_OLD = 120.0  # seconds between a line and a measurement, from which on it says less
OLD_POWER, UNTIMED_POWER = 0.5, 0.75
SURE = 0.98  # at most: a log is no proof
_WORDS = (
    (0.9, "almost certain"), (0.7, "likely"), (0.45, "probable"), (0.2, "possible"), (0.0, "unlikely"),
)  # fmt: skip
_NAMES = {
    Told.DESCRIPTORS: "its open descriptors and their limit",
    Told.VRAM: "free memory of the GPU",
    Told.BAR1: "free BAR1",
    Told.SESSIONS: "open encoder sessions and their cap",
    Told.RAM: "free memory of the machine or container",
    Told.FRESH: "whether it had worked before",
    Told.OLD: "whether it had worked before",
}


@dataclass(frozen=True, slots=True)
class Likely:
    """One cause and how sure it is (0 to 1). `ask` is what would decide."""

    what: str
    sure: float
    remedy: Remedy
    do: str
    ask: str | None = None

    @property
    def words(self) -> str:
        return in_words(self.sure)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Causes, the likeliest first; what was known (`used`) and what was not (`unknown`), in words."""

    ranked: tuple[Likely, ...]
    used: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def in_words(sure: float) -> str:
    """A probability as a word."""
    return next(word for least, word in _WORDS if sure >= least)


def weigh(signature: Signature, lines: Collection[str], facts: Facts | None, at: float | None = None) -> Weighed:
    """`lines` are ids of the other signatures of the incident; `at`: Unix time of the line where it is known."""
    if not signature.causes:
        only = Likely(signature.cause, signature.sure, signature.remedy, signature.do)
        return Weighed((only,))
    known = {} if facts is None else _aged(signs(facts), facts.at, at)
    weights = []
    for cause in signature.causes:
        weight = cause.prior
        if cause.told in known:
            weight *= known[cause.told].odds
        if any(_is_of(line, kind) for line in lines for kind in cause.lines):
            weight *= LINE_ODDS
        elif any(_is_of(line, kind) for line in lines for kind in cause.hints):
            weight *= HINT_ODDS
        weights.append(weight)
    total = sum(weights)
    ranked = sorted(zip(weights, signature.causes, strict=True), key=lambda one: -one[0])
    likely = tuple(
        Likely(c.what, min(SURE, w / total), c.remedy, c.do, None if c.told in known else c.ask) for w, c in ranked
    )
    used = tuple(dict.fromkeys(known[told].words for told in signature.weighs if told in known))
    unknown = tuple(dict.fromkeys(_NAMES[told] for told in signature.weighs if told not in known))
    return Weighed(likely, used, unknown)


def _is_of(line: str, kind: str) -> bool:
    return line.startswith(kind) if kind.endswith(".") else line == kind


def _aged(known: Mapping[Told, Sign], measured: float | None, at: float | None) -> dict[Told, Sign]:
    """A measurement long after the line (or before it) says half as much: what was full may be empty since. Where the
    line has no time, it is between the two."""
    if measured is None or (at is not None and abs(measured - at) <= FACTS_ARE_OLD):
        return dict(known)
    note = "now" if at is None else f"{_span(abs(measured - at))} {'later' if measured > at else 'before'}"
    power = UNTIMED_POWER if at is None else OLD_POWER
    return {told: Sign(sign.odds**power, f"{sign.words} ({note})") for told, sign in known.items()}


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} seconds"
