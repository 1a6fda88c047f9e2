"""The library and the commands that need no GStreamer work where `gi` is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def without_gi(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with a `gi` in front of the real one that cannot be imported."""
    (tmp_path / "gi.py").write_text("raise ImportError('no gi here')\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    return subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_library_imports(tmp_path: Path) -> None:
    assert without_gi(tmp_path, "-c", "import gi").returncode != 0
    result = without_gi(tmp_path, "-c", "import steadycast; print(steadycast.__version__)")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


COMMANDS = (
    "--help", "serve --help", "lobby --help", "diagnose --help", "token new", "plan --vendor nvidia --gstreamer 1.26",
)  # fmt: skip


@pytest.mark.parametrize("words", [line.split() for line in COMMANDS], ids=COMMANDS)
def test_commands_run(tmp_path: Path, words: list[str]) -> None:
    result = without_gi(tmp_path, "-m", "steadycast", *words)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_the_library_for_programs_needs_nothing_but_python() -> None:
    """Nothing that is installed is to be found: neither numpy nor what the host needs."""
    line = f"import sys; sys.path.append({str(ROOT)!r}); import steadycast; print(steadycast.Push.__name__)"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout.strip()) == (0, "Push"), result.stderr
