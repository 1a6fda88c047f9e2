"""What lines of one shape turned out to be, so that a storm of them is not searched line by line.

A shape is a line without its leading time stamp or, where none of the patterns that may match reads digits, with all
digits taken as one. So two lines of one shape are the same thing to every pattern.
"""

from __future__ import annotations

import re
from typing import Literal

from steadycast.tracking.signatures.patterns import reads_digits
from steadycast.tracking.signatures.table import Candidate, Signature

SHAPES = 4096  # that are remembered; all are forgotten when there are more
LONGEST = 600  # bytes of a line that is remembered
_STAMP = re.compile(
    rb"[\[<(]{0,2}(?:\d{4}[-/:]\d\d[-/:]\d\d[T :])?\d{1,4}:\d\d:\d\d(?:[.,:]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
)
_DIGITS = bytes.maketrans(b"0123456789", b"0000000000")
_Shape = tuple[object, bytes]


class Verdicts:
    """Bounded: about 3 MB at most."""

    def __init__(self) -> None:
        self._known: dict[_Shape, Signature | None] = {}
        self._reads: dict[object, bool] = {}  # by kind

    def shape(self, kind: object, raw: bytes, among: tuple[Candidate, ...]) -> _Shape | None:
        """`kind` stands for the patterns that may match. None: a line that is not remembered (JSON, or too long)."""
        if len(raw) > LONGEST or raw[:1] == b"{":
            return None
        reads = self._reads.get(kind)
        if reads is None:
            reads = self._reads[kind] = any(reads_digits(pattern.pattern) for _, pattern in among)
        if reads:
            stamp = _STAMP.match(raw)
            return kind, raw[stamp.end() :] if stamp else raw
        return kind, raw.translate(_DIGITS)

    def of(self, shape: _Shape | None) -> Signature | Literal[False] | None:
        """False: it is not known."""
        return False if shape is None else self._known.get(shape, False)

    def keep(self, shape: _Shape | None, verdict: Signature | None) -> None:
        if shape is None:
            return
        if len(self._known) >= SHAPES:
            self._known.clear()
            self._reads.clear()
        self._known[shape] = verdict
