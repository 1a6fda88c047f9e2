"""`steadycast analyze FILE`: judge what was recorded before, by `steadycast watch` or by any other tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from steadycast.cli.output import AsJson, failing, print_json
from steadycast.errors import ConfigError

FOUND = 1
MANY = 24  # columns, of which those are not named that tell nothing
_QUIET = ("nothing", "too short")
_STYLES = {"leaks": "bold red", "suspect": "yellow", "leaked": "red", "too short": "dim"}
Columns = Annotated[
    list[str] | None,
    typer.Option("--load", metavar="COLUMN", help="A column of a CSV that tells how many it served. `none`: no such."),
]


def analyze(
    file: Annotated[Path, typer.Argument(help="A record of `watch`, or a CSV of any tool (.gz as well).")],
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of times of a CSV.")] = None,
    load: Columns = None,
    cycles: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of a CSV that counts what came and went.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what leaks in a record or a CSV file, how fast, since when. Needs no running host.

    A CSV has a first line with names, a column of times and columns of values.

    Exit code 0: nothing is confirmed; 1: something leaks; 2: the file or the options are no good.
    """
    from steadycast.watching.watch.record import is_recording

    with failing():
        if is_recording(file):
            if time or load or cycles:
                raise ConfigError("analyze.options", "--time, --load and --cycles are for CSV files; this is a record.")
            leaks = _record(file, as_json=as_json)
        else:
            leaks = _table(file, time, load or [], cycles, as_json=as_json)
    raise typer.Exit(FOUND if leaks else 0)


def _table(file: Path, time: str | None, load: list[str], cycles: str | None, *, as_json: bool) -> bool:
    from steadycast.watching.watch.analysis import analyse_table, table_plain, told
    from steadycast.watching.watch.display import Paper

    found = analyse_table(file, time, load, cycles)
    if as_json:
        print_json(table_plain(found))
        return found.confirmed > 0
    console = Paper(highlight=False)
    many = len(found.columns) > MANY
    quiet = [one.verdict for one in found.columns if many and one.verdict in _QUIET]
    for one in found.columns:
        if many and one.verdict in _QUIET:
            continue
        head, *rest = told(found, one)
        _print(console, f"{one.judged.name}: {head}", _STYLES.get(one.verdict, ""))
        for line in rest:
            _print(console, f"  {line}", "dim")
    if quiet:
        short = quiet.count("too short")
        words = [f"nothing found in {len(quiet) - short} series"] if short < len(quiet) else []
        words += [f"{short} series are too short to tell"] if short else []
        _print(console, "; ".join(words), "")
    for note in found.notes:
        _print(console, note, "dim")
    return found.confirmed > 0


def _record(file: Path, *, as_json: bool) -> bool:
    from steadycast.watching.watch.display import Paper
    from steadycast.watching.watch.replay import replay

    found = replay(file)
    if as_json:
        print_json(found.plain())
    else:
        console = Paper(highlight=False)
        for text, style in found.told():
            _print(console, text, style)
    return found.confirmed > 0


def _print(console: Console, text: str, style: str) -> None:
    from steadycast.watching.watch.words import wrapped

    for line in wrapped(text, console.width):
        console.print(Text(line, style=style), soft_wrap=True)
