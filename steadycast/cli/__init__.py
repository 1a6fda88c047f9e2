"""Commands for people, one file each. They talk HTTP, except the ones that start a host or look at this machine."""

from __future__ import annotations


def main() -> None:
    """The `steadycast` command."""
    from steadycast.cli.commands import app  # here, so that importing a part of the room stays light

    app(prog_name="steadycast")
