"""`steadycast serve`: be a host until Ctrl-C."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from steadycast.cli.output import FAILED, USAGE, complain
from steadycast.config.load import load
from steadycast.errors import ConfigError, SteadycastError


def serve(
    config: Annotated[
        Path | None, typer.Option(help="TOML file; see config/example.toml. Without: a test picture and a desktop.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port [8800].")] = None,
    rtsp_port: Annotated[int | None, typer.Option(help="RTSP port [8554].")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder for database and runtime files [XDG].")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error [info].")] = None,
) -> None:
    """Be a host until Ctrl-C. Each setting can also be given as STEADYCAST_..., the command line wins."""
    from steadycast.serve.run import run  # heavy: HTTP server and API

    overrides = {"host": host, "port": port, "rtsp_port": rtsp_port, "state": state, "log_level": log_level}
    try:
        run(load(config, os.environ, overrides), typer.echo)
    except ConfigError as error:
        typer.echo(" ".join(filter(None, ("steadycast:", error.what, error.hint))), err=True)
        raise typer.Exit(USAGE) from None
    except SteadycastError as error:
        complain(error)
        raise typer.Exit(FAILED) from None
