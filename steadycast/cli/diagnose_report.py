"""How a diagnosis is told: a few short blocks for a person, one object for a program."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from steadycast.model import Remedy
from steadycast.tracking.signatures import Diagnosis

WIDEST, NARROWEST = 110, 50
EVIDENCE = 4  # lines shown to a person
LINE = 240  # characters of one
_LABEL = 13
_ADVICE = {
    Remedy.RETRY: "wait and try again",
    Remedy.FALLBACK: "use software for now",
    Remedy.RECYCLE: "replace the process",
    Remedy.DENY: "take no new work there",
    Remedy.GPU: "look after the device",
    Remedy.CONFIG: "change the setup",
    Remedy.BUG: "report it to the program",
    Remedy.LIMIT: "raise a limit",
    Remedy.NONE: "nothing by itself",
}
_COLOURS = {
    Remedy.GPU: "red",
    Remedy.LIMIT: "red",
    Remedy.RECYCLE: "red",
    Remedy.DENY: "yellow",
    Remedy.CONFIG: "yellow",
    Remedy.FALLBACK: "yellow",
}


def as_json(one: Diagnosis) -> dict[str, Any]:
    """Plain values; the fields are described in docs/diagnose.md."""
    plain = dataclasses.asdict(one)
    plain["remedy"] = one.remedy.value
    plain["sure"], plain["sure_words"] = round(one.sure, 2), one.words
    plain["remedy_sure"] = round(one.remedy_sure, 2)
    plain["alternatives"] = [
        {**item, "remedy": other.remedy.value, "sure": round(other.sure, 2), "sure_words": other.words}
        for item, other in zip(plain["alternatives"], one.alternatives, strict=True)
    ]
    return plain


class Report:
    """Prints to standard output in its width."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._width = max(NARROWEST, min(WIDEST, self._console.width))

    def diagnosis(self, one: Diagnosis, pid: int | None) -> None:
        """One incident: what, why, what to do, and the lines that say so. `pid`: whose facts were weighed."""
        colour = _COLOURS.get(one.remedy, "cyan")
        self._console.print(f"[bold {colour}]{escape(one.what)}[/]  [dim]{escape(_when(one))}[/]")
        self._block("what", one.meaning)
        if one.only_follow_ups:
            self._block("", "It only follows from something else, and that stands in no line that is known.")
        self._why(one)
        self._block("do", one.do, "bold")
        if one.alternatives and one.remedy_sure >= one.sure + 0.1:
            self._block("", f"({_ADVICE[one.remedy]}: that helps in {one.remedy_sure:.0%} of what it may be)")
        if one.mistaken_for:
            self._block("it is not", one.mistaken_for)
        if one.known:
            self._block("known", "; ".join(one.known))
        if one.unknown and one.sure < 0.9:
            told = " (--fact tells it)" if pid is not None else " (--pid PID reads it where it runs, --fact tells it)"
            self._block("not known", f"{'; '.join(one.unknown)}{told}")
        for at, command in enumerate(one.decide):
            self._block("to be sure" if at == 0 else "", _with_pid(command, pid or one.pid))
        for at, line in enumerate(one.evidence[:EVIDENCE]):
            times = f" ({line.times} times)" if line.times > 1 else ""
            text = line.text if len(line.text) <= LINE else f"{line.text[: LINE - 1]}…"
            self._block("lines" if at == 0 else "", f"{line.number}: {text}{times}", "dim")
        if (more := len(one.evidence) - EVIDENCE) > 0:
            self._block("", f"and {more} more kinds of lines that follow from it", "dim")
        self._console.print()

    def nothing(self, lines: int, sources: int, errors: Sequence[str]) -> None:
        """No line was recognised: what comes nearest to an error, so that somebody can look."""
        if not lines:
            self._console.print("There is not one line to read.")
            return
        where = "" if sources == 1 else f" of {sources} logs"
        self._console.print(f"Nothing is known in the {_lines(lines)}{where} that were read.")
        if errors:
            self._console.print("The last lines that look like an error:")
            for text in errors:
                self._block("", text, "dim")

    def summary(self, lines: int, shown: Sequence[Diagnosis], forgotten: int) -> None:
        """Above all of them."""
        kinds = "one kind" if len(shown) == 1 else f"{len(shown)} kinds"
        self._console.print(f"{_lines(lines)} read, {kinds} of trouble{', the worst first' if len(shown) > 1 else ''}.")
        if forgotten:
            self._console.print(f"[yellow]{forgotten} older kinds were forgotten: there were too many.[/]")
        self._console.print()

    def note(self, text: str) -> None:
        """A line about the reading itself."""
        self._console.print(f"[dim]{escape(text)}[/]")

    def _why(self, one: Diagnosis) -> None:
        self._block("why", f"{one.words} ({one.sure:.0%}): {one.why}")
        for other in one.alternatives[:3]:
            if other.sure >= 0.03:
                self._block("", f"{other.words} ({other.sure:.0%}): {other.what}")

    def _block(self, label: str, text: str, style: str = "") -> None:
        """A label and a text, wrapped under itself."""
        wrapped = textwrap.wrap(text, self._width - _LABEL, break_on_hyphens=False) or [""]
        for at, part in enumerate(wrapped):
            head = f"  {label if at == 0 else '':<{_LABEL - 2}}"
            body = f"[{style}]{escape(part)}[/]" if style else escape(part)
            self._console.print(f"[dim]{escape(head)}[/]{body}")


def _when(one: Diagnosis) -> str:
    source = "standard input" if one.source == "-" else one.source
    parts = [part for part in (source, one.process and _process(one)) if part]
    if one.first:
        parts.append(one.first if one.first == one.last or not one.last else f"{one.first} to {one.last}")
    parts.append(_lines(one.lines) if one.occurrences == 1 else f"{one.occurrences:,} times, {_lines(one.lines)}")
    return ", ".join(parts)


def _lines(count: int) -> str:
    return "one line" if count == 1 else f"{count:,} lines"


def _process(one: Diagnosis) -> str:
    return f"{one.process}[{one.pid}]" if one.pid else str(one.process)


def _with_pid(command: str, pid: int | None) -> str:
    return command if pid is None else command.replace("PID", str(pid))
