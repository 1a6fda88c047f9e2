"""`steadycast history`: what a running host measured of itself, listed, and as a table for other programs."""

from __future__ import annotations

import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from steadycast.cli.client import Client
from steadycast.cli.lobby import all_items
from steadycast.cli.output import DEFAULT_URL as URL
from steadycast.cli.output import AsJson, Token, Url, ago, client, connect, failing, print_json, print_table
from steadycast.errors import ConfigError

_SPAN = re.compile(r"(\d{1,9})(s|m|h|d)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}

app = typer.Typer(help="What a running host measured of its processes and devices.")

Role = Annotated[str | None, typer.Option(help="Only of this owner: lobby:ID, egress:0, 'control plane', ...")]
Resource = Annotated[str | None, typer.Option(help="Only of this: memory.private, descriptors, threads, ...")]


@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    role: Role = None,
    resource: Resource = None,
    url: Url = URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Which series there are."""
    connect(context, url, token)
    if context.invoked_subcommand is not None:
        return
    with failing():
        series = all_items(client(context), "/api/v1/history", role=role, resource=resource)
    if as_json:
        names = ("role", "resource", "detail", "unit", "first", "last")
        print_json([{name: one[name] for name in names} for one in series])
        return
    rows = [(one["role"], ago(one["first"]), ago(one["last"]), one["resource"], one["detail"] or "-") for one in series]
    print_table(("role", "begun", "last", "resource", "of it"), rows, "Nothing was measured.")


@app.command()
def export(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; - is standard output.")],
    role: Role = None,
    resource: Resource = None,
    since: Annotated[str, typer.Option(help="How far back: 90s, 15m, 2h, 3d.")] = "1d",
    step: Annotated[Literal["seconds", "minutes", "hours"], typer.Option(help="Seconds: of some hours.")] = "minutes",
    form: Annotated[Literal["csv", "parquet"], typer.Option("--format", help="Parquet needs pyarrow there.")] = "csv",
) -> None:
    """A table: a row for each bucket with its lowest, median and highest value."""
    with failing():
        wanted = {"role": role, "resource": resource, "step": step, "format": form}
        wanted["since"] = str(time.time() - _seconds(since))
        _refuse_nothing(client(context), role, resource)
        count = _save(client(context), output, wanted)
    if str(output) != "-":
        print(f"{output}: {count:,} bytes.")


def _seconds(text: str) -> int:
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise ConfigError("history.since", f"--since {text!r} is no time.", hint="Write 90s, 15m, 2h or 3d.")
    return int(found[1]) * _SECONDS[found[2]]


def _refuse_nothing(host: Client, role: str | None, resource: str | None) -> None:
    if (role or resource) and not all_items(host, "/api/v1/history", role=role, resource=resource):
        named = " of ".join(filter(None, (resource, role)))
        raise ConfigError("history.nothing", f"Nothing was measured: {named}.", hint="`steadycast history` lists it.")


def _save(host: Client, output: Path, wanted: dict[str, Any]) -> int:
    """The number of bytes. A file is there as a whole or not at all."""
    if str(output) == "-":
        return host.save("/api/v1/history/export", sys.stdout.buffer, **wanted)
    begun = output.with_name(f"{output.name}.part")
    try:
        with begun.open("wb") as file:
            count = host.save("/api/v1/history/export", file, **wanted)
        begun.replace(output)
    except OSError as error:
        what = f"{output} cannot be written: {error.strerror}."
        raise ConfigError("history.output", what) from error
    finally:
        with suppress(OSError):
            begun.unlink(missing_ok=True)
    return count
