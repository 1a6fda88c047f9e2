"""What a killed control plane leaves besides its workers: they end by themselves, or the next one sweeps it away."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.model import Receipt, WorkerKind
from steadycast.tracking import proc
from steadycast.workers import records
from steadycast.workers.adoption import Adoption
from steadycast.workers.records import WorkerRecord
from steadycast.workers.supervisor import Supervisor
from tests.support import outside
from tests.support.killed_plane import control_plane, ended, sleeper


@asynccontextmanager
async def adopted(runtime: Path) -> AsyncIterator[Adoption]:
    settings = WorkerSettings(spares=0, end_s=3, term_s=5, kill_s=20)
    supervisor = Supervisor(runtime, settings, lambda receipt: None, gstreamer=False)
    await supervisor.open()
    try:
        yield await supervisor.adopt()
    finally:
        await supervisor.close()


def marked_by(runtime: Path) -> list[int]:
    return outside.marked(f"STEADYCAST_HOME={runtime}")


async def test_workers_that_died_with_it_leave_nothing(tmp_path: Path) -> None:
    """The programs that they started live on, forked away."""
    with control_plane(tmp_path, 600, "family") as killed:
        lobby, display, number = killed.told
        await outside.until(lambda: len(records.read_all(tmp_path)) == 3)  # with the spare
        killed.kill()
        for pid in (lobby, display):
            os.kill(pid, signal.SIGKILL)
        await outside.until(lambda: outside.has_ended(lobby) and outside.has_ended(display))
        assert marked_by(tmp_path)
        async with adopted(tmp_path) as adoption:
            assert len(adoption.adopted) == 1
            gone = await ended(adoption)
            assert {receipt.lobby for receipt in gone} == {"one", "two"}
            assert {receipt.cause for receipt in gone} == {"ended while there was no control plane"}
            assert [receipt for receipt in gone if not receipt.clean] == []
            assert any(name.endswith(".display") for name in adoption.swept)
    assert marked_by(tmp_path) == []
    assert outside.stale_files(number) == []
    assert list((tmp_path / "workers").iterdir()) == []


async def test_a_dead_display_is_swept(tmp_path_factory: pytest.TempPathFactory) -> None:
    for _ in range(5):
        number, swept = await _leave_a_display(tmp_path_factory.mktemp("d"))
        if number is not None:
            assert f"/tmp/.X11-unix/X{number}" in swept
            assert outside.stale_files(number) == []
            return
    raise AssertionError("each time another server took the number before it could be swept")


async def _leave_a_display(runtime: Path) -> tuple[int | None, tuple[str, ...]]:
    """The number that a dead X server left, and what was swept; None where another one took that number just then."""
    with control_plane(runtime, 600, "family") as killed:
        number = killed.told[2]
        killed.kill()
        for pid in marked_by(runtime):
            with suppress(ProcessLookupError):  # some end with their parents
                os.kill(pid, signal.SIGKILL)
        await outside.until(lambda: not marked_by(runtime))
        was_there = outside.stale_files(number) == [f"/tmp/.X11-unix/X{number}"]
        async with adopted(runtime) as adoption:
            await ended(adoption)
            assert adoption.adopted == ()
            is_free = was_there and not outside.answers(number)
            return (number if is_free else None), tuple(adoption.swept)


async def test_alone_too_long_they_end_by_themselves(tmp_path: Path) -> None:
    with control_plane(tmp_path, 1, "family") as killed:
        lobby, display, number = killed.told
        killed.kill()
        await outside.until(lambda: outside.has_ended(lobby) and outside.has_ended(display))
        assert outside.stale_files(number) == []
        async with adopted(tmp_path) as adoption:
            assert all(receipt.clean for receipt in await ended(adoption))
    assert list((tmp_path / "workers").iterdir()) == []


async def test_the_runtime_folder_is_wiped(tmp_path: Path) -> None:
    """Workers that live are found by the mark of their host, and never those of another host."""
    runtime = tmp_path / "run"
    runtime.mkdir()
    other = {"PATH": os.environ["PATH"], "STEADYCAST_WORKER": "lobby-0123abcd", "STEADYCAST_HOME": str(tmp_path)}
    with sleeper(other) as innocent, control_plane(runtime, 600, "family") as killed:
        killed.kill()
        shutil.rmtree(runtime)
        runtime.mkdir()
        left = marked_by(runtime)
        assert len(left) >= 4  # both workers, the X server, programs
        async with adopted(runtime) as adoption:
            assert adoption.adopted == ()
            gone = await ended(adoption)
            assert {receipt.cause for receipt in gone} == {"not adopted: it was not written down"}
            assert [receipt for receipt in gone if not receipt.clean] == []
            swept = " ".join(adoption.swept)
            # Some may end by themselves, when their parents do: at least both workers, the X server, programs.
            assert sum(f"process {pid} (" in swept for pid in left) >= min(4, len(left))
        assert marked_by(runtime) == []
        assert innocent.poll() is None
    assert outside.stale_files(killed.told[2]) == []


@pytest.mark.parametrize("what", ["another start time", "another boot"])
async def test_a_recycled_pid_is_not_adopted_nor_killed(tmp_path: Path, what: str) -> None:
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
        async with adopted(tmp_path) as adoption:
            (receipt,) = await ended(adoption)
            assert receipt.rungs[0].name == "looked"
            assert adoption.adopted == ()
        assert innocent.poll() is None
    assert list((tmp_path / "workers").iterdir()) == []


async def test_a_control_plane_killed_before_the_receipt_was_written(tmp_path: Path) -> None:
    """The next one writes it, however often it is killed before, and it is the same one."""
    told: list[Receipt] = []
    records.folder(tmp_path).mkdir()
    records.keep_ended(tmp_path)
    settings = WorkerSettings(spares=0)
    modules = dict.fromkeys(WorkerKind, "tests.support.ticking_child")
    supervisor = Supervisor(tmp_path, settings, told.append, modules=modules, gstreamer=False)
    await supervisor.open()
    worker = await supervisor.start(WorkerKind.LOBBY, lobby="one", on_message=lambda message, fds: None)
    await worker.end("asked")
    await supervisor.close()
    assert list(records.folder(tmp_path).iterdir()) == []
    for _ in range(2):
        async with adopted(tmp_path) as adoption:
            told += await ended(adoption)
    assert [one.cause for one in told] == ["asked", *2 * ["it ended just before its control plane did"]]
    assert {one.id for one in told} == {told[0].id} and all(one.clean for one in told)
    records.forget(tmp_path, worker.id)
    async with adopted(tmp_path) as adoption:
        assert adoption.refused == ()


async def test_files_that_are_no_records(tmp_path: Path) -> None:
    folder = records.folder(tmp_path)
    folder.mkdir()
    (folder / "lobby-0123abcd.json").write_text('{"id": "lobby-01')
    (folder / "lobby-0123abcd.sock").touch()
    (folder / "egress-0123abcd.json").write_text(json.dumps({"id": 7}))
    (folder / "notes.txt").touch()
    async with adopted(tmp_path) as adoption:
        assert (adoption.adopted, adoption.refused) == ((), ())
        swept = sorted(Path(name).name for name in adoption.swept)
        assert swept == ["egress-0123abcd.json", "lobby-0123abcd.json", "lobby-0123abcd.sock"]
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
        async with adopted(tmp_path) as adoption:
            (receipt,) = await ended(adoption)
            # 0: it was our child, and who ended it reaped it before us.
            assert await asyncio.wait_for(waiting, 30) in (-signal.SIGTERM, 0)
    assert receipt.pid == process.pid
    assert receipt.clean
    assert list(folder.iterdir()) == []
