"""`steadycast reload`: a running host reads its config again."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.client import Client
from steadycast.cli.output import DEFAULT_URL, USAGE, AsJson, Token, Url, complain, failing, print_json, print_table
from steadycast.errors import SteadycastError

RELOAD_S = 900.0  # every lobby that changes may take `workers.source_s`, and so may each that is put back
_WORDS = {
    "planned": "Nothing was changed: this is what a reload would do.",
    "unchanged": "There is nothing to change now.",
    "applied": "[green]Applied.[/]",
    "rolled_back": "[red]Rolled back.[/]",
}


def reload(
    url: Url = DEFAULT_URL,
    token: Token = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a host read its config again, and say what changed. Exit code 2 if the config is refused or rolled back."""
    with failing():
        try:
            answer = ask_reload(Client(url, token, RELOAD_S), dry_run)
        except SteadycastError as error:
            if not error.code.startswith("config."):
                raise
            complain(error)
            raise typer.Exit(USAGE) from None
    if as_json:
        print_json(answer)
    else:
        print_reload(answer)
    if answer["outcome"] == "rolled_back":
        raise typer.Exit(USAGE)


def ask_reload(client: Client, dry_run: bool) -> dict[str, Any]:
    """The host's answer, as JSON. Raises errors of `steadycast.errors`."""
    answer: dict[str, Any] = client.post(f"/api/v1/system/reload?dry_run={'true' if dry_run else 'false'}", None)
    return answer


def print_reload(answer: dict[str, Any]) -> None:
    """Plan and outcome for a person."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[dim]config[/] {escape(answer['file'])}")
    print_plan(answer["plan"])
    console.print(_WORDS[answer["outcome"]])
    if answer["outcome"] == "rolled_back" and not answer["notes"]:
        console.print("  All is as it was before; who watched a lobby that was taken away for it has to come again.")
    for text in (answer["why"], *answer["notes"]):
        if text:
            console.print(f"  {escape(text)}")


def print_plan(plan: dict[str, Any]) -> None:
    """Lobbies and settings as tables."""
    rows = [
        (one["key"] or one["id"] or one["name"], one["step"], "; ".join(filter(None, (one["line"], one["note"]))))
        for one in plan["lobbies"]
    ]
    print_table(("lobby", "what", "how"), rows, "There are no lobbies.")
    if plan["settings"]:
        settings = [(one["key"], one["when"], one["line"].removeprefix(f"{one['key']}: ")) for one in plan["settings"]]
        print_table(("setting", "when", "how"), settings, "")
