"""How commands speak: tables for people, JSON for programs, errors on standard error with an exit code."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.client import Client
from steadycast.errors import ConfigError, SteadycastError

FAILED = 1  # the host or this machine said no
USAGE = 2  # the command or the configuration must change

UNBOUND = 10_000  # columns
LAST = 12  # columns that the last column of a table wants at least
DEFAULT_URL = "http://127.0.0.1:8800"
Url = Annotated[str, typer.Option("--url", envvar="STEADYCAST_URL", help="Where the host is.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar=["STEADYCAST_TOKEN", "STEADYCAST_AUTH__TOKEN"],
        help="The host's token. Other users see command lines: better set the variable.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_STYLES = {
    "STREAMING": "green",
    "DEGRADED": "yellow",
    "CLEANUP_INCOMPLETE": "red",
    "watching": "green",
}


def connect(context: typer.Context, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Callback of a group: its commands find the host in `client(context)`."""
    with failing():
        context.obj = Client(url, token)


def client(context: typer.Context) -> Client:
    """The host that the group's options name."""
    assert isinstance(context.obj, Client)
    return context.obj


@contextmanager
def failing() -> Iterator[None]:
    """Our errors become a few lines on standard error and an exit code."""
    try:
        yield
    except SteadycastError as error:
        complain(error)
        raise typer.Exit(USAGE if isinstance(error, ConfigError) else FAILED) from None


def quiet() -> None:
    """What rooms log is not what a command prints: only errors are told, on standard error."""
    import structlog  # loads asyncio, which most commands do without

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def complain(error: SteadycastError) -> None:
    """What went wrong, why, and what to do."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[red]{escape(error.what)}[/] [dim]({escape(error.code)})[/]")
    for text in (error.why, error.hint):
        if text:
            console.print(f"  {escape(text)}")


def print_json(value: Any) -> None:
    """For programs: two spaces of indent, no colour."""
    print(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """For people; `empty` is said where there are no rows. What does not fit is folded, and nothing is cut: into a
    file or another program all of a row goes on one line."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNBOUND
    if not rows:
        console.print(empty)
        return
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False)
    widest = [max(len(str(cell)) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    fits = sum(widest[:-1]) + 2 * len(widest) + LAST <= console.width
    for column in columns:  # an id is copied as it stands, where there is room
        table.add_column(column, overflow="fold", no_wrap=fits and column != columns[-1])
    for row in rows:
        table.add_row(*(styled(cell) for cell in row))
    console.print(table)


def styled(cell: Any) -> str:
    """A cell as rich text; nothing in it is taken as markup."""
    text = "-" if cell is None else escape(str(cell))
    style = _STYLES.get(text)
    return f"[{style}]{text}[/]" if style else text


def ago(since: float) -> str:
    """How long ago a moment (Unix seconds) was, in the largest unit that fits."""
    seconds = max(0, int(time.time() - since))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
