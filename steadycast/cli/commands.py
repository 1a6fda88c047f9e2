"""The commands put together. Only the one that is asked for is imported: most need nothing of the others."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from steadycast import __version__


class Place(NamedTuple):
    """Where a command or a group of commands is (in this room), and the line that `steadycast --help` has of it."""

    module: str
    name: str
    says: str
    settings: dict[str, Any] | None = None


_OPTIONS_FIRST = {"allow_interspersed_args": False}
PLACES = {
    "serve": Place("serve", "serve", "Be a host until Ctrl-C."),
    "doctor": Place("doctor", "doctor", "Say whether a host can run here, which encoders it uses, and what to do."),
    "diagnose": Place("diagnose", "diagnose", "Say what went wrong in any server's log, why, and what to do."),
    "watch": Place(
        "watch", "watch", "Watch processes of any server: say what leaks, how fast, and when it ends.", _OPTIONS_FIRST
    ),
    "analyze": Place("analyze", "analyze", "Say what leaks in a record or a CSV file, how fast, since when."),
    "guard": Place("guard", "app", "Keep any server alive by a policy."),
    "plan": Place("plan", "plan", "Print the pipeline that would run here or elsewhere, and why."),
    "reload": Place("reload", "reload", "Let a host read its config again, and say what changed."),
    "lobby": Place("lobby", "app", "Lobbies of a running host."),
    "viewers": Place("viewers", "app", "Viewers of a running host."),
    "devices": Place("devices", "app", "Devices that encode on a running host."),
    "pools": Place("pools", "app", "What a running host keeps for the next who wants it."),
    "findings": Place("leaks", "app", "What leaks in a running host."),
    "history": Place("history", "app", "What a running host measured of its processes and devices."),
    "token": Place("token", "app", "The token that API, WHEP and RTSP ask for."),
}


class _Lazy(TyperGroup):
    """Has only names and lines of its commands, until one of them is meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name in PLACES else command, rest


def loaded(name: str) -> Any:
    """The command itself, with its options."""
    place = PLACES[name]
    found = getattr(import_module(f"steadycast.cli.{place.module}"), place.name)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False)
    alone.command(name, context_settings=place.settings)(found)
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A streaming host: desktops, cameras and files to browsers and RTSP players.",
)


def _stand_in() -> None:
    """Never run: the command itself takes its place."""


for _name, _place in PLACES.items():
    app.command(_name, help=_place.says)(_stand_in)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
