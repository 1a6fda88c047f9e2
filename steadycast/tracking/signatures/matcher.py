"""Bytes of a log in, matches out: in bounded memory, whatever the bytes are and however they are cut.

Only lines with a literal of the table are looked at closer. Small pieces are searched literal by literal; large blocks
by the sieve. Where many lines of one kind stand in a large block (a storm), some are looked at, and the others counted
by what those were: if they all were the same, so are the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from steadycast.tracking.signatures.line import JSON_CHARACTERS, Line, clean, parsed
from steadycast.tracking.signatures.masking import masked
from steadycast.tracking.signatures.table import Candidate, Signature, Table
from steadycast.tracking.signatures.verdicts import Verdicts

if TYPE_CHECKING:
    from steadycast.tracking.signatures.sieve import Sieve

TEXT = 400  # characters of a line that are kept
LINE_BYTES = 1 << 16  # a line longer than this is looked at in pieces
BEFORE, AFTER = 1500, 2500  # bytes around a literal that make its line, at most
JOINED = 3  # lines that a wrapped one may have, on either side
SIEVE_FROM = 1 << 18  # bytes
STORM = 24  # lines of one kind in a large block, from which on only some are looked at
SAMPLE_FIRST, SAMPLE_REST = 8, 8

# journald exports a message with colours in it as a list of numbers, where no literal can be seen.
_ARRAYS = ('"message":[', '"message": [')
_TIME = re.compile(rb"\d\d:\d\d:\d\d|\[\s{0,6}\d{1,9}\.\d{3,6}\]")
_WRAP = re.compile(rb"[ \t\r]{0,200}\n[ \t]{0,200}")
_Kinds = Iterable[tuple[Iterable[int], list[int]]]  # numbers of literals, and where lines are that hold just these


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


class _Found(NamedTuple):
    """A line that matched, in a block: the place of its literal, its end, and what of its text was recognised."""

    place: int
    end: int
    signature: Signature
    line: Line
    span: tuple[int, int]
    times: int


class Matcher:
    """One log, from its beginning. `feed` may be given any pieces; a line is looked at once its end is there.

    Memory: what was fed last, 70 KB, and the table. `year` is for time stamps that have none; `source` names the log in
    the matches.
    """

    def __init__(self, table: Table, *, year: int = 2000, source: str = "") -> None:
        self.lines = 0
        self.bytes = 0
        self._table = table
        self._owners = [*table.by_literal.values(), *(table.candidates for _ in _ARRAYS)]
        self._literals = [*table.by_literal, *_ARRAYS]
        self._encoded = [literal.encode("ascii") for literal in self._literals]
        self._sieve: Sieve | None = None
        self._verdicts = Verdicts()
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

    @property
    def waiting(self) -> int:
        """Bytes of a line whose end was not fed yet."""
        return len(self._pending)

    def _looked(self, fresh: bytes) -> list[Match]:
        if not fresh:
            return []
        seen = len(self._tail)
        block = self._tail + fresh
        found: list[_Found] = []
        for numbers, places in self._kinds(block, seen):
            found += self._of_kind(block, numbers, places)
        found.sort(key=lambda one: one.place)
        matches = list(self._numbered(block, seen, found))
        self.lines += _newlines(fresh)
        self.bytes += len(fresh)
        self._tail = block[-(BEFORE + AFTER) :]
        return matches

    def _kinds(self, block: bytes, seen: int) -> _Kinds:
        """Without what ends in the bytes that were seen before."""
        if len(block) < SIEVE_FROM:
            return by_line(block, seen, self._encoded)
        if self._sieve is None:
            from steadycast.tracking.signatures.sieve import Sieve  # numpy only where large blocks are read

            self._sieve = Sieve(self._literals)
        return self._sieve.kinds(block, seen, AFTER)

    def _of_kind(self, block: bytes, numbers: Iterable[int], places: list[int]) -> list[_Found]:
        """Matches of lines that hold the same literals."""
        among = tuple(dict.fromkeys(one for number in numbers for one in self._owners[number]))
        kind = tuple(sorted(numbers))
        if len(places) <= STORM or len(block) < SIEVE_FROM:
            return self._inspected(block, places, kind, among)
        step = max(1, (len(places) - SAMPLE_FIRST) // SAMPLE_REST)
        sample = places[:SAMPLE_FIRST] + places[SAMPLE_FIRST:-1:step] + places[-1:]
        found = self._inspected(block, sample, kind, among)
        if len(found) < len(sample) or len({one.signature.id for one in found}) > 1:
            return self._inspected(block, places, kind, among)
        found[-1] = found[-1]._replace(times=1 + len(places) - len(sample))
        return found

    def _inspected(
        self, block: bytes, places: list[int], kind: tuple[int, ...], among: tuple[Candidate, ...]
    ) -> list[_Found]:
        found = []
        is_large = self._sieve is not None and len(places) > STORM and len(block) >= SIEVE_FROM
        spans = self._sieve.spans(block, places) if self._sieve is not None and is_large else repeat((0, 0))
        for place, (begin, end) in zip(places, spans, strict=False):
            if end:
                raw = block[begin:end]
            else:
                begin, end = _line(block, place)
                raw = block[begin:end]
                if b"\n" in raw:
                    raw = _WRAP.sub(b" ", raw)
            hit = self._judged(raw, kind, among)
            if hit is not None:
                found.append(_Found(place, end, *hit, 1))
        return found

    def _judged(
        self, raw: bytes, kind: tuple[int, ...], among: tuple[Candidate, ...]
    ) -> tuple[Signature, Line, tuple[int, int]] | None:
        verdicts = self._verdicts
        shape = verdicts.shape(kind, raw, among)
        verdict = verdicts.of(shape)
        if verdict is None:
            return None
        if verdict:
            among = tuple(one for one in among if one[0] is verdict)
        text = clean(raw.decode("utf-8", "replace"))
        hit, is_wrapped = None, text[:1] == "{"
        if not is_wrapped:
            hit = self._table.best(text, among)
            if hit is None:
                verdicts.keep(shape, None)
                return None  # most lines that only hold a literal end here, before they are taken apart
        line = parsed(text, self._year)
        if is_wrapped or line.text != text:
            hit = self._table.best(line.text, among)
        if not verdict:
            verdicts.keep(shape, hit[0] if hit else None)
        return (hit[0], line, hit[1].span()) if hit else None

    def _numbered(self, block: bytes, seen: int, found: list[_Found]) -> Iterator[Match]:
        """With the numbers of their lines, and without lines that another has joined to itself."""
        counted, number, until, winner = 0, self.lines + 1 - block.count(b"\n", 0, seen), -1, ""
        for one in found:
            if one.place < until and one.signature.id == winner:
                continue
            number += block.count(b"\n", counted, one.place)
            counted, until, winner = one.place, one.end, one.signature.id
            line = one.line
            line = Line(
                masked(_around(line.text, *one.span)), line.at, line.stamp, line.dated, line.zoned, line.process,
                line.pid, line.kernel,
            )  # fmt: skip
            yield Match(one.signature, line, number, self.bytes - seen + one.place, one.times, self._source)


def _newlines(data: bytes) -> int:
    if len(data) < SIEVE_FROM:
        return data.count(b"\n")
    from steadycast.tracking.signatures.sieve import lines_in

    return lines_in(data)


def by_line(block: bytes, seen: int, literals: list[bytes]) -> _Kinds:
    """As the sieve does it, for small blocks and without numpy."""
    low = block.lower()
    lines: dict[tuple[int, int], tuple[int, set[int]]] = {}
    for number, literal in enumerate(literals):
        at = low.find(literal, max(0, seen - len(literal) + 1))
        while at >= 0:
            begin = low.rfind(b"\n", max(0, at - LINE_BYTES), at) + 1
            key = begin, (at - begin) // AFTER
            place, numbers = lines.get(key, (at, set()))
            numbers.add(number)
            lines[key] = min(at, place), numbers
            at = low.find(literal, at + 1)
    kinds: dict[frozenset[int], list[int]] = {}
    for place, numbers in lines.values():
        kinds.setdefault(frozenset(numbers), []).append(place)
    return [(numbers, sorted(places)) for numbers, places in kinds.items()]


def _line(block: bytes, place: int) -> tuple[int, int]:
    """Where the line around a place begins and ends, with the lines it was wrapped into."""
    start = block.rfind(b"\n", max(0, place - LINE_BYTES), place) + 1
    whole = block[start : start + 1] == b"{"
    begin = start if whole else max(start, place - BEFORE)
    end = _end(block, place, place + (JSON_CHARACTERS if whole else AFTER))
    for _ in range(JOINED):
        if not _is_rest(block, begin) or begin < 2:
            break
        floor = max(0, begin - BEFORE)
        begin = max(block.rfind(b"\n", floor, begin - 1) + 1, floor)
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
