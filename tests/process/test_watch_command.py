"""The command `steadycast watch` over real processes: what it names, its JSON, its exit codes, how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from steadycast.cli.commands import app

pytestmark = pytest.mark.process

DEADLINE_S = 60.0
SERVER = Path(__file__).parent.parent / "support" / "leaking_server_child.py"
FAST = ("--every", "0.1s", "--settle", "0.05s")


def server(*words: str) -> list[str]:
    return [sys.executable, "-S", str(SERVER), *words]


def watch(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steadycast", "watch", *FAST, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def confirmed(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in found["findings"] if one["state"] == "confirmed"]


def test_descriptors_lost_each_session_are_named_and_judged_the_same_from_its_record(tmp_path: Path) -> None:
    record = tmp_path / "looks.gz"
    counted = ("--cycle-log", "sunshine", "--record", str(record), "--json")
    # It ends by itself after so many sessions, however slow the machine is.
    ran = watch(*counted, "--", *server("--keep", "descriptor", "--pairs", "3", "--every", "0.4", "--sessions", "15"))
    found = json.loads(ran.stdout)
    assert ran.returncode == 1, ran.stderr
    (one,) = confirmed(found)
    assert (one["resource"], one["cycle"], one["exhaustion"]["limit"]) == ("descriptors", "session", "RLIMIT_NOFILE")
    assert one["per_cycle"]["value"] == pytest.approx(7, abs=1)
    assert found["ended"].endswith("exit code 3") and "session 14: CLIENT DIS" in ran.stderr
    replayed = CliRunner().invoke(app, ["analyze", str(record), "--json"])
    assert replayed.exit_code == 1, replayed.output
    (again,) = confirmed(json.loads(replayed.output))
    assert (again["headline"], again["grown"]) == (one["headline"], one["grown"])


def test_a_server_that_loses_nothing_is_quiet() -> None:
    ran = watch("--cycle-log", "DISCONNECTED", "--json", "--", *server("--every", "0.1", "--sessions", "16"))
    assert ran.returncode == 0, ran.stdout
    found = json.loads(ran.stdout)
    assert not found["findings"]
    assert any(one["resource"] == "descriptors" and one["first"] > 2 for one in found["series"])


def test_sigterm_ends_the_command_and_gives_the_object() -> None:
    words = [sys.executable, "-m", "steadycast", "watch", *FAST, "--json", "--", *server("--every", "0.2")]
    one = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert one.stdout is not None and one.stderr is not None
    try:
        assert any("session 1: CLIENT DIS" in line for line in one.stderr)
        one.send_signal(signal.SIGTERM)
        out, _ = one.communicate(timeout=DEADLINE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            one.kill()
    found = json.loads(out)
    assert (one.returncode, found["ended"]) == (0, "SIGTERM")
    pid = next(role["pid"] for role in found["roles"] if role["pid"] is not None)
    assert not Path(f"/proc/{pid}").exists()


def test_what_cannot_be_watched_ends_with_2() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for words, says in (
        (["--pid", str(gone.pid)], f"There is no process {gone.pid}"),
        (["--name", "no-such-program"], "No process is named no-such-program"),
        ([], "Nothing is named to be watched"),
        (["--for", "soon", "--pid", "1"], "'soon' is no time"),
        (["--pid", "1", "--cycle-log", "x"], "needs a log"),
        (["--", "/no/such/program"], "cannot be run: No such file"),
        (["--", "false"], "The command ended with exit code 1"),
    ):
        ran = CliRunner().invoke(app, ["watch", *words])
        assert ran.exit_code == 2 and says in " ".join(ran.output.split()), ran.output
