"""A control plane is killed: its workers end by themselves, or the next control plane ends them."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.model import WorkerKind
from steadycast.tracking import proc
from steadycast.workers import records
from steadycast.workers.leftovers import clear_leftovers
from steadycast.workers.records import WorkerRecord
from tests.support import outside

ROOT = Path(__file__).parents[2]
SETTINGS = WorkerSettings(end_s=3, term_s=5, kill_s=20)


@contextmanager
def control_plane(runtime: Path, orphan_timeout_s: float) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A control plane with a lobby worker and a display worker: its process, and their pids and the display."""
    command = [sys.executable, "-m", "tests.support.control_plane", str(runtime), str(orphan_timeout_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            while line.count(" ") != 2 or not line.replace(" ", "").strip().isdigit():  # the log comes before
                assert line, "the control plane ended"
                line = process.stdout.readline()
            yield process, [int(word) for word in line.split()]
        finally:
            process.kill()


@contextmanager
def sleeper(own: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], env=own, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ids(runtime: Path) -> list[str]:
    return [record.id for record in records.read_all(runtime)]


async def test_the_next_control_plane_ends_them(tmp_path: Path) -> None:
    with control_plane(tmp_path, 600) as (process, (lobby, display, number)):
        await outside.until(lambda: len(ids(tmp_path)) == 3)  # with the spare
        workers = ids(tmp_path)
        process.kill()
        process.wait()
        assert proc.start_time(lobby) is not None
        assert proc.start_time(display) is not None
        assert outside.has_socket(number)
        receipts = await clear_leftovers(tmp_path, SETTINGS)
    assert sorted(receipt.worker for receipt in receipts) == workers
    assert {receipt.cause for receipt in receipts} == {"left by a former control plane"}
    assert [receipt for receipt in receipts if not receipt.clean] == []
    assert {receipt.lobby for receipt in receipts} == {"one", "two", None}
    assert [outside.marked(f"STEADYCAST_WORKER={worker}") for worker in workers] == [[], [], []]
    assert outside.stale_files(number) == []
    assert list((tmp_path / "workers").iterdir()) == []
    assert await clear_leftovers(tmp_path, SETTINGS) == ()


async def test_alone_too_long_they_end_by_themselves(tmp_path: Path) -> None:
    with control_plane(tmp_path, 1) as (process, (lobby, display, number)):
        process.kill()
        process.wait()
        await outside.until(lambda: outside.has_ended(lobby) and outside.has_ended(display))
        assert outside.stale_files(number) == []
        receipts = await clear_leftovers(tmp_path, SETTINGS)
    assert all(receipt.clean for receipt in receipts)
    assert list((tmp_path / "workers").iterdir()) == []


@pytest.mark.parametrize("what", ["another start time", "another boot"])
async def test_a_recycled_pid_is_not_killed(tmp_path: Path, what: str) -> None:
    with sleeper() as innocent:
        started = proc.start_time(innocent.pid) or 0
        record = WorkerRecord(
            id="lobby-0123abcd",
            kind=WorkerKind.LOBBY,
            pid=innocent.pid,
            start_time=started - 1 if what == "another start time" else started,
            boot="another" if what == "another boot" else proc.boot_id(),
            token="",
            lobby=None,
            started=1.0,
        )
        records.folder(tmp_path).mkdir()
        records.write(records.folder(tmp_path) / "lobby-0123abcd.json", record)
        (receipt,) = await clear_leftovers(tmp_path, SETTINGS)
        assert receipt.rungs[0].name == "looked"
        assert innocent.poll() is None
    assert list((tmp_path / "workers").iterdir()) == []


async def test_files_that_are_no_records(tmp_path: Path) -> None:
    folder = records.folder(tmp_path)
    folder.mkdir()
    (folder / "lobby-0123abcd.json").write_text('{"id": "lobby-01')
    (folder / "lobby-0123abcd.sock").touch()
    (folder / "egress-0123abcd.json").write_text(json.dumps({"id": 7}))
    (folder / "notes.txt").touch()
    assert await clear_leftovers(tmp_path, SETTINGS) == ()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


async def test_a_worker_without_a_record(tmp_path: Path) -> None:
    """The control plane ended between starting it and writing it down."""
    folder = records.folder(tmp_path)
    folder.mkdir()
    name = f"lobby-{secrets.token_hex(4)}"  # another run of this test on the same machine has another
    (folder / f"{name}.sock").touch()
    own = {"PATH": os.environ["PATH"], "STEADYCAST_WORKER": name}
    with sleeper(own) as process:
        await outside.until(lambda: outside.marked(f"STEADYCAST_WORKER={name}"))
        waiting = asyncio.create_task(asyncio.to_thread(process.wait))
        (receipt,) = await clear_leftovers(tmp_path, SETTINGS)
        # 0: it was our child, and who ended it reaped it before us.
        assert await asyncio.wait_for(waiting, 30) in (-signal.SIGTERM, 0)
    assert receipt.pid == process.pid
    assert receipt.clean
    assert list(folder.iterdir()) == []
