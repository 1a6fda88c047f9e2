"""`steadycast guard POLICY`: keep a server alive by a policy; and what belongs to it: status, reset, restart, gate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from steadycast.cli.client import Client
from steadycast.cli.output import FAILED, AsJson, Token, ago, failing, print_json
from steadycast.errors import ConfigError

_RUN = "run"
PolicyFile = Annotated[Path, typer.Argument(metavar="POLICY", help="The policy: a TOML file, see docs/guard.md.")]


class _Default(TyperGroup):
    """The first word is a command, or a policy for `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Default,
    no_args_is_help=True,
    help="Keep any server alive by a policy: `steadycast guard POLICY.toml`. It needs no GStreamer.",
)


@app.command(_RUN)
def run(
    policy: PolicyFile,
    check: Annotated[bool, typer.Option("--check", help="Say in words what the policy does, and end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Watch and say what would be done; do nothing.")] = False,
    log_format: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Guard a server until told to end (SIGTERM, Ctrl-C). Exit codes: 0 done, 1 refused or failed, 2 a bad policy."""
    import asyncio

    from steadycast.config.settings import Settings
    from steadycast.serve.logs import set_up_logs
    from steadycast.watching.guard.assemble import keep
    from steadycast.watching.guard.load import load_policy
    from steadycast.watching.guard.words import explain

    with failing():
        if log_format not in ("text", "json"):
            raise ConfigError("guard.log", f"--log-format: {log_format!r} is not text or json.")
        loaded = load_policy(policy)
        if check:
            for line in explain(loaded):
                print(line)
            return
        set_up_logs(Settings.model_validate({"log_format": log_format}))
        code = asyncio.run(keep(loaded, dry=dry_run))
    if code:
        raise typer.Exit(code)


@app.command()
def status(policy: PolicyFile, as_json: AsJson = False) -> None:
    """Show how the server is, from the state file of its guard."""
    from steadycast.watching.guard.asking import read_status

    with failing():
        found = read_status(policy)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found["latch"] is not None or not found["guard_runs"]:
        raise typer.Exit(FAILED)


@app.command()
def reset(policy: PolicyFile, token: Token = None) -> None:
    """Take the latch off and begin with an empty budget. Without an API in the policy: by a signal to guard."""
    from steadycast.watching.guard.asking import signal_reset

    with failing():
        port = _port(policy, needed=False)
        if port is not None:
            _client(port, token).post("/api/v1/reset", {})
        else:
            signal_reset(policy)
    print("reset")


@app.command()
def restart(policy: PolicyFile, token: Token = None) -> None:
    """Restart the server now, gracefully; it is not counted. Needs the API."""
    with failing():
        port = _port(policy, needed=True)
        assert port is not None
        _client(port, token).post("/api/v1/restart", {})
    print("asked")


@app.command()
def pause(
    policy: PolicyFile,
    off: Annotated[bool, typer.Option("--off", help="Go on.")] = False,
    token: Token = None,
) -> None:
    """Let guard do nothing until told to go on. Needs the API."""
    with failing():
        port = _port(policy, needed=True)
        assert port is not None
        _client(port, token).post("/api/v1/pause", {"paused": not off})
    print("goes on" if off else "paused")


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def gate(
    policy: PolicyFile,
    command: Annotated[list[str] | None, typer.Argument(help="What to run where there is room: -- COMMAND ...")] = None,
) -> None:
    """Let a session in, or refuse it: exit code 0, or 75 with the reason. With a command: become that command."""
    from steadycast.watching.guard.gate import REFUSED, pass_gate

    with failing():
        words = command or []
        why = pass_gate(policy, words[1:] if words[:1] == ["--"] else words)
    if why is not None:
        Console(stderr=True, highlight=False, soft_wrap=True).print(escape(why))
        raise typer.Exit(REFUSED)


def _port(policy: Path, *, needed: bool) -> int | None:
    from steadycast.watching.guard.load import load_policy

    port = load_policy(policy).api.port
    if port is None and needed:
        hint = "Add a table [api] with a port and start guard again."
        raise ConfigError("guard.no_api", f"{policy}: the policy has no api.port.", hint=hint)
    return port


def _client(port: int, token: str | None) -> Client:
    return Client(f"http://127.0.0.1:{port}", token)


def _suspect(one: dict[str, Any], by: str) -> str:
    """By when it is decided, by what, and why it is not yet."""
    at = time.strftime("%H:%M", time.localtime(one["decide_by"])) if one.get("decide_by") else "an hour"
    yet = f" (not yet: {one['hindered']})" if one.get("hindered") else ""
    return f"{one['headline']}; decided by {at} at the latest, by {by}{yet}"


def _show(found: dict[str, Any]) -> None:
    """For people."""
    console = Console(highlight=False, soft_wrap=True)
    server = found["server"]
    if not found["guard_runs"]:
        console.print("[red]no guard runs for this policy[/]; this is what the last one wrote:")
    since = f" for {ago(server['since'])}" if server["since"] else ""
    pid = f" (process {server['pid']})" if server["pid"] else ""
    why = f": {server['why']}" if server["why"] and server["presence"] != "running" else ""
    rows = [("server", f"{server['presence']}{since}{pid}{why}")]
    if found["latch"] is not None:
        rows.append(("latched", f"{found['latch']['why']} ({ago(found['latch']['at'])} ago)"))
    rows += [("paused", "yes")] if found["paused"] else []
    rows.append(("now", found["busy"] or found["decision"]["why"]))
    budget = found["budget"]
    rows.append(("restarts", f"{budget['used']} of {budget['restarts']} within {budget['window_s']:g} s"))
    for one in found["health"]:
        word = {True: "well", False: "failed", None: "cannot tell"}[one["ok"]]
        rows.append((one["name"], f"{word}: {one['text']}"))
    rows += [("sign", f"{one['text']} ({one['act']})") for one in found["signs"]]
    if found["watching"]["count"] is not None:
        rows.append(("watching", str(found["watching"]["count"])))
    leaks = found["leaks"] or {}
    rows += [("suspect", _suspect(one, leaks["decided_by"])) for one in leaks.get("suspects", ())]
    for name, text in rows:
        console.print(f"[dim]{escape(name):<10}[/] {escape(text)}")
