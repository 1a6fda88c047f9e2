"""`steadycast token`: make a token, and the hash of one for the config file. Talks to nobody."""

from __future__ import annotations

import getpass
import sys

import typer

from steadycast.cli.output import failing
from steadycast.config.tokens import hash_token, new_token
from steadycast.errors import ConfigError

_LINE_BYTES = 4096

app = typer.Typer(no_args_is_help=True, help="The token that API, WHEP and RTSP ask for.")


@app.command()
def new() -> None:
    """Print a fresh token of 256 bits."""
    print(new_token())
    print("Keep it secret. `steadycast token hash` makes of it what the config file holds.", file=sys.stderr)


@app.command("hash")
def hash_() -> None:
    """Print the value for auth.token_hash. The token is asked for, or read from standard input."""
    with failing():
        token = getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline(_LINE_BYTES).strip()
        try:
            print(hash_token(token).text())
        except ValueError as error:
            hint = "`steadycast token new` makes one."
            raise ConfigError("auth.token", f"This cannot be a token: {error}.", hint=hint) from None
