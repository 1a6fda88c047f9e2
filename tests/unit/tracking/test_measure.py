"""What a process holds, measured from outside: against what a child of the test is told to hold."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.tracking import proc, sockets
from steadycast.tracking.measure import KEYS, bounded, fold, folded, measure

# Opens what each line of its input names, and answers with a port or nothing.
CHILD = """
import os, socket, subprocess, sys, threading, time
keep = []
for line in sys.stdin:
    word, answer = line.strip(), ""
    if word == "thread":
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    elif word == "child":
        keep.append(subprocess.Popen(["sleep", "600"]))
    elif word in ("tcp", "udp", "udp6"):
        one = socket.socket(socket.AF_INET6 if word == "udp6" else socket.AF_INET,
                            socket.SOCK_STREAM if word == "tcp" else socket.SOCK_DGRAM)
        one.bind(("::1" if word == "udp6" else "127.0.0.1", 0))
        if word == "tcp":
            one.listen(8)
        keep.append(one)
        answer = str(one.getsockname()[1])
    elif word == "pipe":
        keep.append(os.pipe())
    elif word == "memory":
        keep.append(bytearray(os.urandom(1 << 20) * 16))
    print("done " + answer, flush=True)
for one in keep:
    if isinstance(one, subprocess.Popen):
        one.kill()
"""


class Child:
    def __init__(self) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self.popen.pid
        self.tell("ready")

    def tell(self, word: str) -> str:
        assert self.popen.stdin is not None and self.popen.stdout is not None
        self.popen.stdin.write(word + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline().removeprefix("done ").strip()


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child()
    yield made
    made.popen.communicate(timeout=30)


def test_all_that_a_process_opens_is_measured(child: Child) -> None:
    before = measure(child.pid)
    ports = {f"{word}:{child.tell(word)}" for word in ("tcp", "udp")}
    for word in ("thread", "child", "pipe", "memory"):
        child.tell(word)
    after = measure(child.pid, lambda pid: (pid, None), {"GstPad": 2})
    assert before.descriptors is not None and after.descriptors is not None
    assert after.descriptors["socket"] == before.descriptors.get("socket", 0) + 2
    assert after.descriptors["pipe"] == before.descriptors.get("pipe", 0) + 2
    assert before.threads is not None and after.threads is not None
    assert sum(after.threads.values()) == sum(before.threads.values()) + 1
    assert (before.processes, after.processes) == (1, 2)
    assert before.ports == () and set(after.ports or ()) == ports
    assert before.pss is not None and after.pss is not None and after.pss - before.pss > 8 << 20
    assert before.private_dirty is not None and (after.private_dirty or 0) - before.private_dirty > 8 << 20
    assert (before.vram, before.objects) == (None, None)
    assert (after.vram, after.encoder_sessions, after.objects) == (child.pid, None, {"GstPad": 2})


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_a_port_of_ipv6_counts_as_one(child: Child) -> None:
    try:
        number = child.tell("udp6")
    except OSError:
        pytest.skip("no IPv6 on loopback")
    assert measure(child.pid).ports == (f"udp:{number}",)


def test_nothing_is_known_of_who_is_gone() -> None:
    popen = subprocess.Popen(["true"])
    popen_stat = proc.stat(popen.pid)
    assert popen_stat is not None
    os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    found = measure(popen.pid)
    assert found.processes == 1
    assert {found.descriptors, found.pss, found.ports} == {None} and found.threads is None
    popen.wait()
    assert measure(popen.pid).processes == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("queue3:src", "queue#:src"),
        ("queue12:src", "queue#:src"),
        ("multiqueue1:src", "multiqueue#"),  # 15 characters: the kernel may have cut it
        ("multiqueue12:sr", "multiqueue#"),
        ("pool-python", "pool-python"),
        ("ThreadPool-1_22", "ThreadPool-#_#"),
        ("", "#"),
    ],
)
def test_names_of_threads_are_folded(name: str, expected: str) -> None:
    assert fold(name) == expected


@given(st.dictionaries(st.text(max_size=15), st.integers(1, 1000), max_size=200))
def test_keys_are_bounded_and_nothing_is_lost(threads: dict[str, int]) -> None:
    for found in (folded(threads), bounded(threads)):
        assert len(found) <= KEYS
        assert sum(found.values()) == sum(threads.values())


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_number_makes_no_new_key(one: int, other: int) -> None:
    assert fold(f"queue{one}:src"[:15]).startswith("queue#") and fold(f"pool-{one}") == fold(f"pool-{other}")


@given(st.text(), st.sets(st.integers(0, 1 << 32)))
def test_a_table_of_any_text_raises_nothing_unless_it_is_ours(text: str, wanted: set[int]) -> None:
    assert sockets.parse("head\n" + text.replace("\n", " "), ()) == frozenset()
    assert isinstance(sockets.inodes([text]), frozenset)
    line = "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 4711 1 x"
    assert sockets.parse(f"head\n{line}", {4711, *wanted}) == {8080}
