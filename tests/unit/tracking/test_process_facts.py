"""Facts of processes that really run: ours, a zombie, one that is stopped, one that is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from steadycast.tracking import facts
from steadycast.tracking.facts import ProcessFacts

WAITING = (
    "import signal, sys, threading\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})\n"
    "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
    "ready = threading.Event()\n"
    "def wait():\n    ready.set()\n    signal.sigwait({signal.SIGUSR2})\n"
    "threading.Thread(target=wait, daemon=True).start()\n"
    "ready.wait()\nprint(flush=True)\nsys.stdin.read()\n"
)


@contextmanager
def process(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """One that said that it is ready."""
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        try:
            assert one.stdout is not None
            one.stdout.readline()
            yield one
        finally:
            one.kill()


def look(pid: int) -> ProcessFacts:
    found = ProcessFacts(pid)
    for step in facts.steps(found):
        step()
    return found


def test_this_process() -> None:
    with process("print(flush=True); input()") as child:
        found = look(os.getpid())
        assert found.state in ("R", "S") and found.status["Name"] and found.command
        assert found.threads is not None and os.getpid() in [thread.id for thread in found.threads]
        assert found.children is not None and child.pid in [one.pid for one in found.children]
        assert found.descriptors is not None and found.descriptors["pipe"] >= 2
        assert found.private is not None and found.pss is not None and found.private > 0


def test_one_that_can_be_asked_and_one_that_cannot() -> None:
    with process(WAITING) as child:
        while not facts.waits_for(child.pid, signal.SIGUSR2):
            assert child.poll() is None
        assert facts.catches(child.pid, signal.SIGUSR1)
        assert not facts.catches(child.pid, signal.SIGHUP)
        assert not facts.waits_for(child.pid, signal.SIGHUP)
    with process("print(flush=True); input()") as child:
        assert not facts.catches(child.pid, signal.SIGUSR1) and not facts.waits_for(child.pid, signal.SIGUSR2)


def test_one_that_has_ended_and_one_that_never_was() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    found = look(child.pid)
    assert found.state == "Z" and found.pss is None
    child.wait()
    gone = look(child.pid)
    assert gone.state is None and gone.threads is None and gone.descriptors is None and gone.children == ()
