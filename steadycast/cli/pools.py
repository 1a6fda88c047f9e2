"""`steadycast pools`: what a running host keeps for the next who wants it."""

from __future__ import annotations

from typing import Any

import typer

from steadycast.cli.lobby import all_items
from steadycast.cli.output import DEFAULT_URL as URL
from steadycast.cli.output import AsJson, Token, Url, client, connect, failing, print_json, print_table

app = typer.Typer(help="What a running host keeps for the next: spare workers, parked encoders, buffers.")
_COLUMNS = ("pool", "lent", "ready", "of", "most", "waiting", "made", "reused", "at once", "evicted")


@app.callback(invoke_without_command=True)
def list_(context: typer.Context, url: Url = URL, token: Token = None, as_json: AsJson = False) -> None:
    """What is kept, and how often that helped."""
    connect(context, url, token)
    with failing():
        pools = all_items(client(context), "/api/v1/pools")
    if as_json:
        print_json(pools)
        return
    print_table(_COLUMNS, [row(one) for one in pools], "Nothing is kept.")
    pressure = max((one["pressure"] for one in pools), key=("low", "medium", "high").index, default="low")
    if pressure != "low":
        print(f"The host is short of memory (pressure {pressure}): less is kept.")


def row(pool: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table."""
    reuse = "-" if pool["reuse"] is None else f"{100 * pool['reuse']:.0f} %"
    evicted = ", ".join(f"{count} {why}" for why, count in pool["evicted"].items() if count) or "-"
    numbers = (pool[name] for name in ("lent", "idle", "keeps", "high_water", "waiting", "created", "reused"))
    return (pool["name"], *(str(one) for one in numbers), reuse, evicted)
