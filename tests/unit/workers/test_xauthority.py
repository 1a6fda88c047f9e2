"""The cookie file, read back by xauth(1)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from steadycast.workers.xauthority import write_cookie


@pytest.mark.skipif(shutil.which("xauth") is None, reason="xauth is not installed")
def test_xauth_reads_the_cookie(tmp_path: Path) -> None:
    path = tmp_path / "cookie"
    write_cookie(path)
    assert path.stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(["xauth", "-f", path, "-n", "nlist"], capture_output=True, text=True, check=True).stdout
    family, *_, cookie = listed.split()
    assert family == "ffff"
    assert len(bytes.fromhex(cookie)) == 16


def test_cookies_differ(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_cookie(tmp_path / name)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()
