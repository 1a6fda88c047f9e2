"""Probes of /proc against real processes and against texts that are cut or odd."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.tracking import proc

STAT = "4711 (a) b) S 1 4711 4711 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 987654 1 1 18446744073709551615"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], env={"MARK": "a=b"}, start_new_session=True) as process:
        yield process
        process.kill()


def test_a_name_with_a_parenthesis() -> None:
    one = proc.ProcessStat(4711, "a) b", "S", 1, 4711, 4711, 3, 987654)
    assert proc.parse_stat(STAT) == one
    assert proc.parse_stat(STAT.replace("4194560", "4194564")) == replace(one, exiting=True)


@given(st.text())
def test_any_stat_is_parsed_or_refused(text: str) -> None:
    assert proc.parse_stat(text) is None or ")" in text


@given(st.text())
def test_any_rollup_is_parsed_or_refused(text: str) -> None:
    assert proc.parse_memory(text) is None or "Pss" in text


def test_a_process(sleeper: subprocess.Popen[bytes]) -> None:
    found = proc.stat(sleeper.pid)
    assert found is not None
    assert (found.pid, found.parent, found.session) == (sleeper.pid, os.getpid(), sleeper.pid)
    assert sleeper.pid in proc.processes()
    assert sleeper.pid in proc.children()
    assert sleeper.pid in {one.pid for one in proc.descendants(os.getpid())}
    assert proc.is_same(sleeper.pid, found.start_time)
    assert not proc.is_same(sleeper.pid, found.start_time + 1)


def test_an_environment(sleeper: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30  # until exec has happened the environment is still ours
    while proc.environment(sleeper.pid) != {"MARK": "a=b"}:
        assert time.monotonic() < deadline


def test_gone_is_none_everywhere() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    for probe in (proc.stat, proc.start_time, proc.environment, proc.descriptors, proc.threads_by_name, proc.memory):
        assert probe(process.pid) is None
    assert proc.children(process.pid) == ()
    assert proc.descendants(process.pid) == ()


def test_memory_is_near_what_psutil_says() -> None:
    found, theirs = proc.memory(os.getpid()), psutil.Process().memory_full_info()
    assert found is not None
    assert found.uss == pytest.approx(theirs.uss, rel=0.2)
    assert found.uss <= found.pss <= found.rss


def test_descriptors_and_their_kinds() -> None:
    reading, writing = os.pipe()
    try:
        found = proc.descriptors()
        assert found is not None
        assert found[reading] == found[writing]
        assert proc.descriptor_kind(found[reading]) == "pipe"
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("socket:[1]", "socket"),
        ("anon_inode:[eventpoll]", "eventpoll"),
        ("anon_inode:sync_file", "sync_file"),
        ("anon_inode:", "anonymous"),
        ("/memfd:frames (deleted)", "memfd"),
        ("/dmabuf:", "dmabuf"),
        ("/dev/dri/renderD128", "dri"),
        ("/dev/nvidia-uvm", "nvidia"),
        ("/dev/nvidia0", "nvidia"),
        ("/dev/null", "device"),
        ("/dev/shm/frames (deleted)", "deleted"),
        ("/dev/shm/frames", "file"),
        ("/tmp/a (deleted)", "deleted"),
        ("/tmp/a", "file"),
    ],
)
def test_descriptor_kind(target: str, kind: str) -> None:
    assert proc.descriptor_kind(target) == kind


def test_threads_are_counted_by_name() -> None:
    before = proc.threads_by_name(os.getpid())
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    after = proc.threads_by_name(os.getpid())
    release.set()
    thread.join()
    assert before is not None
    assert after is not None
    assert sum(after.values()) == sum(before.values()) + 1


def test_a_pidfd_names_its_process(sleeper: subprocess.Popen[bytes]) -> None:
    pidfd = os.pidfd_open(sleeper.pid)
    try:
        assert proc.pidfd_target(pidfd) == sleeper.pid
        sleeper.kill()
        sleeper.wait()
        assert proc.pidfd_target(pidfd) == -1
        assert proc.pidfd_target(0) is None
    finally:
        os.close(pidfd)


def test_the_age_of_a_process_is_of_no_wall_clock(sleeper: subprocess.Popen[bytes]) -> None:
    started = proc.start_time(sleeper.pid)
    assert started is not None
    assert 0 <= proc.age(started) < 600
    first = proc.start_time(1)
    assert first is not None and abs(proc.age(first) - (time.time() - psutil.Process(1).create_time())) < 60
