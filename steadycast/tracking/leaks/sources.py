"""Likely sources of a growth, ranked, each with its evidence in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from steadycast.model.findings import Suspicion
from steadycast.model.series import Measured, Unit, unit_of
from steadycast.tracking.leaks.meanings import MEANINGS, Meaning, fits
from steadycast.tracking.leaks.verdicts import Verdict
from steadycast.tracking.leaks.words import amount, noun

MOST = 4  # suspicions
_SURE = 0.95  # what they sum to at most: something else is always possible
_LOG = 0.9  # weight of what the log said
_TOLD = 6  # lines of evidence for one


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one growth: verdicts by series (of the owner, that grow together), all series that are followed
    of it, what its log said (name and meaning), and what receipts of it left."""

    growing: Mapping[Measured, Verdict]
    followed: Collection[Measured]
    signatures: Sequence[tuple[str, str]] = ()
    residue: Sequence[str] = ()


def sources(facts: Facts) -> tuple[Suspicion, ...]:
    """Best first; weights sum to at most 0.95."""
    found = [(_weight(one), one) for one in MEANINGS if _applies(one, facts)]
    found.sort(key=lambda one: -one[0])
    raw: list[tuple[float, str, tuple[str, ...]]] = []
    for name, says in facts.signatures[:MOST]:
        raw.append((_LOG, says, (f"its log said so: {name}",)))
    covered: set[Measured] = set()
    named = {one.resource for one in facts.growing if one.detail}
    for weight, meaning in found:
        mine = [
            one
            for one in facts.growing
            if any(fits(wanted, one) for wanted in meaning.grow) and (one.detail or one.resource not in named)
        ]
        if any(what == meaning.says for _, what, _ in raw):
            continue
        # A row that explains only what a better one explained already says less than it seems to.
        new = bool(set(mine) - covered)
        if not new and not any(pattern for _, pattern in meaning.grow):
            continue
        covered.update(mine)
        raw.append((weight if new else weight / 4, _sentence(meaning, facts, mine), _evidence(facts, mine)))
    raw.sort(key=lambda one: -one[0])
    raw = raw[:MOST]
    total = sum(weight**2 for weight, _, _ in raw)
    return tuple(
        Suspicion(what, round(min(weight, 1.0) * _SURE * weight / max(total, weight), 3), evidence)
        for weight, what, evidence in raw
    )


def keeps(growing: Mapping[Measured, Verdict]) -> str | None:
    """`each rendition leaves 14.0 descriptors (/dev/nvidia0) and 1.0 threads (cuda-EvtHandlr)`; None without cycles."""
    parts, kind = [], None
    for measured, verdict in growing.items():
        if verdict.per_cycle is None or verdict.cycle is None or (kind is not None and verdict.cycle != kind):
            continue
        kind = verdict.cycle
        unit = unit_of(measured.resource)
        of = "of " if unit is Unit.BYTES else ""
        parts.append(f"{amount(verdict.per_cycle.value, unit)} {of}{noun(measured)}")
    if kind is None:
        return None
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:4])}".rpartition(", ")
    return f"each {kind} leaves {text if isinstance(text, str) else f'{text[0]} and {text[2]}'}"


def _applies(meaning: Meaning, facts: Facts) -> bool:
    grows = all(any(fits(wanted, one) for one in facts.growing) for wanted in meaning.grow)
    return grows and not any(fits(wanted, one) for wanted in meaning.still for one in facts.growing)


def _weight(meaning: Meaning) -> float:
    """A row that needs more to grow is the more specific one."""
    specific = sum(1 for _, pattern in meaning.grow if pattern)
    return meaning.weight * (1 + 0.5 * (len(meaning.grow) - 1) + 0.1 * specific)


def _sentence(meaning: Meaning, facts: Facts, mine: Sequence[Measured]) -> str:
    leaves = keeps({one: facts.growing[one] for one in mine})
    return f"{leaves}: {meaning.says}" if leaves else meaning.says


def _evidence(facts: Facts, mine: Sequence[Measured]) -> tuple[str, ...]:
    lines = []
    if len(mine) > 1:
        lines.append(f"grew together: {', '.join(noun(one) for one in mine[:_TOLD])}")
    for one in mine[:2]:
        verdict = facts.growing[one]
        if verdict.cycle is not None:
            lines.append(f"grew with each {verdict.cycle} that ended: {noun(one)}")
    still = sorted({one.resource for one in facts.followed} - {one.resource for one in facts.growing})
    if still:
        lines.append(f"did not grow: {', '.join(noun(Measured(one)) for one in still[:_TOLD])}")
    lines += [f"a receipt shows what stayed: {line}" for line in facts.residue[:2]]
    return tuple(lines[:_TOLD])
