"""`steadycast viewers`: who watches a running host, and ending one."""

from __future__ import annotations

from typing import Annotated

import typer

from steadycast.cli.client import part
from steadycast.cli.lobby import all_items
from steadycast.cli.output import AsJson, ago, client, connect, failing, print_json, print_table

app = typer.Typer(no_args_is_help=True, callback=connect, help="Viewers of a running host.")


@app.command("list")
def list_(
    context: typer.Context,
    lobby: Annotated[str | None, typer.Option(help="Only of this lobby (id or key).")] = None,
    as_json: AsJson = False,
) -> None:
    """Who watches now."""
    with failing():
        viewers = all_items(client(context), "/api/v1/viewers", lobby=lobby)
    if as_json:
        print_json(viewers)
        return
    rows = [
        (v["id"], v["lobby"], v["rendition"], v["protocol"], v["state"], v["remote"], v["transport"], ago(v["since"]))
        for v in viewers
    ]
    columns = ("id", "lobby", "rendition", "protocol", "state", "from", "over", "for")
    print_table(columns, rows, "Nobody watches.")


@app.command()
def kick(
    context: typer.Context, viewer: Annotated[str, typer.Argument(help="Id of the viewer.", show_default=False)]
) -> None:
    """End a viewer; answers when it is gone."""
    with failing():
        client(context).delete(f"/api/v1/viewers/{part(viewer)}")
    print(f"{viewer} is gone.")
