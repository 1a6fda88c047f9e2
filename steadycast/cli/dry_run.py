"""`steadycast serve --dry-run`: checks a config and says what it would do, here and now. Starts and changes nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from steadycast.cli.client import Client
from steadycast.cli.reload import ask_reload, print_plan, print_reload
from steadycast.config.addresses import needed_token
from steadycast.config.settings import Settings
from steadycast.errors import RefusedError
from steadycast.lobbies.ids import lobby_id
from steadycast.lobbies.peek import peek
from steadycast.lobbies.reloading import RunningLobby, plan_reload
from steadycast.lobbies.vetting import check_declared
from steadycast.serve.folders import Folders, find_folders


def show_plan(wanted: Settings, config: Path | None, read: Callable[[Path | None], Settings]) -> None:
    """What `wanted`, read from `config`, would do. Raises ConfigError as a start would; `read` reads another file the
    same way."""
    needed_token(wanted)
    check_declared(wanted)
    folders = find_folders(wanted.state, os.environ)
    host = _host(folders)
    if host is None:
        _show_start(wanted, folders)
    elif config is not None and host.get("config") == str(config):
        typer.echo(f"A host (process {host['pid']}) runs on {folders.state} with this config. It says:")
        print_reload(ask_reload(Client(f"http://{_reached(wanted)}:{host['port']}", _token(wanted)), dry_run=True))
    else:
        other = Path(host["config"]) if host.get("config") else None
        typer.echo(f"A host (process {host['pid']}) runs on {folders.state} with {other or 'no config file'}.")
        typer.echo("With this config it would be changed like this (its settings are compared with that file):")
        _print(read(other), wanted, peek(folders.database))


def _show_start(wanted: Settings, folders: Folders) -> None:
    typer.echo(f"No host runs on {folders.state}. This config would start one:")
    typer.echo(f"  HTTP {wanted.host}:{wanted.port}, RTSP {wanted.host}:{wanted.rtsp_port}")
    stored = peek(folders.database)
    kept = sum(not lobby.declared for lobby in stored)
    if kept:
        typer.echo(f"  lobbies of callers that come back: up to {kept}")
    _print(wanted, wanted, ())


def _print(running: Settings, wanted: Settings, lobbies: tuple[RunningLobby, ...]) -> None:
    plan = plan_reload(running, wanted, lobbies, time.time(), lobby_id)
    print_plan(asdict(plan.shown()))
    typer.echo("The config is good; nothing was changed.")


def _host(folders: Folders) -> dict[str, Any] | None:
    """What a host that lives says of itself; None where none does."""
    try:
        told: dict[str, Any] = json.loads(folders.host_file.read_text())
        holder = (folders.state / "lock").read_text().strip()
        alive = str(told["pid"]) == holder and Path(f"/proc/{int(told['pid'])}").exists()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told if alive else None


def _reached(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"[{host}]" if ":" in host else host


def _token(settings: Settings) -> str | None:
    token = settings.auth.token
    if token is not None:
        return token.get_secret_value()
    given = os.environ.get("STEADYCAST_TOKEN")
    if given is None and settings.auth.token_hash is not None:
        raise RefusedError("auth.missing", "The host wants its token.", hint="Set STEADYCAST_TOKEN to it.")
    return given
