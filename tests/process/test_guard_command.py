"""The command `steadycast guard` itself: adoption after kill -9, one guard only, exit codes, the gate, a signal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steadycast.cli.commands import app
from steadycast.watching.guard.gate import pass_gate
from tests.support.guarding import BUDGET, DEADLINE_S, PYTHON, SERVER, end, end_all, guarding, lives, toml, write_policy

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    yield
    end_all(tmp_path)


class Command:
    """One `steadycast guard` and what it printed, as JSON lines."""

    def __init__(self, policy: Path, *words: str) -> None:
        self.path = policy.with_name(f"printed-{time.monotonic_ns()}")
        env = {**os.environ, "XDG_RUNTIME_DIR": str(policy.parent)}
        with self.path.open("wb") as output:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "steadycast", "guard", str(policy), "--log-format", "json", *words],
                stderr=output, stdout=output, env=env,
            )  # fmt: skip

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.path.read_text().splitlines() if line.startswith("{")]

    def until(self, part: str) -> dict[str, str]:
        """Wait until it says something."""
        until = time.monotonic() + DEADLINE_S
        while True:
            found = [line for line in self.lines() if part in line["event"]]
            if found:
                return found[0]
            assert time.monotonic() < until and self.child.poll() is None, self.path.read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(0.1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.child.send_signal(number)
        return self.child.wait(DEADLINE_S)


def test_a_guard_that_is_killed_is_followed_by_one_that_adopts_the_server(tmp_path: Path) -> None:
    text = f"[target]\ncommand = {toml([PYTHON, '-S', str(SERVER), 'stay'])}\n{BUDGET}"
    policy = write_policy(tmp_path, text)
    first = Command(policy)
    pid = int(first.until("started as process")["event"].split()[-1])
    other = Command(policy)
    assert other.child.wait(DEADLINE_S) == 1
    assert "Another guard looks after" in other.path.read_text()
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert lives(pid)
    second = Command(policy)
    second.until("looks after a server that runs already")
    second.child.send_signal(signal.SIGUSR1)
    second.until("reset by SIGUSR1")
    assert second.stop() == 0
    assert not any("started as process" in line["event"] for line in second.lines())
    assert not lives(pid)
    state = json.loads((tmp_path / "state" / "state.json").read_text())
    assert state["life"] is None and state["memory"]["restarts"] == []


async def test_a_dry_run_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    text = f"[target]\ncommand = ['touch', '{tmp_path}/made']\n"
    async with guarding(tmp_path, text, dry=True) as kept:
        await kept.until_said("would start it: it is not running")
    assert not (tmp_path / "made").exists() and not (tmp_path / "state" / "state.json").exists()


def test_a_bad_policy_ends_with_2_and_a_good_one_is_told_in_words(tmp_path: Path) -> None:
    policy = write_policy(tmp_path, "[target]\ncommand = ['a']\nfolders = 'x'\n")
    bad = CliRunner().invoke(app, ["guard", str(policy)])
    assert bad.exit_code == 2 and "target.folders: there is no such key; did you mean 'folder'?" in bad.output
    policy.write_text("[target]\nunit = 'wolf.service'\n[age]\nmax_s = 86400\nact = 'restart'\n")
    told = CliRunner().invoke(app, ["guard", str(policy), "--check"])
    assert told.exit_code == 0 and "When it has run for 86400 s (give or take 10%), it restarts at once." in told.output
    missing = CliRunner().invoke(app, ["guard", "status", str(policy)])
    assert missing.exit_code == 1 and "No guard ever ran" in missing.output


def test_the_gate_holds_a_place_as_long_as_its_command_runs(tmp_path: Path) -> None:
    policy = write_policy(tmp_path, "[target]\ncommand = ['a']\n[gate]\nsessions = 1\nmessage = 'Full'\n")
    words = [
        sys.executable,
        "-m",
        "steadycast",
        "guard",
        "gate",
        str(policy),
        "--",
        "sh",
        "-c",
        "echo in; exec sleep 99",
    ]
    held = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert held.stdout is not None and held.stdout.readline() == b"in\n"
        refused = CliRunner().invoke(app, ["guard", "gate", str(policy)])
        assert refused.exit_code == 75 and refused.output.strip() == "Full: 1 of 1 sessions are there"
    finally:
        end(held.pid)
        held.wait()
        assert held.stdout is not None
        held.stdout.close()
    assert pass_gate(policy, []) is None
    assert pass_gate(policy, []) == "Full: 1 of 1 sessions are there"  # the one just let in


def test_the_gate_refuses_what_it_cannot_tell(tmp_path: Path) -> None:
    gate = "[target]\ncommand = ['a']\n[gate]\nsessions = 2\n"
    broken = "[gate.count]\ncommand = ['false']\npattern = 'x'\n"
    why = pass_gate(write_policy(tmp_path, gate + broken), [])
    assert why == "no room for a session: it cannot be told how many sessions there are: exited with 1"
    assert pass_gate(write_policy(tmp_path, gate + "unknown = 'allow'\n" + broken), []) is None
    told = "[gate.count]\ncommand = ['echo', 'x']\npattern = 'x'\n"
    why = pass_gate(write_policy(tmp_path, gate + told), [])
    assert why == "no room for a session: 2 of 2 sessions are there, 1 of them just let in"
    why = pass_gate(write_policy(tmp_path, gate + "descriptors_free = 10\n"), [])
    assert why is not None and "what is free of descriptors: no guard says" in why
