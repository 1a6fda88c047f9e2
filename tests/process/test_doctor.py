"""`steadycast doctor` with a simulated GPU: real trials in real processes, and nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

CONFIG = """
[vendors.simulated]
enabled = true
sessions = 3
foreign_sessions = 3
"""
DEADLINE_S = 180


def test_each_encoder_is_explained(tmp_path: Path) -> None:
    config, scratch = tmp_path / "c.toml", tmp_path / "tmp"
    config.write_text(CONFIG)
    scratch.mkdir()
    command = [sys.executable, "-m", "steadycast", "doctor", "--json", "--config", str(config), "--port", "0"]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, env={**os.environ, "TMPDIR": str(scratch)}
    )
    report = json.loads(ended.stdout)
    encoders = {row["entry"]: row for row in report["encoders"]}
    assert encoders["x264"]["used"] is True and encoders["x264"]["element"] == "x264enc"
    assert encoders["openh264"]["used"] is False and "x264 comes first" in encoders["openh264"]["why"]
    assert all(row["why"] for row in encoders.values())
    findings = {finding["thing"]: finding for finding in report["findings"]}
    assert "3 taken now" in findings["Sessions simulated"]["what"]
    assert encoders["simulated"]["used"] is False  # other programs have all sessions
    assert findings["simulated:0"]["grade"] == "note" and findings["simulated:0"]["hint"]
    assert ended.returncode == 0 and report["ok"] is True  # nothing is broken
    assert list(scratch.iterdir()) == []
