"""Bytes of a log in, matches out: in bounded memory, whatever the bytes are and however they are cut.

Only lines with a literal of the table are looked at closer. Small pieces are searched literal by literal; large blocks
by the sieve. Where thousands of lines of one kind stand in a block (a storm), some are looked at, and the others
counted by what those were: if they all were the same, so are the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from steadycast.tracking.signatures.line import JSON_CHARACTERS, Line, read
from steadycast.tracking.signatures.masking import masked
from steadycast.tracking.signatures.table import Signature, Table

TEXT = 400  # characters of a line that are kept
LINE_BYTES = 1 << 16  # a line longer than this is looked at in pieces
BEFORE, AFTER = 1500, 2500  # bytes around a literal that make its line, at most
JOINED = 3  # lines that a wrapped one may have, on either side
SIEVE_FROM = 1 << 18  # bytes
STORM = 256  # lines of one kind in a block, of which only some are looked at
SAMPLE_FIRST, SAMPLE_REST = 96, 64

# journald exports a message with colours in it as a list of numbers, where no literal can be seen.
_ARRAY = '"message":['
_TIME = re.compile(rb"\d\d:\d\d:\d\d|\[\s{0,6}\d{1,9}\.\d{3,6}\]")
_WRAP = re.compile(rb"[ \t\r]{0,200}\n[ \t]{0,200}")
_Hit = tuple[int, int]  # position, number of the literal
Find = Callable[[bytes], Iterable[_Hit]]


@dataclass(frozen=True, slots=True)
class Match:
    """A line that a signature knows, its text masked and cut. `number` counts lines of the log from 1, `offset` bytes.

    `times`: how many lines it stands for (more than 1 only in a storm).
    """

    signature: Signature
    line: Line
    number: int
    offset: int
    times: int = 1
    source: str = ""


class Matcher:
    """One log, from its beginning. `feed` may be given any pieces; a line is looked at once its end is there.

    Memory: what was fed last, 70 KB, and the table. `year` is for time stamps that have none; `source` names the log in
    the matches.
    """

    def __init__(self, table: Table, *, year: int = 2000, source: str = "") -> None:
        self.lines = 0
        self.bytes = 0
        self._table = table
        self._owners = [*table.by_literal.values(), tuple(table.signatures.values())]
        self._literals = [*table.by_literal, _ARRAY]
        self._encoded = [literal.encode("ascii") for literal in self._literals]
        self._sieve: Find | None = None
        self._year = year
        self._source = source
        self._tail = b""  # looked at already: what a line may be the rest of
        self._pending = b""  # the beginning of a line

    def feed(self, data: bytes) -> list[Match]:
        """What is found in the lines that are whole now, in their order."""
        data = self._pending + data if self._pending else data
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > LINE_BYTES:
            cut = len(data) - AFTER  # an endless line: what its last bytes begin is found with the next piece
        self._pending = data[cut:]
        return self._looked(data[:cut])

    def finish(self) -> list[Match]:
        """The last line, which may have no end."""
        data, self._pending = self._pending, b""
        if data and not data.endswith(b"\n"):
            self.lines += 1
        return self._looked(data)

    def _looked(self, fresh: bytes) -> list[Match]:
        if not fresh:
            return []
        seen = len(self._tail)
        block = self._tail + fresh
        groups = _by_line(block, seen, self._hits(block, seen), self._encoded)
        found: list[tuple[int, Match]] = []
        for numbers, places in groups.items():
            found += self._of_kind(block, numbers, places)
        found.sort(key=lambda one: one[1].offset)
        matches = list(self._numbered(block, seen, found))
        self.lines += fresh.count(b"\n")
        self.bytes += len(fresh)
        self._tail = block[-(BEFORE + AFTER) :]
        return matches

    def _hits(self, block: bytes, seen: int) -> Iterable[_Hit]:
        """Places of literals that do not end in what was seen before."""
        if len(block) - seen >= SIEVE_FROM:
            if self._sieve is None:
                self._sieve = _sieve(self._literals)
            return self._sieve(block)
        return _plain(block, self._encoded)

    def _of_kind(self, block: bytes, numbers: frozenset[int], places: list[int]) -> list[tuple[int, Match]]:
        """Matches, each with the end of its line, of lines that hold the same literals."""
        some = dict.fromkeys(one for number in numbers for one in self._owners[number])
        among = tuple(some)
        if len(places) <= STORM:
            return self._inspected(block, places, among)
        step = max(1, (len(places) - SAMPLE_FIRST) // SAMPLE_REST)
        sample = places[:SAMPLE_FIRST] + places[SAMPLE_FIRST:-1:step] + places[-1:]
        found = self._inspected(block, sample, among)
        if not found:
            return []
        if len(found) < len(sample) or len({match.signature.id for _, match in found}) > 1:
            return self._inspected(block, places, among)
        end, last = found[-1]
        return [*found[:-1], (end, replace(last, times=1 + len(places) - len(sample)))]

    def _inspected(self, block: bytes, places: list[int], among: tuple[Signature, ...]) -> list[tuple[int, Match]]:
        found = []
        for place in places:
            begin, end = _line(block, place)
            line = read(_WRAP.sub(b" ", block[begin:end]), self._year)
            hit = self._table.best(line.text, among)
            if hit:
                signature, span = hit
                kept = replace(line, text=masked(_around(line.text, *span.span())))
                found.append((end, Match(signature, kept, 0, place, source=self._source)))
        return found

    def _numbered(self, block: bytes, seen: int, found: list[tuple[int, Match]]) -> Iterator[Match]:
        """With the numbers of their lines, and without lines that another has joined to itself."""
        counted, number, until, winner = 0, self.lines + 1 - block.count(b"\n", 0, seen), -1, ""
        for end, match in found:
            if match.offset < until and match.signature.id == winner:
                continue
            number += block.count(b"\n", counted, match.offset)
            counted, until, winner = match.offset, end, match.signature.id
            yield replace(match, number=number, offset=self.bytes - seen + match.offset)


def _plain(block: bytes, literals: list[bytes]) -> Iterator[_Hit]:
    low = block.lower()
    for number, literal in enumerate(literals):
        at = low.find(literal)
        while at >= 0:
            yield at, number
            at = low.find(literal, at + 1)


def _sieve(literals: list[str]) -> Find:
    from steadycast.tracking.signatures.sieve import Sieve  # numpy only where large blocks are read

    sieve = Sieve(literals)

    def find(block: bytes) -> Iterable[_Hit]:
        where, who = sieve.find(block)
        return zip(where.tolist(), who.tolist(), strict=True)

    return find


def _by_line(block: bytes, seen: int, hits: Iterable[_Hit], literals: list[bytes]) -> dict[frozenset[int], list[int]]:
    """Kinds of lines (which literals they hold), and for each line of a kind the place of its first literal."""
    lines: dict[int, tuple[int, set[int]]] = {}
    begin, end = 0, -1
    for at, number in sorted(hits):
        if at + len(literals[number]) <= seen:
            continue
        if at > end:
            begin = block.rfind(b"\n", max(0, at - LINE_BYTES), at) + 1
            end = block.find(b"\n", at)
            end = len(block) if end < 0 else end
        if begin not in lines or at - lines[begin][0] > AFTER:  # far on in an endless line: another one
            begin = begin if begin not in lines else at
            lines[begin] = (at, set())
        lines[begin][1].add(number)
    kinds: dict[frozenset[int], list[int]] = {}
    for place, numbers in lines.values():
        kinds.setdefault(frozenset(numbers), []).append(place)
    return kinds


def _line(block: bytes, place: int) -> tuple[int, int]:
    """Where the line around a place begins and ends, with the lines it was wrapped into."""
    begin = max(block.rfind(b"\n", 0, place) + 1, place - BEFORE)
    whole = block[begin : begin + 1] == b"{"
    end = _end(block, place, place + (JSON_CHARACTERS if whole else AFTER))
    for _ in range(JOINED):
        if not _is_rest(block, begin) or begin < 2:
            break
        begin = max(block.rfind(b"\n", 0, begin - 1) + 1, begin - BEFORE)
    for _ in range(JOINED):
        if not _is_rest(block, end + 1):
            break
        end = _end(block, end + 1, end + AFTER // JOINED)
    return begin, end


def _end(block: bytes, begin: int, until: int) -> int:
    end = block.find(b"\n", begin, until)
    return min(until, len(block)) if end < 0 else end


def _is_rest(block: bytes, begin: int) -> bool:
    """Whether a line belongs to the one before: it is indented, and has no time of its own."""
    return block[begin : begin + 1] in (b" ", b"\t") and not _TIME.search(block[begin : begin + 40])


def _around(text: str, begin: int, end: int) -> str:
    """The part of a long line that was recognised, with what stands before and after it."""
    if len(text) <= TEXT:
        return text
    start = 0 if end <= TEXT - 1 else max(0, min(begin - TEXT // 4, len(text) - TEXT))
    return f"{'…' if start else ''}{text[start : start + TEXT - 2]}{'…' if start + TEXT - 2 < len(text) else ''}"
