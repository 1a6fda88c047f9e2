"""The canary: one child at a time, always ended, and its answer kept for a while."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from steadycast.workers.canary import Canary
from steadycast.workers.throwaway import judge

SOON = 30


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def pids_in(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir()]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def writes_pids(folder: Path, then: str) -> tuple[str, ...]:
    """A child that leaves a file named after its pid."""
    script = f"import os, pathlib, time; pathlib.Path({str(folder)!r}, str(os.getpid())).touch(); {then}"
    return (sys.executable, "-c", script)


async def test_one_child_for_all_who_ask(tmp_path: Path) -> None:
    canary = Canary(writes_pids(tmp_path, "time.sleep(0.2); print('{\"ok\": true}')"), SOON, fresh_s=SOON)
    results = await asyncio.gather(*(canary.look() for _ in range(20)))
    assert {result.ok for result in results} == {True}
    assert (await canary.look()) is results[0]
    assert len(pids_in(tmp_path)) == 1


async def test_an_old_answer_is_not_kept(tmp_path: Path) -> None:
    canary = Canary(writes_pids(tmp_path, "print('{\"ok\": true}')"), SOON, fresh_s=0)
    for _ in range(3):
        assert (await canary.look()).ok
    assert len(pids_in(tmp_path)) == 3


async def test_a_child_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)']);"
        f"[pathlib.Path({str(tmp_path)!r}, str(p)).touch() for p in (os.getpid(), child.pid)]; time.sleep(1000)"
    )
    result = await Canary((sys.executable, "-c", script), deadline_s=3).look()
    assert not result.ok
    assert "within 3 s" in (result.why or "")
    assert len(pids_in(tmp_path)) == 2
    assert not [pid for pid in pids_in(tmp_path) if alive(pid)]


async def test_closing_ends_the_child(tmp_path: Path) -> None:
    canary = Canary(writes_pids(tmp_path, "time.sleep(1000)"), SOON)
    looking = asyncio.create_task(canary.look())
    while not pids_in(tmp_path):
        await asyncio.sleep(0.02)
    await canary.close()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    assert not [pid for pid in pids_in(tmp_path) if alive(pid)]


async def test_who_asked_may_leave(tmp_path: Path) -> None:
    canary = Canary(writes_pids(tmp_path, "time.sleep(0.3); print('{\"ok\": true}')"), SOON, fresh_s=SOON)
    leaving = asyncio.create_task(canary.look())
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await canary.look()).ok
    assert len(pids_in(tmp_path)) <= 1


async def test_endless_output_is_bounded_and_no_descriptor_stays() -> None:
    before = descriptors()
    for _ in range(3):
        script = "import sys; sys.stderr.write('x' * 4_000_000); print('{\"ok\": true}')"
        assert (await Canary((sys.executable, "-c", script), SOON).look()).ok
    missing = await Canary(("/no/such/program",), SOON).look()
    assert "cannot be started" in (missing.why or "")
    assert descriptors() <= before + 1  # the loop may open one of its own for children


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(-15, 255))
def test_any_answer_is_judged(out: bytes, err: bytes, code: int) -> None:
    told, why = judge(out, err, code)
    assert isinstance(told, dict)
    assert why is None or why
    if code != 0:
        assert why is not None
