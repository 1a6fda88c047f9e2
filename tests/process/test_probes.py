"""The sampler over real processes: a leak of memfds, a zombie, a pid that ended, sessions, another user's process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from steadycast.model import Look, Measured, Resource
from steadycast.tracking import proc
from steadycast.tracking.probes.pace import Steps
from steadycast.tracking.probes.sampler import Sampled, Sampler
from steadycast.tracking.probes.targets import Target

pytestmark = pytest.mark.process
WAIT_S = 30.0
STEPS = Steps(fast_s=0.05, settle_s=0.2)
# Does what a line of its input says, and answers.
_PROGRAM = """
import os, subprocess, sys
children = []
for line in sys.stdin:
    word = line.strip()
    if word == "leak":
        os.posix_fallocate(os.memfd_create("frames"), 0, 1 << 20)
    elif word == "begin":
        children.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE))
    elif word == "end":
        children.pop().communicate()
    elif word == "zombie":
        if os.fork() == 0:
            os._exit(0)
    print("done", flush=True)
"""


class Program:
    """A process that does what it is told."""

    def __init__(self) -> None:
        words = [sys.executable, "-S", "-c", _PROGRAM]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextmanager
def program() -> Iterator[Program]:
    one = Program()
    try:
        yield one
    finally:
        one.process.communicate()


@contextmanager
def sampling(*targets: Target) -> Iterator[Callable[[Callable[[Sampled], object]], Sampled]]:
    """A sampler that runs; what is yielded waits for a round that fits."""
    rounds: list[Sampled] = []
    came = threading.Condition()

    def take(sampled: Sampled) -> None:
        with came:
            rounds.append(sampled)
            came.notify_all()

    def until(fits: Callable[[Sampled], object]) -> Sampled:
        def found() -> Sampled | None:
            seen, rounds[:] = list(rounds), []
            return next((one for one in reversed(seen) if fits(one)), None)

        with came:
            sampled = came.wait_for(found, WAIT_S)
        assert sampled is not None, "no such round came"
        return sampled

    sampler = Sampler(targets, steps=STEPS)
    sampler.start(take)
    try:
        yield until
    finally:
        sampler.stop()


def look(sampled: Sampled, role: str) -> Look | None:
    return next((one.look for one in sampled.samples if one.look.owner.role == role), None)


def value(sampled: Sampled, resource: Resource, detail: str = "", role: str = "server") -> float | None:
    found = look(sampled, role)
    return None if found is None else found.values.get(Measured(resource, detail))


def test_a_memfd_that_is_lost_is_seen_by_kind_and_size() -> None:
    before = len(proc.descriptors() or {})
    with program() as one, sampling(Target("server", pid=one.pid)) as until:
        first = until(lambda seen: value(seen, Resource.PRIVATE))
        assert value(first, Resource.MEMFD) == 0
        for _ in range(3):
            one.tell("leak")
        lost = until(lambda seen: value(seen, Resource.DESCRIPTORS, "memfd") == 3)
        assert value(lost, Resource.MEMFD) == 3 << 20
        sample = next(sample for sample in lost.samples if sample.look.owner.role == "server")
        (limit,) = [bound for bound in sample.bounds if bound.name == "RLIMIT_NOFILE"]
        assert limit.used == value(lost, Resource.DESCRIPTORS)
    assert len(proc.descriptors() or {}) <= before, "nothing stays open"


def test_sessions_are_counted_and_come_to_rest() -> None:
    with program() as one, sampling(Target("server", pid=one.pid)) as until:
        until(lambda seen: look(seen, "server"))
        for number in range(3):
            one.tell("begin")
            during = until(lambda seen: (found := look(seen, "server")) and found.load.get("sessions") == 1)
            assert value(during, Resource.CHILDREN, "cat") == 1
            one.tell("end")
            rest = until(
                lambda seen, done=number + 1: (  # type: ignore[misc]
                    (found := look(seen, "server")) and found.quiet and found.finished.get("session") == done
                )
            )
            found = look(rest, "server")
            assert found is not None
            assert found.load["sessions"] == 0


def test_zombies_are_counted() -> None:
    with program() as one, sampling(Target("server", pid=one.pid)) as until:
        one.tell("zombie")
        one.tell("zombie")
        until(lambda seen: value(seen, Resource.ZOMBIES) == 2)


def test_a_process_that_ended_is_said_to_have() -> None:
    with program() as one, sampling(Target("server", pid=one.pid)) as until:
        epoch = f"{one.pid}:{proc.start_time(one.pid)}"
        until(lambda seen: look(seen, "server"))
        one.process.kill()
        one.process.wait()
        until(lambda seen: ("server", epoch) in seen.ended)
        until(lambda seen: "ended" in seen.missing.get("server", ""))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may be somebody else")
def test_a_process_of_another_user_has_reasons() -> None:
    """A process of user 65534 looks at this one."""
    code = (
        "import json, os, sys; sys.path.insert(0, sys.argv[2]); "
        "from steadycast.tracking.probes.sampler import Sampler; "
        "from steadycast.tracking.probes.targets import Target; "
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); "
        "seen = Sampler([Target('server', pid=int(sys.argv[1]))]).sample(); "
        "look = next(one.look for one in seen.samples if one.look.owner.role == 'server'); "
        "print(json.dumps([look.unknown, [m.resource for m in look.values]]))"
    )
    root = str(pytest.importorskip("steadycast").__path__[0]).removesuffix("/steadycast")
    words = [sys.executable, "-c", code, str(os.getpid()), root]
    text = subprocess.run(words, capture_output=True, text=True, check=True, timeout=WAIT_S).stdout
    for resource in (Resource.PRIVATE, Resource.DESCRIPTORS):
        assert f'"{resource}": ' in text
        assert "not ours to read" in text
    assert Resource.RSS in text
