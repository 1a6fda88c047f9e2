"""Where nothing was recognised: the lines that most probably say what went wrong, of the last ones of a log."""

from __future__ import annotations

import re

from steadycast.tracking.signatures.line import read
from steadycast.tracking.signatures.masking import masked

KEPT = 1 << 18  # bytes of the end of a log
LINES = 8
CHARACTERS = 240
_GRAVE = re.compile(
    r"\b(?:panic|panicked|fatal|critical|segfault|abort(?:ed)?|assert(?:ion)?|emerg|alert|traceback)\b", re.I
)
_ERROR = re.compile(
    r"\b(?:error|err|exception|denied|refused|corrupt\w*|exhausted|unreachable|crash\w*|killed)\b", re.I
)
_FAILED = re.compile(
    r"\b(?:fail(?:ed|ure|s)?|cannot|can't|could not|unable|timed? ?out|invalid|lost|warn(?:ing)?)\b", re.I
)
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+", re.I)


class LastLines:
    """Keeps the end of a log, and finds in it what looks like an error."""

    def __init__(self) -> None:
        self._end = b""

    def feed(self, data: bytes) -> None:
        """The next piece of the log."""
        self._end = (self._end + data[-KEPT:])[-KEPT:]

    def errors(self) -> tuple[str, ...]:
        """The gravest, and of equally grave ones the newest, each kind of line once; in the order of the log."""
        best: dict[str, tuple[int, int, str]] = {}
        for number, raw in enumerate(self._end.splitlines()):
            text = read(raw[:4000]).text
            weight = _weight(text)
            if weight:
                best[_NUMBERS.sub("#", text)[:120]] = (weight, number, masked(text)[:CHARACTERS])
        chosen = sorted(best.values(), reverse=True)[:LINES]
        return tuple(text for _, _, text in sorted(chosen, key=lambda one: one[1]))


def _weight(text: str) -> int:
    return 3 if _GRAVE.search(text) else 2 if _ERROR.search(text) else 1 if _FAILED.search(text) else 0
