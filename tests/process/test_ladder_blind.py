"""A worker ends although nothing can be looked at: the kernel does not answer whoever asks about processes."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from steadycast.config.settings import WorkerSettings
from steadycast.model import WorkerKind
from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.tracking.gauge import Gauge
from steadycast.workers import ladder
from steadycast.workers.adoption import Muster
from steadycast.workers.ladder import Ladder
from steadycast.workers.leftovers import LeftoverEnds
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord, folder, write
from steadycast.workers.surroundings import Surroundings
from tests.support import killed_plane


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Where looks never come to an end."""
    monkeypatch.setattr(ladder, "LOOK_S", 0.2)
    monkeypatch.setattr("steadycast.workers.adoption.LOOK_S", 0.2)
    over, executor = threading.Event(), ThreadPoolExecutor(1)
    executor.submit(over.wait)
    yield executor
    over.set()
    executor.shutdown()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


async def test_it_is_ended_all_the_same(
    tmp_path: Path, blind: ThreadPoolExecutor, sleeper: subprocess.Popen[bytes]
) -> None:
    process = Process.of_child(sleeper)
    record = WorkerRecord("lobby-00000000", WorkerKind.LOBBY, sleeper.pid, 0, None, "", None, time.time())
    gauge = Gauge()
    way_down = Ladder(tmp_path, record, process, WorkerSettings(term_s=20), blind, gauge)
    with killed_plane.sleeper() as child:  # it was seen before, and is in a session of its own
        way_down.known = {Identity(child.pid, proc.start_time(child.pid) or 0)}
        await way_down.climb_down(lambda: False)
        assert child.wait(20) in (-signal.SIGTERM, 0)  # 0: it was our child, and who ended it reaped it before us
    assert sleeper.returncode == -signal.SIGTERM
    assert [rung.name for rung in way_down.rungs if not rung.name.startswith("family ")] == ["family", "term"]
    assert "family term" in [rung.name for rung in way_down.rungs]
    with pytest.raises(TimeoutError):
        await way_down.look("test", ())
    gauge.close()


async def test_a_new_control_plane_goes_on_with_what_is_written_down(tmp_path: Path, blind: ThreadPoolExecutor) -> None:
    folder(tmp_path).mkdir()
    record = WorkerRecord("lobby-00000000", WorkerKind.LOBBY, 1, 0, "another boot", "", None, time.time())
    write(folder(tmp_path) / f"{record.id}.json", record)
    gauge = Gauge()
    around = Surroundings(tmp_path, WorkerSettings(), blind, lambda *_: None, lambda *_: None, gauge)
    adoption = await Muster(around, lambda worker: None, LeftoverEnds(around, lambda receipt: None)).call()
    assert [receipt.worker for receipt in await killed_plane.ended(adoption)] == [record.id]
    gauge.close()
