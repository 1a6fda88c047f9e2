"""`steadycast serve` as a person meets it: what it prints, what it refuses, how it ends and comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.host import ROOT, Host, running_host, wait_for

pytestmark = pytest.mark.process
DEADLINE_S = 60


def clean_environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STEADYCAST_")}
    kept.pop("XDG_RUNTIME_DIR", None)
    return kept | more


def refused(*words: str, **environment: str) -> str:
    """The one line of a refusal."""
    return line_of([sys.executable, "-m", "steadycast", "serve", *words], clean_environment(**environment))


def line_of(command: list[str], environment: dict[str, str]) -> str:
    """All that a host says that is expected to refuse."""
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert result.returncode == 2, result.stderr
    lines = (result.stdout + result.stderr).splitlines()
    assert len(lines) == 1 and lines[0].startswith("steadycast:"), lines
    return lines[0]


@contextmanager
def host_on(state: Path, *words: str) -> Iterator[Host]:
    """A host on a given state folder, on free ports, without lobbies of its own; ended with SIGTERM."""
    (state / "config.toml").touch()
    command = [sys.executable, "-m", "steadycast", "serve", "--port", "0", "--rtsp-port", "0", "--state", str(state)]
    command += ["--config", str(state / "config.toml"), *words]
    with (state / "host.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=ROOT, env=clean_environment(), start_new_session=True
        )
    try:
        yield Host(process, state, state / "host.log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)


def test_without_a_config_it_prints_addresses_what_it_found_and_how_to_stop() -> None:
    with running_host(lobbies=True) as host:
        wait_for("the welcome", lambda: "Ctrl-C" in host.log.read_text())
        text = host.log.read_text()
        for word in (host.url, f"{host.rtsp}/test", f"{host.rtsp}/desktop", "GPU", str(host.state)):
            assert word in text
        for key in ("test", "desktop"):
            host.wait_state(key, "STREAMING")
        told = json.loads((host.runtime / "host.json").read_text())
        assert told["pid"] == host.process.pid
        assert host.stop() == 0
        assert not (host.runtime / "host.json").exists()
        assert [path.name for path in (host.runtime / "workers").iterdir()] == []


def test_a_port_in_use_is_named_with_its_owner(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option, key, other in (("--port", "port", "--rtsp-port"), ("--rtsp-port", "rtsp_port", "--port")):
            line = refused("--state", str(tmp_path), option, port, other, "0")
            assert f"{key}: {port}" in line and "in use" in line and str(os.getpid()) in line and option in line
    assert not (tmp_path / "run" / "host.json").exists()


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--host", "0.0.0.0"], {}, ("host", "auth.token")),
        (["--host", "192.0.2.1"], {"STEADYCAST_AUTH__TOKEN": "x" * 20}, ("host", "no address of this machine")),
        (["--host", "0.0.0.0"], {"STEADYCAST_AUTH__TOKEN": "hunter2"}, ("auth.token", "16")),
        ([], {"STEADYCAST_PORTT": "1"}, ("the environment", "portt", "'port'")),
        (["--port", "-1"], {}, ("the command line", "port", "greater than or equal to 0")),
        (["--config", "/does/not/exist.toml"], {}, ("/does/not/exist.toml", "No such file")),
        (["--state", "/proc/steadycast"], {}, ("state", "/proc/steadycast")),
        (["--state", "/tmp/" + "x" * 100], {}, ("too long", "--state")),
    ],
)
def test_what_the_operator_must_change_is_one_line(
    tmp_path: Path, words: list[str], environment: dict[str, str], said: tuple[str, ...]
) -> None:
    defaults = [] if "--state" in words else ["--state", str(tmp_path)]
    ports = ["--rtsp-port", "0"] + ([] if "--port" in words else ["--port", "0"])
    line = refused(*defaults, *ports, *words, **environment)
    for word in said:
        assert word in line
    assert "hunter2" not in line


def test_a_state_folder_where_nothing_more_can_be_written(tmp_path: Path) -> None:
    command = ["prlimit", "--fsize=100000", sys.executable, "-m", "steadycast", "serve", "--state", str(tmp_path)]
    line = line_of([*command, "--port", "0", "--rtsp-port", "0"], clean_environment())
    assert f"state: {tmp_path} cannot be written: " in line and "--state" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "run"]


@pytest.mark.parametrize(
    ("lobby", "words"),
    [
        ("source = {kind = 'test', width = 101, height = 100}", ("source.width: 101 is odd", "even numbers")),
        ("source = {kind = 'desktop', application = 'x'}", ("no application 'x'", "`sources.applications` is empty")),
        ("source = {kind = 'rtsp', url = 'http://u:secret@h/x'}", ("source.url: scheme 'http'", "rtsp and rtsps")),
        ("source = {kind = 'file', path = '/etc/passwd'}", ("outside the allowed folders", "file_folders")),
        ("source = {kind = 'file', path = '/etc/\\u0000'}".replace("'", '"'), ("source.path: embedded null",)),
        ("source = {kind = 'test'}\nrenditions = [{name = 'a b'}]", ("renditions[0].name", "letters")),
    ],
)
def test_lobbies_of_the_config_that_never_work_are_refused(tmp_path: Path, lobby: str, words: tuple[str, ...]) -> None:
    (tmp_path / "c.toml").write_text(f"[[lobbies]]\nname = 'x'\n{lobby}\n")
    line = refused("--state", str(tmp_path / "s"), "--config", str(tmp_path / "c.toml"))
    assert line.startswith("steadycast: lobbies.0.")
    assert all(word in line for word in words)
    assert "secret" not in line
    assert not (tmp_path / "s").exists()


def test_a_second_instance_on_the_same_state_is_refused(tmp_path: Path) -> None:
    with host_on(tmp_path) as host:
        line = refused("--state", str(tmp_path), "--port", "0", "--rtsp-port", "0")
        assert "another host" in line and str(host.process.pid) in line
        assert host.get("/api/v1/lobbies")["items"] == []


def test_a_broken_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "steadycast.db").write_bytes(b"no database at all " * 500)
    assert "steadycast.db" in refused("--state", str(tmp_path), "--port", "0", "--rtsp-port", "0")


def test_lobbies_of_a_killed_host_come_back_with_their_workers(tmp_path: Path) -> None:
    with host_on(tmp_path) as host:
        made = host.create("kept", {"kind": "test", "width": 320, "height": 240}, key="kept")
        gone = host.create("gone", {"kind": "test", "width": 320, "height": 240}, key="gone")
        host.wait_state("kept", "STREAMING")
        host.delete(gone["id"])
        workers = [worker.pid for worker in host.workers("lobby") + host.workers("egress")]
        host.process.kill()
        host.process.wait()
    port = json.loads((tmp_path / "run" / "host.json").read_text())["rtsp_port"]
    (tmp_path / "run" / "host.json").unlink()
    with host_on(tmp_path, "--rtsp-port", str(port)) as host:  # which its egress worker still has
        (item,) = host.get("/api/v1/lobbies")["items"]
        assert item["id"] == made["id"] and item["key"] == "kept" and item["created"] == made["created"]
        host.wait_state("kept", "STREAMING")
        assert set(workers) <= {one["pid"] for one in host.get("/api/v1/system")["statistics"]["workers"]}
        assert host.create("again", {"kind": "test"}, key="kept")["id"] == made["id"]


def test_a_stop_while_starting_ends_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "steadycast", "serve", "--port", "0", "--rtsp-port", "0"]
    command += ["--state", str(tmp_path)]
    log = tmp_path / "host.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, env=clean_environment())
    wait_for("the first worker", lambda: "worker started" in log.read_text(), DEADLINE_S)
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) == 0, log.read_text()
    assert not list((tmp_path / "run" / "workers").iterdir())
