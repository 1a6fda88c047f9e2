"""kill -9 of the control plane while people watch: the next one goes on with everything, and nobody notices."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end.conftest import BUNNY
from tests.end_to_end.conftest import CONFIG as COMMON
from tests.support.chaos.ground import has_own_mounts
from tests.support.host import ROOT, Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer
from tests.support.watching import UNTOUCHED, Watcher, watching
from tests.support.whep_watcher import WhepWatcher, whep_watching

pytestmark = pytest.mark.process

# These viewers give no sign of life, and a busy machine needs its time to start a host.
CONFIG = COMMON + "[egress]\nviewer_silence_s = 300\n"
FPS = 10  # so few that a busy machine leaves none out
TEST = {"kind": "test", "width": 320, "height": 240, "fps": FPS}
DESKTOP = {"kind": "desktop", "application": "ico", "width": 320, "height": 240}
FILE = {"kind": "file", "path": str(BUNNY)}


@contextlib.contextmanager
def hosts(state: Path, config: str = CONFIG) -> Iterator[contextlib.ExitStack]:
    """Where hosts on one state are started, one after the other; what a killed one left is ended by a last one."""
    with contextlib.ExitStack() as stack:
        try:
            yield stack
        finally:
            stack.close()
            if any((state / "run" / "workers").glob("*.json")):
                with running_host(config, kept=state):
                    pass


def facts(host: Host, lobbies: list[str]) -> dict[str, Any]:
    """What must be the same before and after."""
    views = [host.lobby(lobby) for lobby in lobbies]
    leases = [(lease["holder"], lease["quota"], lease["amount"]) for lease in host.get("/api/v1/leases")["items"]]
    return {
        "lobbies": [(view["id"], view["key"], view["state"], view["workers"]) for view in views],
        "renditions": [[(r["name"], r["running"], r["viewers"]) for r in view["renditions"]] for view in views],
        "viewers": sorted(
            (one["id"], one["lobby"], one["rendition"], one["state"], one["remote"], one["transport"])
            for one in host.get("/api/v1/viewers")["items"]
        ),
        "leases": sorted(leases),
    }


def test_nobody_notices(tmp_path: Path) -> None:
    keys = ["test", "desktop", "file"]
    with hosts(tmp_path) as stack:
        host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
        sources: dict[str, dict[str, Any]] = dict(zip(keys, (TEST, DESKTOP, FILE), strict=True))
        ids = [host.create(key, sources[key], key=key)["id"] for key in keys]
        for key in keys:
            host.wait_state(key, "STREAMING")
        players = [stack.enter_context(watching(f"{host.rtsp}/{key}")) for key in keys]
        browser = stack.enter_context(whep_watching(host, "test"))
        everybody: list[Watcher | WhepWatcher] = [*players, browser]
        for one in everybody:
            one.frames_more(20)
        before = wait_for("all to watch", lambda: _watched(host, keys, 4))
        for _ in range(2):
            host.kill()
            host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
            assert facts(host, keys) == before
            told = host.get("/api/v1/system")["adoption"]
            assert told["viewers"] == 4 and told["ended"] == 0 and told["adopted"]["display"] == 1
            for one in everybody:
                one.frames_more(20)
        again = [host.create(key, sources[key], key=key)["id"] for key in keys]
        assert again == ids and len(host.get("/api/v1/lobbies")["items"]) == 3
        browser.restart(host)
        browser.frames_more(20)
        players[0].check(replace(UNTOUCHED, fps=FPS))
        for player in players[1:]:
            player.check(UNTOUCHED)
        with RtspViewer(f"{host.rtsp}/test") as newcomer:
            newcomer.play()
            newcomer.receive_frames(5)
        browser.leave(host)
        for key in keys:
            gone = host.delete(key)
            assert gone["state"] == "DESTROYED" and gone["receipts"]
            assert all(receipt["clean"] for receipt in gone["receipts"]), gone
        wait_for("no lease", lambda: not host.get("/api/v1/leases")["items"])
        assert not host.get("/api/v1/viewers")["items"]
        names = {e["name"] for e in _events(host)}
        assert "host.adopted" in names


def test_killed_while_lobbies_are_created(tmp_path: Path) -> None:
    """Callers ask for the same keys at the same time; whatever was answered stays true, and nothing is there twice."""
    keys = [f"k{number}" for number in range(5)]
    with hosts(tmp_path) as stack:
        host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
        answered: dict[str, set[str]] = {key: set() for key in keys}
        some = threading.Event()

        def ask() -> None:
            with contextlib.suppress(OSError):
                while True:
                    for key in keys:
                        answered[key].add(host.create(key, TEST, key=key)["id"])
                        some.set()

        callers = [threading.Thread(target=ask) for _ in range(3)]
        for caller in callers:
            caller.start()
        assert some.wait(30)
        host.kill()
        for caller in callers:
            caller.join(60)
        host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
        for key in keys:
            answered[key].add(host.create(key, TEST, key=key)["id"])
        assert all(len(ids) == 1 for ids in answered.values()), answered
        assert len(host.get("/api/v1/lobbies")["items"]) == len(keys)
        for key in keys:
            host.wait_state(key, "STREAMING")
        shown = [pid for key in keys for pid in host.lobby(key)["workers"]]
        assert len(shown) == len(set(shown)) == len(keys)

        def settled() -> bool:
            workers = host.get("/api/v1/system")["statistics"]["workers"]
            return sorted(one["pid"] for one in workers if one["lobby"]) == sorted(shown)

        wait_for("no worker but those of the lobbies", settled)


def test_quit_leaves_all_to_the_next(tmp_path: Path) -> None:
    with hosts(tmp_path) as stack:
        host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
        host.create("a", TEST, key="a")
        host.wait_state("a", "STREAMING")
        with watching(f"{host.rtsp}/a") as player:
            player.frames_more(10)
            workers = host.lobby("a")["workers"]
            host.process.send_signal(signal.SIGQUIT)
            assert host.process.wait(20) == 0
            assert all(psutil.pid_exists(pid) for pid in workers)
            host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
            assert host.lobby("a")["workers"] == workers and host.lobby("a")["state"] == "STREAMING"
            player.frames_more(20)
            player.check(replace(UNTOUCHED, fps=FPS))
            ended = [(one["kind"], one["cause"]) for one in host.get("/api/v1/receipts")["items"]]
            assert not ended, ended


def test_workers_of_nobody_end_themselves(tmp_path: Path) -> None:
    config = CONFIG + "[workers]\norphan_timeout_s = 2\n"
    with hosts(tmp_path, config) as stack:
        host = stack.enter_context(running_host(config, kept=tmp_path))
        host.create("a", TEST, key="a")
        host.create("b", DESKTOP, key="b")
        for key in "ab":
            host.wait_state(key, "STREAMING")
        tree = psutil.Process(host.process.pid).children(recursive=True)
        host.kill()
        wait_for("all to be gone", lambda: not [p for p in tree if _lives(p)])
        host = stack.enter_context(running_host(config, kept=tmp_path))
        for key in "ab":
            host.wait_state(key, "STREAMING")
        receipts = host.get("/api/v1/receipts?limit=100")["items"]
        left = {process.pid for process in tree}
        mine = [receipt for receipt in receipts if receipt["pid"] in left]
        assert mine and all(receipt["clean"] for receipt in mine), mine
        assert sum(host.get("/api/v1/system")["adoption"]["adopted"].values()) == 0


def test_a_host_that_cannot_start_ends_nothing(tmp_path: Path) -> None:
    """Its RTSP port is taken by another program: what runs goes on, and the next host finds it."""
    with hosts(tmp_path) as stack, socket.create_server(("127.0.0.1", 0)) as other:
        host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
        host.create("a", TEST, key="a")
        workers = host.wait_state("a", "STREAMING")["workers"]
        with watching(f"{host.rtsp}/a") as player:
            player.frames_more(5)
            host.kill()
            words = [sys.executable, "-m", "steadycast", "serve", "--port", "0", "--state", str(tmp_path)]
            words += ["--rtsp-port", str(other.getsockname()[1]), "--config", str(tmp_path / "config.toml")]
            failed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
            assert failed.returncode == 2 and "is in use" in failed.stderr, failed
            assert all(psutil.pid_exists(pid) for pid in workers)
            host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
            assert host.lobby("a")["workers"] == workers and host.rtsp == player.viewer.url.rpartition("/")[0]
            player.frames_more(5)
            player.check(replace(UNTOUCHED, fps=FPS))


def test_told_to_end_it_tells_its_viewers(tmp_path: Path) -> None:
    """SIGTERM: whoever listens to events hears of it first, viewers are told, and nothing stays."""
    with hosts(tmp_path) as stack:
        host = stack.enter_context(running_host(CONFIG, kept=tmp_path))
        host.create("a", TEST, key="a")
        host.wait_state("a", "STREAMING")
        player = stack.enter_context(watching(f"{host.rtsp}/a"))
        browser = stack.enter_context(whep_watching(host, "a"))
        player.frames_more(5)
        browser.frames_more(5)
        tree = psutil.Process(host.process.pid).children(recursive=True)
        with urllib.request.urlopen(f"{host.url}/api/v1/events", timeout=30) as stream:
            host.process.send_signal(signal.SIGTERM)
            names = [json.loads(line[6:])["name"] for line in stream if line.startswith(b'data: {"id"')]
        assert host.process.wait(40) == 0
        assert "host.closing" in names and names.index("host.closing") < names.index("viewer.gone")
        assert "lobby.DESTROYED" in names
        wait_for("the goodbyes", lambda: browser.viewer.closed and player.ended is not None)
        assert not [process for process in tree if _lives(process)]
        assert not list((tmp_path / "run" / "workers").glob("*"))


def _watched(host: Host, keys: list[str], viewers: int) -> dict[str, Any] | None:
    seen = facts(host, keys)
    watching = [one for one in seen["viewers"] if one[3] == "watching"]
    return seen if len(watching) == viewers else None


def _events(host: Host) -> list[dict[str, Any]]:
    """What the event stream has kept."""
    found = []
    with urllib.request.urlopen(f"{host.url}/api/v1/events?after=0", timeout=20) as response:
        for line in response:
            if line.startswith(b'data: {"id"'):
                found.append(json.loads(line[6:]))
                if found[-1]["name"] == "lobby.DESTROYED":
                    break
    return found


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.skipif(not has_own_mounts(), reason="this machine lets us mount nothing")
def test_a_full_disk_keeps_nobody_from_adopting(tmp_path: Path) -> None:
    before = ["unshare", "-m", "--propagation", "private"]
    words = [*before, sys.executable, "-m", "tests.support.full_start", str(tmp_path)]
    found = json.loads(subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=200).stdout)
    assert found["same"] == [True] * 4 and found["adopted"]["lobby"] >= 1
    assert "nothing new can be started" in found["log"]
    assert (found["code"], found["left"]) == (0, [])
