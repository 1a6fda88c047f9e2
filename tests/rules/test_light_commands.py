"""Commands that people type while something burns begin at once: they load nothing that they do not need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest
import typer

from steadycast.cli.commands import PLACES, loaded

# Of these, none is needed to print help, to read a log, or to ask a host. (Typer itself loads pydantic.)
HEAVY = frozenset({
    "aioice", "asyncio", "cryptography", "fastapi", "gi", "numpy", "sqlite3", "starlette", "structlog", "uvicorn",
    "steadycast.api", "steadycast.config.settings", "steadycast.lobbies", "steadycast.pipelines", "steadycast.serve",
    "steadycast.tracking.leaks.detection", "steadycast.vendors.nvidia", "steadycast.watching", "steadycast.workers",
})  # fmt: skip
LIGHT = (
    "--help", "version", "analyze --help", "diagnose --help", "diagnose {log}", "diagnose --json {log}",
    "doctor --help", "findings --help", "guard --help", "history --help", "lobby list", "serve --help", "token new",
    "viewers --help", "watch --help",
)  # fmt: skip
# One process runs them all, in children of its own: an interpreter is begun once.
_RUN = """
import os, sys
from steadycast.cli import main
for line in sys.stdin.read().splitlines():
    sys.stdout.flush()
    if os.fork() == 0:
        sys.argv = ["steadycast", *line.split()]
        answers, null = os.dup(1), os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(null, number)
        try:
            main()
        except SystemExit:
            pass
        os.write(answers, (line + "\\t" + " ".join(sys.modules) + "\\n").encode())
        os._exit(0)
    os.wait()
"""


def modules_of(lines: Sequence[str]) -> dict[str, set[str]]:
    """What is loaded at the end of each command."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN], input="\n".join(lines), capture_output=True, text=True, timeout=60, check=True,
        env={"STEADYCAST_URL": "http://127.0.0.1:1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    parts = [line.partition("\t") for line in done.stdout.splitlines()]
    return {line: set(names.split()) for line, _, names in parts}


def test_light_commands_load_nothing_heavy(tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("light") / "log"
    log.write_text("ERROR accept: Too many open files (os error 24)\n")
    lines = [line.format(log=log) for line in LIGHT]
    found = modules_of(lines)
    assert found.keys() == set(lines)
    assert {line: names & HEAVY for line, names in found.items() if names & HEAVY} == {}


@pytest.mark.parametrize("name", PLACES)
def test_every_command_is_there_and_says_so_itself(name: str) -> None:
    command = loaded(name)
    assert command.name == name
    assert str(command.help).startswith(PLACES[name].says[:12])
    assert isinstance(command, typer.core.TyperGroup) == (PLACES[name].name == "app")
