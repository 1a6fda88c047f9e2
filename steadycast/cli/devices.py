"""`steadycast devices`: what encodes on a running host, what is lent of it, and trying one again."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steadycast.cli.client import Client, part
from steadycast.cli.lobby import all_items
from steadycast.cli.output import DEFAULT_URL as URL
from steadycast.cli.output import AsJson, Token, Url, client, connect, failing, print_json

app = typer.Typer(help="Devices that encode on a running host.")

_STATES = {
    "off": "off by the config", "absent": "not on this machine", "works": "works", "fails": "driver fails",
    "hung": "driver hangs", "none": "no encoder",
}  # fmt: skip
_BREAKERS = {"closed": "closed", "open": "open", "trying": "being tried", "latched": "latched"}


@app.callback(invoke_without_command=True)
def list_(context: typer.Context, url: Url = URL, token: Token = None, as_json: AsJson = False) -> None:
    """What encodes, what is lent of it, and why it is not used."""
    connect(context, url, token)
    if context.invoked_subcommand is not None:
        return
    with failing():
        host: Client = client(context)
        devices = all_items(host, "/api/v1/devices")
        vendors = host.get("/api/v1/system/gpu-status").get("vendors", [])
    if as_json:
        print_json(devices)
        return
    console = Console(highlight=False, soft_wrap=True)
    for device in devices:
        console.print(f"[bold]{escape(device['id'])}[/]  {escape(title(device))}")
        for line in facts(device):
            console.print(f"  {escape(line)}")
        for line in remarks(device):
            console.print(f"  {escape(line)}", style="yellow")
    if not devices:
        console.print("Nothing here encodes.")
    for line in troubles(vendors):
        console.print(escape(line), style="yellow")


@app.command()
def retry(
    context: typer.Context, device: Annotated[str, typer.Argument(help="Id of the device.", show_default=False)]
) -> None:
    """Reset the device's breaker and find out by new trials what it encodes."""
    with failing():
        host: Client = client(context)
        view = host.post(f"/api/v1/devices/{part(device)}/retry", {})
    print(f"{view['id']} is tried again; its breaker is {_BREAKERS.get(view['breaker']['state'], 'unknown')}.")


def troubles(vendors: list[dict[str, Any]]) -> list[str]:
    """Vendors that are here and do not answer as they should: nothing is known of their devices then."""
    words = {"fails": "cannot be asked", "hung": "does not answer"}
    return [
        " ".join(filter(None, (f"The vendor {one['vendor']} {words[one['state']]}: {one['why']}.", one["hint"])))
        for one in vendors
        if one["state"] in words
    ]


def title(device: dict[str, Any]) -> str:
    """What a person calls it."""
    return str(device["name"]) + (", simulated" if device["simulated"] else "")


def facts(device: dict[str, Any]) -> list[str]:
    """What it does now, in two lines: unknown figures are left out."""
    works = [belief["codec"] for belief in device["beliefs"] if belief["state"] == "works"]
    breaker = _BREAKERS.get(device["breaker"]["state"], device["breaker"]["state"])
    does = [
        _STATES.get(device["state"], device["state"]),
        f"breaker {breaker}" if device["hardware"] and device["state"] != "none" else None,
        f"encodes {', '.join(works)}" if works else None,
    ]
    vram = memory(device)
    uses = [sessions(device), f"video memory {vram}" if vram else None]
    return [" · ".join(filter(None, words)) for words in (does, uses)]


def sessions(device: dict[str, Any]) -> str:
    """`2 lent, 1 foreign, limit 3 (learned)`."""
    words = [f"{device['sessions_lent']} lent"]
    if device["sessions_foreign"] is not None:
        words.append(f"{device['sessions_foreign']} foreign")
    if device["sessions_limit"] is not None:
        words.append(f"limit {device['sessions_limit']} ({device['sessions_limit_origin'] or 'origin unknown'})")
    return ", ".join(words)


def memory(device: dict[str, Any]) -> str | None:
    """`3.0 of 8.0 GiB`; None where it is not known."""
    used, total = device["vram_used"], device["vram_total"]
    if total is None:
        return None
    return f"{'?' if used is None else f'{used / 2**30:.1f}'} of {total / 2**30:.1f} GiB"


def remarks(device: dict[str, Any]) -> list[str]:
    """What a person should know: why it is not used, who else uses it, what it cannot encode."""
    said = [" ".join(text for text in (device["why"], device["hint"]) if text)]
    breaker = device["breaker"]
    if breaker["state"] == "latched":
        why = breaker["why"] or "It failed too often."
        said.append(f"gets no new work until somebody runs `steadycast devices retry {device['id']}`. {why}")
    elif breaker["state"] == "open":
        said.append(f"gets no new work for now. {breaker['why'] or ''}".strip())
    for one in device["foreign"]:
        pid = "unknown" if one["pid"] is None else one["pid"]
        said.append(f"another program holds a session: {one['name'] or 'name unknown'}, pid {pid}.")
    said += [
        f"does not encode {belief['codec']}: {belief['why'] or 'why is not known'}"
        for belief in device["beliefs"]
        if belief["state"] == "fails"
    ]
    if refusal := device["last_refusal"]:
        said.append(f"refused last with {refusal['code']}: {refusal['what']}")
    return [line for line in said if line]
