"""A host with a token asks for it everywhere, and a second Ctrl-C hastens its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.host import ROOT, wait_for

pytestmark = pytest.mark.process
DEADLINE_S = 60
TOKEN = "correct-horse-battery-staple"


@dataclass
class Started:
    """A host by its process, its host.json and its log."""

    process: subprocess.Popen[bytes]
    told: dict[str, Any]
    log: Path


@contextmanager
def started(state: Path, config: str) -> Iterator[Started]:
    (state / "config.toml").write_text(config)
    command = [sys.executable, "-m", "steadycast", "serve", "--port", "0", "--rtsp-port", "0"]
    command += ["--state", str(state), "--config", str(state / "config.toml")]
    env = {key: value for key, value in os.environ.items() if not key.startswith("STEADYCAST_")}
    log = state / "host.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, env=env, start_new_session=True)
    try:
        told = state / "run" / "host.json"
        wait_for("host.json", lambda: told.exists() or process.poll() is not None, DEADLINE_S)
        yield Started(process, json.loads(told.read_text()), log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)


def status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=DEADLINE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def probe(url: str) -> subprocess.CompletedProcess[str]:
    words = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=codec_name", url]
    return subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_the_token_is_asked_for_and_never_shown(tmp_path: Path) -> None:
    config = f'[auth]\ntoken = "{TOKEN}"\n[[lobbies]]\nkey = "t"\nname = "t"\n'
    config += 'source = { kind = "test", width = 320, height = 240 }\n'
    with started(tmp_path, config) as host:
        url = f"http://127.0.0.1:{host.told['port']}/api/v1/lobbies/t"
        assert status(url) == 401
        assert status(url, Authorization=f"Bearer {TOKEN}x") == 401
        assert status(url, Authorization=f"Bearer {TOKEN}") == 200
        where = f"127.0.0.1:{host.told['rtsp_port']}/t"
        assert "401" in probe(f"rtsp://{where}").stderr
        assert "401" in probe(f"rtsp://steadycast:wrong@{where}").stderr
        assert "codec_name=h264" in probe(f"rtsp://steadycast:{TOKEN}@{where}").stdout
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "config.toml":
            assert TOKEN.encode() not in path.read_bytes(), path
    assert host.process.returncode == 0


def test_a_second_signal_hastens(tmp_path: Path) -> None:
    config = "[workers]\nend_s = 600\nterm_s = 600\n"  # alone this would take much longer than the test has
    config += '[[lobbies]]\nkey = "t"\nname = "t"\nsource = { kind = "test", width = 320, height = 240 }\n'
    with started(tmp_path, config) as host:
        wait_for("the picture", lambda: "STREAMING" in host.log.read_text(), DEADLINE_S)
        with urllib.request.urlopen(f"http://127.0.0.1:{host.told['port']}/api/v1/lobbies/t") as answer:
            (worker,) = json.load(answer)["workers"]
        os.kill(worker, signal.SIGSTOP)  # it hears no order any more
        host.process.send_signal(signal.SIGINT)
        wait_for("its end to begin", lambda: "state=ENDING" in host.log.read_text(), DEADLINE_S)
        host.process.send_signal(signal.SIGINT)
        assert host.process.wait(DEADLINE_S) == 0, host.log.read_text()
    assert "worker started" not in host.log.read_text().partition("hastened")[2]
    assert "egress worker lost" not in host.log.read_text()
    assert not list((tmp_path / "run" / "workers").iterdir())
