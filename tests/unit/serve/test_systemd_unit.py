"""The systemd unit: it can be read, names what the command really takes, and its times fit the settings' defaults."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steadycast.cli.commands import app
from steadycast.config.settings import WorkerSettings

UNIT = Path(__file__).resolve().parents[3] / "deploy" / "steadycast.service"


def service() -> dict[str, list[str]]:
    """The [Service] section: what each key is set to, in order."""
    found: dict[str, list[str]] = {}
    section = None
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def only(key: str) -> str:
    (value,) = service()[key]
    return value


def test_it_starts_with_options_that_the_command_has() -> None:
    program, command, *words = only("ExecStart").split()
    assert program.endswith("/steadycast")
    told = CliRunner().invoke(app, [command, "--help"], terminal_width=200, color=False)
    assert told.exit_code == 0
    known = set(re.findall(r"--[a-z-]+", told.output))
    options = [word for word in words if word.startswith("--")]
    assert options and set(options) <= known


def test_a_restart_leaves_workers_and_comes_back_before_they_end_themselves() -> None:
    assert (only("KillMode"), only("RestartKillSignal"), only("KillSignal")) == ("process", "SIGQUIT", "SIGTERM")
    assert only("RuntimeDirectoryPreserve") == "yes" and only("Restart") == "always"
    defaults = WorkerSettings.model_validate({})
    assert float(only("RestartSec")) < defaults.orphan_timeout_s / 10
    assert float(only("TimeoutStopSec")) > 3 * (defaults.end_s + defaults.term_s + defaults.kill_s)
    assert float(only("TimeoutStartSec")) > defaults.adopt_s + defaults.start_s + defaults.request_s


def test_nothing_hides_devices_or_the_sockets_of_displays() -> None:
    keys = service()
    assert not {"PrivateTmp", "PrivateDevices", "DeviceAllow", "DevicePolicy", "ProtectClock", "PrivateNetwork"} & set(
        keys
    )
    assert "MemoryDenyWriteExecute" not in keys


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/bin/steadycast", shutil.which("true") or "/bin/true"))
    told = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False)
    about_it = [line for line in told.stderr.splitlines() if UNIT.name in line]
    assert told.returncode == 0 and not about_it, told.stderr
