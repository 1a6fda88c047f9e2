"""What guard did is not forgotten on a disk that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from steadycast.watching.guard import record
from steadycast.watching.guard.facts import Latch, Memory
from tests.support.chaos.ground import ROOT, has_own_mounts


@pytest.mark.skipif(not has_own_mounts(), reason="this machine lets us mount nothing")
def test_on_a_real_full_disk_a_latch_is_kept(tmp_path: Path) -> None:
    words = ["unshare", "-m", "--propagation", "private", sys.executable, "-m", "tests.support.full_guard"]
    done = subprocess.run([*words, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60)
    assert json.loads(done.stdout) == {
        "before": None,
        "latched": "it dies at once",
        "again": None,
        "files": ["ballast", "state.json"],
    }


def test_what_is_written_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file before it gets its name, then the folder that holds the name."""
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def named(path: Path, to: Path) -> Path:
        steps.append(f"{path.name} is {to.name}")
        return replace(path, to)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", named)
    told = record.Record("command x", None, 1, None, Memory(latch=Latch(1.0, "it dies at once")), {})
    record.write(tmp_path, told)
    assert steps == ["state.json.new", "state.json.new is state.json", tmp_path.name]
