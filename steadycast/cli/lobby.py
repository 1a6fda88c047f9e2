"""`steadycast lobby`: create, list, get, restart and delete lobbies of a running host."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.client import Client, part
from steadycast.cli.lobby_memory import COLUMNS, profile_lines, rows
from steadycast.cli.output import FAILED, AsJson, ago, client, connect, failing, print_json, print_table, styled
from steadycast.cli.sources import rendition_of, source_of
from steadycast.errors import ConfigError

SHOWING_S = 60.0  # with --wait: until the source shows
_LOOK_S = 0.3
_LINE_BYTES = 4096

app = typer.Typer(no_args_is_help=True, callback=connect, help="Lobbies of a running host.")

Lobby = Annotated[str, typer.Argument(help="Id or key.", show_default=False)]


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name for people.", show_default=False)],
    source: Annotated[
        str,
        typer.Argument(
            help="test, push or push:FORMAT (pictures of a program, see docs/push.md), app:NAME, run:'COMMAND LINE',"
            " rtsp://..., the path of a file on the host, or - (one line from standard input: for an address with a"
            " password).",
            show_default=False,
        ),
    ],
    size: Annotated[str | None, typer.Option(help="WxH or WxH@FPS.")] = None,
    key: Annotated[str | None, typer.Option(help="The same key again is the same lobby.")] = None,
    rendition: Annotated[list[str] | None, typer.Option(help="NAME=WxH@FPS,RATEk or NAME=copy; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a lobby and wait until it shows, or until it is clear why it does not (exit code 1)."""
    with failing():
        body: dict[str, Any] = {"name": name, "source": _source(source, size)}
        if key is not None:
            body["key"] = key
        if rendition:
            body["renditions"] = [rendition_of(text) for text in rendition]
        host = client(context)
        view = _wait(host, host.post("/api/v1/lobbies", body)["id"])
        _show(view, as_json)
    if view["state"] != "STREAMING":
        raise typer.Exit(FAILED)


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """All lobbies with their state."""
    with failing():
        lobbies = all_items(client(context), "/api/v1/lobbies")
    if as_json:
        print_json(lobbies)
        return
    rows = [
        (v["id"], v["key"], v["source"]["kind"], v["state"], ago(v["since"]), v["viewers"], v["name"]) for v in lobbies
    ]
    print_table(("id", "key", "source", "state", "for", "viewers", "name"), rows, "There are no lobbies.")
    for view in lobbies:
        if view["why"]:
            Console(highlight=False, soft_wrap=True).print(
                f"{escape(view['name'])}: {escape(view['why'])}", style="yellow"
            )


@app.command()
def get(context: typer.Context, lobby: Lobby, as_json: AsJson = False) -> None:
    """One lobby."""
    with failing():
        _show(client(context).get(f"/api/v1/lobbies/{part(lobby)}"), as_json)


@app.command()
def restart(context: typer.Context, lobby: Lobby, as_json: AsJson = False) -> None:
    """Try a lobby again that stays down, and forgive what was. Exit code 1 if it does not show."""
    with failing():
        view = client(context).post(f"/api/v1/lobbies/{part(lobby)}/restart", {})
        _show(view, as_json)
    if view["state"] != "STREAMING":
        raise typer.Exit(FAILED)


@app.command()
def delete(context: typer.Context, lobby: Lobby, as_json: AsJson = False) -> None:
    """End a lobby; answers after everything of it is gone. Exit code 1 if something stayed."""
    with failing():
        deleted = client(context).delete(f"/api/v1/lobbies/{part(lobby)}")
    if as_json:
        print_json(deleted)
    else:
        rows = [(r["kind"], r["pid"], r["cause"], "clean" if r["clean"] else "not clean") for r in deleted["receipts"]]
        Console(highlight=False).print(f"{escape(deleted['lobby'])} {styled(deleted['state'])}")
        print_table(("worker", "pid", "ended because", "receipt"), rows, "It had no workers.")
        if deleted["note"] is not None:
            Console(highlight=False).print(escape(deleted["note"]))
    if deleted["state"] != "DESTROYED":
        raise typer.Exit(FAILED)


@app.command()
def memory(context: typer.Context, lobby: Lobby, as_json: AsJson = False) -> None:
    """What its worker held at the named points of its life, measured from outside."""
    with failing():
        found = client(context).get(f"/api/v1/lobbies/{part(lobby)}/memory")
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, rows(found), "Nothing was measured yet.")
    for line in profile_lines(found):
        Console(highlight=False, soft_wrap=True).print(f"  {escape(line)}")


@app.command()
def recycle(context: typer.Context, lobby: Lobby, as_json: AsJson = False) -> None:
    """Replace the worker of a lobby by another one; viewers stay. Exit code 1 if it could not be done."""
    with failing():
        done = client(context).post(f"/api/v1/lobbies/{part(lobby)}/recycle", {})
    if as_json:
        print_json(done)
        return
    receipt = done["receipt"]
    how = "without a pause" if done["made_before_break"] else f"with a pause: {done['why']}"
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{escape(done['lobby'])} has another worker, {escape(how)} ({done['took_s']:.1f} s)")
    if receipt is not None:
        left = "clean" if receipt["clean"] else f"not clean, see receipt {receipt['id']}"
        console.print(f"  [dim]{'before':<10}[/]{escape(done['old_worker'])}, {left}")


def all_items(host: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    items: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = host.get(path, limit=200, after=after, **query)
        items += page["items"]
        after = page["next"]
        if after is None:
            return items


def _source(word: str, size: str | None) -> dict[str, Any]:
    text = sys.stdin.readline(_LINE_BYTES).strip() if word == "-" else word
    if not text:
        raise ConfigError("source.missing", "No source was given.", hint="See `steadycast lobby create --help`.")
    return source_of(text, size)


def _wait(host: Client, lobby: str) -> dict[str, Any]:
    """The lobby once it shows or says why not; after the deadline as it is then."""
    end = time.monotonic() + SHOWING_S
    while True:
        view: dict[str, Any] = host.get(f"/api/v1/lobbies/{lobby}")
        if view["state"] not in ("CREATED", "STARTING") or time.monotonic() > end:
            return view
        time.sleep(_LOOK_S)


def _show(view: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{escape(view['name'])}  {styled(view['state'])}  [dim]for {ago(view['since'])}[/]")
    for name in ("id", "key", "why", "hint", "whep", "rtsp", "viewers", "restarts"):
        if view[name] not in (None, ""):
            console.print(f"  [dim]{name:<10}[/]{escape(str(view[name]))}")
    if (push := view.get("push")) is not None:
        refused = sum(push["refused"].values())
        pictures = f"{push['shown']} shown, {push['dropped']} dropped, {refused} refused"
        console.print(f"  [dim]{'push':<10}[/]{escape(push['says'])}; {pictures}")
    for rendition in view["renditions"]:
        track = rendition["track"] or {}
        made = f"{track.get('codec')} {track.get('width')}x{track.get('height')}" if track else "not made now"
        console.print(f"  [dim]{'rendition':<10}[/]{escape(rendition['name'])}: {made}, {rendition['viewers']} viewers")
