"""The commands put together."""

from __future__ import annotations

import typer

from steadycast import __version__
from steadycast.cli import (
    analyze,
    devices,
    diagnose,
    doctor,
    guard,
    history,
    leaks,
    lobby,
    plan,
    reload,
    serve,
    token,
    viewers,
    watch,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A streaming host: desktops, cameras and files to browsers and RTSP players.",
)
app.command()(serve.serve)
app.command()(doctor.doctor)
app.command()(diagnose.diagnose)
app.command(context_settings={"allow_interspersed_args": False})(watch.watch)
app.command()(analyze.analyze)
app.command()(plan.plan)
app.command()(reload.reload)
app.add_typer(lobby.app, name="lobby")
app.add_typer(viewers.app, name="viewers")
app.add_typer(devices.app, name="devices")
app.add_typer(leaks.app, name="findings")
app.add_typer(history.app, name="history")
app.add_typer(guard.app, name="guard")
app.add_typer(token.app, name="token")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
