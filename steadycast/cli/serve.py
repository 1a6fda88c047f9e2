"""`steadycast serve`: be a host until Ctrl-C."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from steadycast.cli.output import FAILED, USAGE, complain
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the config and say what it would do here; start nothing.")
    ] = False,
) -> None:
    """Be a host until Ctrl-C. Each setting can also be given as STEADYCAST_..., the command line wins.

    SIGHUP reads the config file again, as `steadycast reload` does.
    """
    from steadycast.cli.dry_run import show_plan  # heavy: HTTP server and API
    from steadycast.config.load import CONFIG, load
    from steadycast.serve.reload import ConfigFile
    from steadycast.serve.run import run

    overrides = {"host": host, "port": port, "rtsp_port": rtsp_port, "state": state, "log_level": log_level}
    environment = dict(os.environ)  # as it is now, also when the config is read again
    try:
        settings = load(config, environment, overrides)
        path = config or (Path(environment[CONFIG]) if environment.get(CONFIG) else None)
        file = None if path is None else path.absolute()
        if dry_run:
            show_plan(settings, file, lambda other: load(other, environment, overrides))
        else:
            again = partial(load, config, environment, overrides)
            run(settings, typer.echo, None if file is None else ConfigFile(file, again))
    except ConfigError as error:
        typer.echo(" ".join(filter(None, ("steadycast:", error.what, error.hint))), err=True)
        raise typer.Exit(USAGE) from None
    except SteadycastError as error:
        complain(error)
        raise typer.Exit(FAILED) from None
