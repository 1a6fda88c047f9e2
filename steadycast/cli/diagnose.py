"""`steadycast diagnose`: what the lines of any server's log really mean, why probably, and what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steadycast.cli.diagnose_given import given, merged
from steadycast.cli.diagnose_report import Report, as_json
from steadycast.cli.diagnose_watch import follow_coming, follow_files
from steadycast.cli.log_files import Journal, Piece, Piped, blocks
from steadycast.cli.output import USAGE, complain, print_json
from steadycast.errors import CallerError, SteadycastError
from steadycast.tracking.signatures import Diagnosis, Facts, Incidents, Match, Matcher, Table, load_table
from steadycast.tracking.signatures.unknown import LastLines

if TYPE_CHECKING:
    from steadycast.cli.diagnose_facts import ProcessFacts

FOUND = 1


def diagnose(  # noqa: PLR0913 - one parameter an option
    files: Annotated[list[str] | None, typer.Argument(help="Logs, also .gz; - is standard input.")] = None,
    unit: Annotated[str | None, typer.Option(help="Read the journal of this systemd unit.")] = None,
    since: Annotated[str | None, typer.Option(help="With --unit: from then on, as journalctl takes it.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    wait: Annotated[float, typer.Option(help="With --follow: seconds to wait for a file that is not there.")] = 60.0,
    pid: Annotated[
        int | None, typer.Option(help="The running process: its limits and memory are weighed. --unit finds its own.")
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What was true then: descriptors=1020/1024, sessions=8/8, vram=200MiB/8GiB, new=yes.",
        ),
    ] = None,
    signatures: Annotated[list[Path] | None, typer.Option(help="A TOML file of your own signatures.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first, not the worst.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object; with --follow one a line.")] = False,
) -> None:
    """Say what went wrong in a server's log, why, how sure that is, and what to do. It needs no running host.

    Exit code 0: nothing was recognised; 1: something was; 2: the log could not be read.
    """
    with _failing():
        if (unit is None) == (not files):
            raise typer.BadParameter("name logs (- is standard input), or a unit with --unit")
        if follow and files and "-" in files and len(files) > 1:
            raise typer.BadParameter("standard input is followed alone")
        reading = Reading(
            load_table(signatures or ()), _process(pid, unit, live=follow), given(fact or ()), as_json=json_
        )
        if follow:
            if unit is not None:
                coming: Journal | Piped = Journal(unit, since, follow=True)
                follow_coming(reading.matcher(unit), reading.incidents, reading.tell, coming)
            elif files == ["-"]:
                follow_coming(reading.matcher("-"), reading.incidents, reading.tell, Piped())
            else:
                follow_files(files or (), reading.matcher, reading.incidents, reading.tell, wait, reading.caught_up)
        else:
            reading.read(_journal(unit, since) if unit is not None else _pieces(files or ()))
            reading.say(newest=newest)
        raise typer.Exit(FOUND if reading.found else 0)


class Reading:
    """What was read so far, and how it is told."""

    def __init__(self, table: Table, process: ProcessFacts | None, said: Facts, *, as_json: bool) -> None:
        self.incidents = Incidents(self._look)
        self._table = table
        self._process = process
        self._said = said
        self._as_json = as_json
        self._matchers: dict[str, Matcher] = {}
        self._last = LastLines()
        self._report = Report()
        self._told = 0

    @property
    def found(self) -> bool:
        return bool(self._told or self.incidents.diagnoses())

    def matcher(self, source: str) -> Matcher:
        """One a log."""
        if source not in self._matchers:
            self._matchers[source] = Matcher(self._table, year=time.gmtime().tm_year, source=source)
        return self._matchers[source]

    def read(self, pieces: Iterator[Piece]) -> None:
        """To the end, or until it is interrupted."""
        before = None
        with suppress(KeyboardInterrupt):
            for source, data in pieces:
                if before not in (None, source):
                    self._take(self.matcher(str(before)), b"")
                before = source
                self._last.feed(data)
                self._take(self.matcher(source), data)
        if before is not None:
            self._take(self.matcher(before), b"")

    def say(self, *, newest: bool) -> None:
        """All of it."""
        shown = sorted(self.incidents.diagnoses(), key=lambda one: (one.badness, -one.sure, -one.lines))
        if newest:
            shown.sort(key=lambda one: one.id, reverse=True)
        lines = sum(one.lines for one in self._matchers.values())
        errors = () if shown else self._last.errors()
        if self._as_json:
            print_json({
                "lines": lines, "bytes": sum(one.bytes for one in self._matchers.values()),
                "logs": list(self._matchers), "forgotten": self.incidents.forgotten,
                "diagnoses": [as_json(one) for one in shown], "errors": list(errors),
            })  # fmt: skip
            return
        if not shown:
            self._report.nothing(lines, len(self._matchers), errors)
            return
        self._report.summary(lines, shown, self.incidents.forgotten)
        for one in shown:
            self._report.diagnosis(one, None if self._process is None else self._process.pid)
        if self._process is not None and self._process.left_out:
            began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._process.began))
            self._report.note(f"Lines from before {began}, when the process began, were weighed without its facts.")

    def tell(self, one: Diagnosis | str) -> None:
        """While a log is followed: a diagnosis, or a note about the reading."""
        if isinstance(one, str):
            if not self._as_json:
                self._report.note(one)
            return
        self._told += 1
        if self._as_json:
            print(json.dumps(as_json(one)), flush=True)
        else:
            self._report.diagnosis(one, None if self._process is None else self._process.pid)

    def caught_up(self) -> None:
        """What is read from now on is written now."""
        if self._process is not None:
            self._process.is_now = True

    def _look(self, match: Match) -> Facts:
        read = None if self._process is None else self._process.of(match)
        return self._said if read is None else merged(self._said, read)

    def _take(self, matcher: Matcher, data: bytes) -> None:
        """The next piece of a log; an empty one ends it."""
        for match in matcher.feed(data) if data else matcher.finish():
            self.incidents.add(match)


def _process(pid: int | None, unit: str | None, *, live: bool) -> ProcessFacts | None:
    if pid is None and unit is None:
        return None
    from steadycast.cli.diagnose_facts import ProcessFacts, main_pid  # reads drivers, too: not without need

    if pid is None and unit is not None:
        pid = main_pid(unit)
        if pid is None or not Path(f"/proc/{pid}").exists():
            return None
    assert pid is not None
    return ProcessFacts(pid, live=live)


def _pieces(files: Sequence[str]) -> Iterator[Piece]:
    for path in dict.fromkeys(files):
        for data in blocks(path):
            yield path, data


def _journal(unit: str, since: str | None) -> Iterator[Piece]:
    journal, is_empty = Journal(unit, since, follow=False), True
    try:
        while (data := journal.read(60.0)) is not None:
            is_empty = is_empty and not data
            yield unit, data
    finally:
        journal.close()
    if is_empty:
        raise CallerError(
            "diagnose.no_lines", f"The journal has no line of {unit}{' since then' if since else ''}.",
            hint="Is its name right (systemctl list-units), and may you read it (group systemd-journal, or root)?",
        )  # fmt: skip


@contextmanager
def _failing() -> Iterator[None]:
    """Whatever keeps it from reading is exit code 2, as 1 means that something was found."""
    try:
        yield
    except SteadycastError as error:
        complain(error)
        raise typer.Exit(USAGE) from None
