"""What is said of an incident: frozen data, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.model.findings import Remedy
from steadycast.tracking.signatures.weighing import Likely, in_words

_WORST = (
    Remedy.GPU, Remedy.LIMIT, Remedy.RECYCLE, Remedy.DENY, Remedy.CONFIG, Remedy.FALLBACK, Remedy.BUG, Remedy.RETRY,
    Remedy.NONE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line of the log, masked and cut, and the signature that knows it. `times` counts lines of this kind."""

    signature: str
    name: str
    text: str
    number: int
    stamp: str | None
    follows: bool
    times: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What happened, why, how sure that is (0 to 1), and what to do.

    `id` stays the same while an incident grows and comes again; `signature` may change with what is learnt.
    `occurrences` counts incidents of this kind, `lines` all their lines. `first` and `last` are time stamps as they
    were written, `at` and `last_at` in Unix seconds where the log told a date. `known` are facts that were weighed,
    `unknown` those that would have helped; `decide` says what to run or look at to be sure. `remedy` is the one that
    most of the possible causes ask for (by their weight: `remedy_sure`), `why` the likeliest single cause. `absorbed`
    is the id of one that turned out to be another occurrence of this: it is no diagnosis of its own any more.
    """

    id: int
    signature: str
    system: str
    what: str
    meaning: str
    why: str
    sure: float
    remedy: Remedy
    remedy_sure: float
    do: str
    evidence: tuple[Evidence, ...]
    first: str | None
    last: str | None
    at: float | None
    last_at: float | None
    occurrences: int
    lines: int
    source: str
    process: str | None
    pid: int | None
    alternatives: tuple[Likely, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    decide: tuple[str, ...]
    mistaken_for: str | None
    reference: str
    only_follow_ups: bool
    absorbed: int | None = None

    @property
    def words(self) -> str:
        """How sure, as a word."""
        return in_words(self.sure)

    @property
    def badness(self) -> int:
        """The less, the worse: to sort by."""
        return _WORST.index(self.remedy)
