"""Finds literals in large blocks of bytes, hundreds at once, at the speed of numpy: most of a log holds none.

A literal of seven bytes or more, wherever it lies, covers one whole word of four bytes at an address divisible by four;
one of eleven covers two in a row. So a block is seen as such words, each is hashed into a table of bits, then each with
the next into another, and only where both bits are set is anything compared. Case is folded by one bit of each byte,
which also makes a few signs equal: what is found may be too much, never too little. Imported only where large blocks
are read, as numpy takes its time to load.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from steadycast.tracking.signatures.patterns import GRAM, LITERAL, rarity

_FOLD = 0x20202020
_FACTOR, _OTHER = 0x9E3779B1, 0x85EBCA6B  # multiplicative hashing: Knuth's, and one of MurmurHash3
_SHIFT = 32 - 18  # 2^18 bytes of table stay in the cache of a core
_CHUNK = 1 << 15  # words at once: what is computed of them stays in the cache too
_PAIR = LITERAL + GRAM  # characters that hold two whole words in a row
_PLAIN = 1000  # bytes of a line
_JOINS = np.frombuffer(b" \t{", np.uint8)  # how a line begins that is the rest of another, or JSON
Positions = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Kinds = list[tuple[tuple[int, ...], list[int]]]


class Sieve:
    """Of a fixed list of literals (lower case, ASCII, at least LITERAL characters)."""

    def __init__(self, literals: Sequence[str]) -> None:
        self._folded = [np.frombuffer(text.encode("ascii"), np.uint8) | np.uint8(0x20) for text in literals]
        places: dict[int, list[tuple[int, int, int | None]]] = {}  # word -> literals, where in them, the next word
        pairs: list[tuple[int, int]] = []
        alone: set[int] = set()  # words of literals that may be too short for a second
        for number, text in enumerate(literals):
            begin = _rarest(text)
            for at in range(begin, begin + LITERAL - GRAM + 1):
                word = _word(text[at : at + GRAM])
                following = _word(text[at + GRAM : at + 2 * GRAM]) if len(text) >= _PAIR else None
                places.setdefault(word, []).append((number, at, following))
                if following is None:
                    alone.add(word)
                else:
                    pairs.append((word, following))
        self._words = np.array(sorted(places), np.uint32)
        self._places = [places[int(word)] for word in self._words]
        self._alone = np.zeros(1 << (32 - _SHIFT), np.bool_)
        self._alone[_hashed(np.array(sorted(alone), np.uint32))] = True
        self._table = np.zeros(1 << (32 - _SHIFT), np.bool_)
        self._table[_hashed(self._words)] = True
        self._pairs = np.zeros(1 << (32 - _SHIFT), np.bool_)
        firsts, seconds = (np.array([pair[side] for pair in pairs], np.uint32) for side in (0, 1))
        self._pairs[_hashed_pair(firsts, seconds)] = True
        self._ends = np.empty(0, np.int64)
        self._marks = np.random.default_rng(0).integers(1, 1 << 62, len(literals), np.int64)

    def find(self, block: bytes) -> tuple[Positions, Positions]:
        """Positions in the block where literals begin, ascending, and the numbers of the literals."""
        words = np.frombuffer(block, "<u4", len(block) // GRAM)
        at = np.concatenate([self._candidates(words, begin) for begin in range(0, max(1, len(words)), _CHUNK)])
        found = words[at] | np.uint32(_FOLD)
        following = words.take(at + 1, mode="clip") | np.uint32(_FOLD)
        passed = self._alone[_hashed(found)] | self._pairs[_hashed_pair(found, following)]
        at, found, following = at[passed], found[passed], following[passed]
        which = np.minimum(np.searchsorted(self._words, found), len(self._words) - 1)
        true = self._words[which] == found
        if not true.any():
            return np.empty(0, np.int64), np.empty(0, np.int64)
        letters = np.frombuffer(block, np.uint8)
        return self._compared(letters, at[true].astype(np.int64) * GRAM, which[true], following[true])

    def _candidates(self, words: Words, begin: int) -> npt.NDArray[np.intp]:
        """Places of words of one chunk whose bit is set."""
        folded = words[begin : begin + _CHUNK] | np.uint32(_FOLD)
        return np.flatnonzero(self._table.take(_hashed(folded))) + begin

    def kinds(self, block: bytes, seen: int, long: int) -> Kinds:
        """Lines by the literals they hold: those, and for each such line the place of its first one.

        What ends in the first `seen` bytes is left out; a line longer than `long` counts as several."""
        where, who = self.find(block)
        lengths = np.array([len(one) for one in self._folded])
        new = where + lengths[who] > seen
        where, who = where[new], who[new]
        if not where.size:
            return []
        ends = self._ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
        line = np.searchsorted(ends, where)
        begins = np.where(line > 0, ends[np.maximum(line, 1) - 1] + 1 if ends.size else 0, 0)
        key = (line << 24) + (where - begins) // long
        order = np.argsort(key * len(lengths) + who, kind="stable")  # nearly in order already
        key, who, where = key[order], who[order], where[order]
        fresh = np.r_[True, (key[1:] != key[:-1]) | (who[1:] != who[:-1])]  # a literal twice in a line is once
        lines = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
        marks = np.add.reduceat(np.where(fresh, self._marks[who], 0), lines)
        places = np.minimum.reduceat(where, lines)
        _, first, kind = np.unique(marks, return_index=True, return_inverse=True)
        sides = np.r_[lines, len(key)]
        holders = [tuple(np.unique(who[sides[one] : sides[one + 1]]).tolist()) for one in first]
        order = np.argsort(kind, kind="stable")
        groups = np.split(places[order], np.cumsum(np.bincount(kind))[:-1])
        return [(holder, group.tolist()) for holder, group in zip(holders, groups, strict=True)]

    def spans(self, block: bytes, places: Sequence[int]) -> Iterable[tuple[int, int]]:
        """Where lines of the block that `kinds` saw last begin and end; (0, 0) for those to look at closer: long ones,
        JSON, and what may have been wrapped."""
        letters, at = np.frombuffer(block, np.uint8), np.array(places)
        line = np.searchsorted(self._ends, at)
        begins = np.where(line > 0, self._ends[line - 1] + 1, 0)
        ends = np.r_[self._ends, len(block)][line]
        first, following = letters[begins], letters[np.minimum(ends + 1, len(block) - 1)]
        plain = (ends - begins <= _PLAIN) & ~np.isin(first, _JOINS) & ~np.isin(following, _JOINS[:2])
        return zip(np.where(plain, begins, 0).tolist(), np.where(plain, ends, 0).tolist(), strict=True)

    def _compared(
        self, block: npt.NDArray[np.uint8], at: Positions, which: Positions, following: Words
    ) -> tuple[Positions, Positions]:
        order = np.argsort(which.astype(np.uint16), kind="stable")  # of 16 bits: by radix
        at, which, following = at[order], which[order], following[order]
        begins = np.flatnonzero(np.r_[True, which[1:] != which[:-1]])
        sides = np.r_[begins, len(which)]
        positions: list[Positions] = []
        numbers: list[Positions] = []
        for begin, end in zip(begins.tolist(), sides[1:].tolist(), strict=True):
            some, after = at[begin:end], following[begin:end]
            for number, offset, second in self._places[int(which[begin])]:
                starts = (some if second is None else some[after == second]) - offset
                hits = _equal(block, starts, self._folded[number], every=second is None)
                positions.append(hits)
                numbers.append(np.full(len(hits), number, np.int64))
        where, who = np.concatenate(positions), np.concatenate(numbers)
        order = np.argsort(where, kind="stable")
        return where[order], who[order]


def lines_in(data: bytes) -> int:
    """How many lines end in it."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == 10))


def _equal(
    block: npt.NDArray[np.uint8], starts: Positions, literal: npt.NDArray[np.uint8], *, every: bool
) -> Positions:
    """Those of the places where the literal stands. Of a long one, of which eight characters are equal already, only
    the first and the last are compared: whoever asks searches the line exactly."""
    starts = starts[(starts >= 0) & (starts + len(literal) <= len(block))]
    for offset in range(len(literal)) if every else (0, len(literal) - 1):
        if not starts.size:
            break
        starts = starts[(block[starts + offset] | 0x20) == literal[offset]]
    return starts


def _hashed(words: Words) -> Words:
    return (words * np.uint32(_FACTOR)) >> np.uint32(_SHIFT)


def _hashed_pair(words: Words, following: Words) -> Words:
    return ((words * np.uint32(_FACTOR)) ^ (following * np.uint32(_OTHER))) >> np.uint32(_SHIFT)


def _word(text: str) -> int:
    return int.from_bytes(text.encode("ascii"), "little") | _FOLD


def _rarest(text: str) -> int:
    """Where the characters begin that are least like what any log is full of; of equal ones the last."""
    length = _PAIR if len(text) >= _PAIR else LITERAL
    return max(range(len(text) - length + 1), key=lambda at: (rarity(text[at : at + length]), at))
