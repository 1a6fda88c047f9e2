"""Receipts: each thing that stays behind shows, and what could not be looked at is not clean."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import WorkerKind
from steadycast.tracking import proc, receipts
from steadycast.tracking.families import Identity, family, near
from steadycast.tracking.receipts import Held, Outcome, Remains

MARKED = ("MARK", f"lobby-1 of {os.getpid()}")  # other runs of these tests have their own
GONE = Identity(2**22 + 1, 1)  # above the kernel's largest pid


def held(folder: Path, identity: Identity = GONE, **more: object) -> Held:
    return Held("lobby-1", WorkerKind.LOBBY, None, identity, MARKED, 1.0, folder, **more)  # type: ignore[arg-type]


RESIDUE = st.none() | st.lists(st.text(min_size=1), max_size=2).map(tuple)


@given(st.none() | st.booleans(), RESIDUE, RESIDUE, RESIDUE, RESIDUE)
def test_clean_means_all_looked_at_and_nothing_left(
    process: bool | None,
    descendants: tuple[str, ...] | None,
    descriptors: tuple[str, ...] | None,
    displays: tuple[str, ...] | None,
    files: tuple[str, ...] | None,
) -> None:
    one = held(Path("/nowhere"), displays=(7,))
    found = receipts.checks(one, Remains(process, descendants, descriptors, displays, files))
    receipt = receipts.write(one, Outcome("test", 0, None, ()), found)
    assert receipt.clean == (process is False and (descendants, descriptors, displays, files) == ((), (), (), ()))
    assert all((check.why is None) == (check.residue is not None) for check in found)


def test_no_checks_are_not_clean() -> None:
    assert not receipts.write(held(Path("/nowhere")), Outcome("test", None, None, ()), ()).clean


def test_nothing_left(tmp_path: Path) -> None:
    assert receipts.look(held(tmp_path)) == Remains(False, (), (), (), ())


def test_files_of_this_worker_alone(tmp_path: Path) -> None:
    for name in ("lobby-1.sock", "lobby-10.sock", "lobby-1.log"):
        (tmp_path / name).touch()
    assert receipts.look(held(tmp_path)).files == (str(tmp_path / "lobby-1.log"), str(tmp_path / "lobby-1.sock"))


def test_a_process_that_stays_and_one_that_forked_away(tmp_path: Path) -> None:
    own = {"PATH": os.environ["PATH"], "MARK": MARKED[1]}
    script = "setsid sleep 600 & echo $!; exec sleep 600"
    with subprocess.Popen(["sh", "-c", script], env=own, stdout=subprocess.PIPE, start_new_session=True) as head:
        assert head.stdout is not None
        away = int(head.stdout.readline())
        identity = Identity(head.pid, proc.start_time(head.pid) or 0)
        found = receipts.look(held(tmp_path, identity))
        assert found.process is True
        assert [f"pid {away}" in text for text in found.descendants or ()] == [True]
        assert [one.pid for one in near(head.pid)] == [away]
        head.kill()
        head.wait()
        after = receipts.look(held(tmp_path, identity))
        assert after.process is False
        assert [f"pid {away}" in text for text in after.descendants or ()] == [True]
        # Its mark alone finds it, and nothing else is found by a session that may be another's.
        assert [one.pid for one in family(identity, MARKED, by_session=False)] == [away]
        assert family(identity, ("MARK", "other"), by_session=False) == ()
        os.kill(away, 9)


def test_a_recycled_pid_has_no_family() -> None:
    """A session that lives, its head's number with another start time: nobody of it may be taken for the family."""
    script = "sleep 600 & echo $!; exec sleep 600"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as head:
        assert head.stdout is not None
        child = int(head.stdout.readline())
        started = proc.start_time(head.pid) or 0
        assert [one.pid for one in family(Identity(head.pid, started), ("MARK", "no"))] == [child]
        assert family(Identity(head.pid, 0), ("MARK", "no")) == ()
        os.killpg(head.pid, 9)


def test_what_is_outside_our_pid_namespace_is_no_session() -> None:
    """The kernel shows session 0 for whoever was put in the namespace from outside: nobody's family."""
    assert family(Identity(0, 0), ("MARK", "no")) == ()


@pytest.mark.parametrize("closed", [True, False])
def test_a_descriptor_that_stays(tmp_path: Path, closed: bool) -> None:
    reading, writing = os.pipe()
    described = receipts.describe([("pipe", reading)])
    if closed:
        os.close(reading)
        os.close(writing)
    left = receipts.look(held(tmp_path, descriptors=described)).descriptors
    assert left is not None
    assert len(left) == (0 if closed else 1)
    if not closed:
        os.close(reading)
        os.close(writing)
