"""`steadycast findings`: what leaks in a running host, how fast, until when, and what was done about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.client import Client, part
from steadycast.cli.lobby import all_items
from steadycast.cli.output import DEFAULT_URL as URL
from steadycast.cli.output import AsJson, Token, Url, ago, client, connect, failing, print_json
from steadycast.model import Unit
from steadycast.tracking.leaks.words import amount, duration, whole

app = typer.Typer(help="What leaks in a running host.")

_STYLES = {"confirmed": "bold red", "suspect": "yellow", "healed": "green", "closed": "dim"}
_OPEN = ("confirmed", "suspect")
_OF_PROBE = ("probe: ", "confirmed by a probe")  # is told by itself
_PROBED = {True: "it is lost", False: "it is not lost", None: "not decided"}


@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    only_open: Annotated[bool, typer.Option("--open", help="Leave out those that are over.")] = False,
    url: Url = URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """What leaks and what did: confirmed ones first, then suspects, then those that are over."""
    connect(context, url, token)
    if context.invoked_subcommand is not None:
        return
    with failing():
        host: Client = client(context)
        found = all_items(host, "/api/v1/findings", open="true" if only_open else None)
        watched = None if found or as_json else host.get("/api/v1/system")["watched"]
    if as_json:
        print_json(found)
        return
    console = Console(highlight=False, soft_wrap=True)
    for one in sorted(found, key=_order):
        state = one["state"]
        console.print(f"[{_STYLES.get(state, '')}]{state:<9}[/] {escape(one['headline'])}")
        console.print(f"  [dim]{escape(summary(one))}[/]")
    if not found:
        known = f"{watched['processes']} processes, {watched['series']} series" if watched else "nothing"
        console.print(f"No leak is {'open' if only_open else 'known'}. Watched: {known}.")


@app.command()
def show(
    context: typer.Context,
    finding: Annotated[str, typer.Argument(help="Id of the finding.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """One finding with its evidence."""
    with failing():
        host: Client = client(context)
        one = host.get(f"/api/v1/findings/{part(finding)}")
    if as_json:
        print_json(one)
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[{_STYLES.get(one['state'], '')}]{one['state']}[/] {escape(one['headline'])}")
    for name, text in facts(one):
        console.print(f"  [dim]{name:<10}[/]{escape(text)}")


def summary(one: dict[str, Any]) -> str:
    """One line below the headline: its id, its age, how many acts."""
    when = f"over for {ago(one['closed'])}" if one["closed"] is not None else f"seen {ago(one['opened'])} ago"
    told = [one["id"], when, one["why_closed"]]
    if one["actions"]:
        told.append(f"done: {one['actions'][-1]['what']}")
    return ", ".join(word for word in told if word)


def facts(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and texts, those of several lines with the name in front of the first."""
    unit, owner = Unit(one["unit"]), one["owner"]
    yield "id", one["id"]
    yield "in", ", ".join(filter(None, (owner["role"], owner["pid"] and f"pid {owner['pid']}", owner["device"])))
    if one["per_cycle"] is not None:
        yield "how fast", _rate(one["per_cycle"], unit, f"each {one['cycle'] or 'cycle'}")
    if one["per_hour"] is not None:
        yield "" if one["per_cycle"] else "how fast", _rate(one["per_hour"], unit, "an hour")
    if one["since"] is not None:
        yield "since", f"{_clock(one['since'])}, {ago(one['since'])} ago"
    if one["grown"] is not None and one["level"] is not None:
        yield "grown", f"{whole(one['grown'], unit)} of the {whole(one['level'], unit)} that it holds"
    if one["state"] in _OPEN and (end := one["exhaustion"]) is not None:
        used = f"{whole(end['used'], unit)} of {whole(end['of'], unit)} used"
        yield "until", f"{_clock(end['at'])}, {end['limit']}: {used}, at the earliest in {duration(end['earliest'])}"
    for source in one["sources"]:
        yield "likely", f"{source['what']} ({source['weight']:.0%})"
        yield from (("", text) for text in source["evidence"])
    yield from _named("evidence", [text for text in one["evidence"] if not text.startswith(_OF_PROBE)])
    if (probe := one["probe"]) is not None:
        yield from _named("probe", [f"{_PROBED[probe['confirmed']]}: {probe['why']}", *probe["steps"]])
    yield from _named("log", one["signatures"])
    yield from _named("done", [_action(action) for action in one["actions"]])
    if one["decide_by"] is not None:
        yield (
            "decided",
            f"{_clock(one['decide_by'])} at the latest" + (f"; not yet: {why}" if (why := one["hindered"]) else ""),
        )
    if one["closed"] is not None:
        yield "over", f"{_clock(one['closed'])}: {one['why_closed'] or one['state']}"


def _rate(rate: dict[str, Any], unit: Unit, per: str) -> str:
    value, low, high = (amount(rate[name], unit) for name in ("value", "low", "high"))
    return f"{value} {per} ({low} to {high}, {rate['confidence']:.0%} sure)"


def _action(action: dict[str, Any]) -> str:
    effect = action["effect"] or "its effect is not known yet"
    return f"{_clock(action['at'])} {action['what']}: {action['result']}; {effect}"


def _named(name: str, texts: list[str]) -> Iterator[tuple[str, str]]:
    for at, text in enumerate(texts):
        yield "" if at else name, text


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _order(one: dict[str, Any]) -> tuple[int, float]:
    rank = _OPEN.index(one["state"]) if one["state"] in _OPEN else len(_OPEN)
    return rank, -float(one["opened"])
