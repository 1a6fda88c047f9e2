"""A machine that stood still (a stopped container, a frozen cgroup) goes on as if nothing had been; so does one whose
wall clock jumps."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path

import psutil
import pytest

from tests.support.host import Host, running_host, wait_for
from tests.support.whep_watcher import WhepWatcher

pytestmark = pytest.mark.process

STOPPED_S = 2.5  # longer than every patience below
CONFIG = """
[workers]
heartbeat_s = 0.2
silence_s = 1.2
stall_s = 1.2
request_s = 3
orphan_timeout_s = 2
spares = 0
[egress]
spares = 0
[sources]
rtsp_timeout_s = 1.5
[[lobbies]]
key = "one"
name = "One"
source = { kind = "test", width = 320, height = 180, fps = 15 }
"""


def stand_still(processes: list[psutil.Process], seconds: float) -> None:
    """Stop all, for so long, and let all go on."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    wait_for("all to be stopped", lambda: all(one.status() == psutil.STATUS_STOPPED for one in processes))
    threading.Event().wait(seconds)  # the length of the stop is what is tested
    for process in processes:
        process.send_signal(signal.SIGCONT)


def tree(host: Host) -> list[psutil.Process]:
    top = psutil.Process(host.process.pid)
    return [top, *top.children(recursive=True)]


@pytest.mark.parametrize("which", ["everything", "the control plane"])
def test_nothing_is_ended_because_time_passed(which: str) -> None:
    with running_host(CONFIG) as host:
        host.wait_state("one", "STREAMING")
        watcher = WhepWatcher(host, "one")
        watcher.frames_more(10)
        before = tree(host)
        stand_still(before if which == "everything" else before[:1], STOPPED_S)
        watcher.frames_more(45)  # some seconds: every look at the time has been
        assert {one.pid for one in tree(host)} == {one.pid for one in before}
        view = host.lobby("one")
        assert (view["state"], view["viewers"], view["restarts"]) == ("STREAMING", 1, 0)
        assert host.get("/api/v1/receipts")["items"] == []
        watcher.leave(host)


def test_workers_without_a_control_plane_wait_in_their_own_time() -> None:
    with running_host(CONFIG) as host:
        host.wait_state("one", "STREAMING")
        workers = tree(host)[1:]
        os.kill(host.process.pid, signal.SIGKILL)
        host.process.wait()
        stand_still(workers, STOPPED_S)
        threading.Event().wait(1.0)  # far less than they have, far more than they need to look at the time
        assert all(one.is_running() for one in workers)
        wait_for("all to end by themselves", lambda: not any(lives(one) for one in workers), 40)


@pytest.mark.slow
def test_the_wall_clock_may_jump(tmp_path: Path) -> None:
    """Days forward and back, for all processes of the host, by libfaketime."""
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if library is None:
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    jumping = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with running_host(CONFIG, more_env=jumping) as host:
        host.wait_state("one", "STREAMING")
        watcher = WhepWatcher(host, "one")
        watcher.frames_more(10)
        before = {one.pid for one in tree(host)}
        for jump in ("+3d", "-3d"):
            clock.write_text(jump)
            wait_for("the host to see it", lambda: jumped(host))
            watcher.frames_more(20)
            clock.write_text("+0")
            wait_for("the host to see it", lambda: not jumped(host))
        view = host.lobby("one")
        assert (view["state"], view["viewers"], view["restarts"]) == ("STREAMING", 1, 0)
        assert {one.pid for one in tree(host)} == before
        watcher.leave(host)


def jumped(host: Host) -> bool:
    """Whether its wall clock is far from what it was at its start."""
    with urllib.request.urlopen(f"{host.url}/api/v1/system", timeout=30) as answer:
        told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        assert json.load(answer)["uptime_s"] >= 0
    return abs(told - time.time()) > 86_400


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
