"""What guard did is not forgotten on a disk that is full."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
