"""Finds literals in large blocks of bytes, hundreds at once, at the speed of numpy: most of a log holds none.

A literal of seven bytes or more, wherever it lies, covers one whole word of four bytes at an address divisible by four.
So a block is seen as such words, each is hashed into a table of bits, and only where a bit is set is anything compared.
Case is folded by one bit of each byte, which also makes a few signs equal: what is found may be too much, never too
little. Imported only where large blocks are read, as numpy takes its time to load.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steadycast.tracking.signatures.patterns import GRAM, LITERAL, rarity

_FOLD = 0x20202020
_FACTOR = 0x9E3779B1  # of Knuth's multiplicative hash
_SHIFT = 32 - 18  # 2^18 bytes of table stay in the cache of a core
_CHUNK = 1 << 14  # compared at once, so that the memory of a comparison is bounded
Positions = npt.NDArray[np.int64]


class Sieve:
    """Of a fixed list of literals (lower case, ASCII, at least LITERAL characters)."""

    def __init__(self, literals: Sequence[str]) -> None:
        self._folded = [np.frombuffer(text.encode("ascii"), np.uint8) | np.uint8(0x20) for text in literals]
        places: dict[int, list[tuple[int, int]]] = {}  # word -> literals that hold it, and where in them
        for number, text in enumerate(literals):
            begin = _rarest(text)
            for at in range(begin, begin + LITERAL - GRAM + 1):
                places.setdefault(_word(text[at : at + GRAM]), []).append((number, at))
        self._words = np.array(sorted(places), np.uint32)
        self._places = [places[int(word)] for word in self._words]
        self._table = np.zeros(1 << (32 - _SHIFT), np.bool_)
        self._table[_hashed(self._words)] = True

    def find(self, block: bytes) -> tuple[Positions, Positions]:
        """Positions in the block where literals begin, ascending, and the numbers of the literals."""
        count = len(block) // GRAM
        words = np.frombuffer(block, "<u4", count) | np.uint32(_FOLD)
        at = np.flatnonzero(self._table[_hashed(words)])
        if not at.size:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        found = words[at]
        which = np.searchsorted(self._words, found)
        which[which == len(self._words)] = 0
        true = self._words[which] == found
        return self._compared(np.frombuffer(block, np.uint8), at[true].astype(np.int64) * GRAM, which[true])

    def _compared(self, block: npt.NDArray[np.uint8], at: Positions, which: Positions) -> tuple[Positions, Positions]:
        order = np.argsort(which, kind="stable")
        at, which = at[order], which[order]
        kinds, begins = np.unique(which, return_index=True)
        positions: list[Positions] = []
        numbers: list[Positions] = []
        for kind, some in zip(kinds, np.split(at, begins[1:]), strict=True):
            for number, offset in self._places[int(kind)]:
                hits = _equal(block, some - offset, self._folded[number])
                positions.append(hits)
                numbers.append(np.full(len(hits), number, np.int64))
        where, who = np.concatenate(positions), np.concatenate(numbers)
        order = np.argsort(where, kind="stable")
        return where[order], who[order]


def _equal(block: npt.NDArray[np.uint8], starts: Positions, literal: npt.NDArray[np.uint8]) -> Positions:
    """Those of the places where the literal stands."""
    starts = starts[(starts >= 0) & (starts + len(literal) <= len(block))]
    # A few bytes far apart rule out most places before all are compared.
    for offset in (0, len(literal) - 1, len(literal) // 2):
        starts = starts[(block[starts + offset] | 0x20) == literal[offset]]
    offsets = np.arange(len(literal))
    kept = [
        some[((block[some[:, None] + offsets] | 0x20) == literal).all(axis=1)]
        for some in (starts[begin : begin + _CHUNK] for begin in range(0, len(starts), _CHUNK))
    ]
    return np.concatenate(kept) if kept else starts


def _hashed(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return (words * np.uint32(_FACTOR)) >> np.uint32(_SHIFT)


def _word(text: str) -> int:
    return int.from_bytes(text.encode("ascii"), "little") | _FOLD


def _rarest(text: str) -> int:
    """Where the seven characters begin that are least like what any log is full of; of equal ones the last."""
    return max(range(len(text) - LITERAL + 1), key=lambda at: (rarity(text[at : at + LITERAL]), at))
