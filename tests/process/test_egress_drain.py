"""Egress workers are replaced: by a spare when they die, by draining when somebody asks."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest
import structlog

from steadycast.errors import ConflictError, RefusedError
from steadycast.lobbies.egress import Egress
from steadycast.lobbies.egress_place import LOOP_S
from steadycast.lobbies.egresses import REPLACED
from steadycast.model import RecycleCause
from tests.support.egress_house import DEADLINE_S, House, houses
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process


async def watch(house: House) -> RtspViewer:
    viewer = RtspViewer(house.url, DEADLINE_S)
    await asyncio.to_thread(viewer.play)
    await sees(viewer)
    return viewer


async def sees(viewer: RtspViewer, frames: int = 5) -> None:
    count = await asyncio.to_thread(viewer.receive_frames, frames, 0, DEADLINE_S)
    assert count.gaps == 0


async def replaced(house: House, gone: Egress) -> None:
    await house.until(lambda: house.egresses.running() not in ((), (gone,)))


async def sees_the_end(viewer: RtspViewer) -> None:
    with pytest.raises(OSError):
        await asyncio.to_thread(viewer.receive_frames, 100_000, 0, DEADLINE_S)


async def test_a_spare_takes_the_place_of_a_worker_that_died(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        house = plan(egress={"spares": 1})
        await house.begin()
        await house.until(lambda: house.egresses.counts().spares == 1)
        first = house.egress
        spare = {worker.pid for worker in house.supervisor.workers} - {first.worker.pid}
        assert house.supervisor.statistics().workers == {"egress": 2}
        os.kill(first.worker.pid, signal.SIGKILL)
        await house.until(lambda: house.egresses.running() not in ((), (first,)))
        assert house.egress.worker.pid in spare
        with await watch(house):
            assert house.egresses.restarts_total == 1 and not house.egresses.recycled
            await house.until(lambda: house.egresses.counts().spares == 1)  # another one stands by
        await house.end()


async def test_deaths_of_long_ago_do_not_make_the_next_one_wait(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        house = plan(workers={"restarts": 2, "restart_window_s": 0.01})
        await house.begin()
        with structlog.testing.capture_logs() as lines:
            for deaths in range(1, 5):  # more than the budget, but never within a window
                dying = house.egress
                os.kill(dying.worker.pid, signal.SIGKILL)
                await replaced(house, dying)
                assert house.egresses.restarts_total == deaths
        assert [line["again_in_s"] for line in lines if line["event"] == "egress worker lost"] == [0.0] * 4
        await house.end()


async def test_a_spare_begins_at_once_and_a_crash_loop_waits_for_seconds_only(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        house = plan(workers={"restarts": 2, "restart_window_s": 3600}, egress={"spares": 1})
        await house.begin()
        with structlog.testing.capture_logs() as lines:
            for _ in range(3):
                await house.until(lambda: house.egresses.running() and house.egresses.counts().spares == 1)
                dying = house.egress
                os.kill(dying.worker.pid, signal.SIGKILL)
                await replaced(house, dying)
        lost = [line for line in lines if line["event"] == "egress worker lost"]
        assert [line["again_in_s"] for line in lost] == [0.0, 0.0, LOOP_S]
        assert [line["hint"] is None for line in lost] == [True, True, False]
        await house.end()


async def test_a_recycled_worker_keeps_its_viewers_until_they_leave(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        house = plan(egress={"spares": 1})
        await house.begin()
        old = house.egress
        with await watch(house) as viewer:
            await house.egresses.recycle(old, RecycleCause.PERSON)
            assert house.egress is not old and house.egresses.draining() == (old,)
            assert await house.egresses.pick(0) is house.egress
            with pytest.raises(ConflictError):
                await house.egresses.recycle(old, RecycleCause.PERSON)
            await house.until(lambda: listeners(old.worker.pid, house) == 0)
            with await watch(house):
                assert set(house.desk.viewers.values()) == {old, house.egress}
            await sees(viewer, 20)
            assert old.works
        await house.until(lambda: not house.egresses.draining())
        assert house.desk.gone == {old: REPLACED}
        (receipt,) = house.receipts
        assert receipt.clean and receipt.cause == "recycled: person" and receipt.exit_code == 0
        assert house.egresses.recycled == {RecycleCause.PERSON: 1} and house.egresses.restarts_total == 0
        await house.end()


def listeners(pid: int, house: House) -> int:
    """How many descriptors of a process are the listening RTSP socket."""
    port = int(house.url.split(":")[2].split("/")[0])
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    inodes = {line.split()[9] for line in lines if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"}
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(entry.readlink().as_posix())
        except OSError:
            continue
    return sum(f"socket:[{inode}]" in links for inode in inodes)


async def test_who_stays_too_long_is_told_to_connect_again(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        house = plan(egress={"spares": 1, "drain_s": 0.5})
        await house.begin()
        await house.until(lambda: house.egresses.counts().spares == 1)
        with await watch(house) as viewer:
            ((name, _),) = house.desk.viewers.items()
            await house.egresses.recycle(house.egress, RecycleCause.AGE)
            await sees_the_end(viewer)
            await house.until(lambda: not house.egresses.draining())
            assert house.desk.reasons == {name: REPLACED}
        # A host that ends waits for nobody who drains; a worker that drains and hangs is ended all the same.
        house.settings.egress.__dict__["drain_s"] = DEADLINE_S
        with await watch(house):
            old = house.egress
            await house.egresses.recycle(old, RecycleCause.AGE)
            began = time.monotonic()
            await house.end()
            assert time.monotonic() - began < DEADLINE_S / 2
        assert [receipt.cause for receipt in house.receipts].count("host ends") >= 2


async def test_a_worker_goes_on_under_the_next_control_plane(tmp_path: Path) -> None:
    async with houses(tmp_path) as plan:
        first = plan(egress={"spares": 1})
        await first.begin()
        await first.until(lambda: first.egresses.counts().spares == 1)
        pid, pids = first.egress.worker.pid, {worker.pid for worker in first.supervisor.workers}
        with await watch(first) as viewer:
            await first.leave()
            await sees(viewer, 20)
            second = plan(egress={"spares": 1})
            ((egress, stock), (spare, nothing)) = sorted(await second.begin(), key=lambda pair: pair[1].order is None)
            assert stock.order is not None and [v.viewer for v in stock.viewers] == list(first.desk.viewers)
            assert [bus.bus for bus in stock.buses] == [f"{next(iter(first.desk.fed)).id}.bus"]
            assert nothing.order is None and not nothing.viewers
            assert second.egress is egress and egress.worker.pid == pid and egress.viewers == 1
            assert second.egresses.counts().spares == 1
            assert {worker.pid for worker in second.supervisor.workers} == pids == {pid, spare.worker.pid}
            with await watch(second):
                await sees(viewer, 20)
            await second.leave()
            # A control plane with other settings: who watches stays for now, who comes gets a worker with the new ones.
            third = plan(egress={"spares": 0, "history_bytes": 100_000, "drain_s": DEADLINE_S})
            ((old, _), _) = sorted(await third.begin(), key=lambda pair: pair[1].order is None)
            assert third.egresses.draining() == (old,) and third.egress.worker.pid != pid
            await sees(viewer, 20)
            assert third.egresses.recycled == {RecycleCause.CONFIG: 1}
        await third.until(lambda: not third.egresses.draining())
        await third.until(lambda: len(third.supervisor.workers) == 1)  # the spare is one too many
        assert not first.receipts and not second.receipts
        await third.end()


async def test_where_there_is_one_port_the_old_worker_makes_room(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    webrtc = {"udp_ports": [port, port]}
    async with houses(tmp_path) as plan:
        first = plan(webrtc=webrtc)
        await first.begin()
        with await watch(first) as viewer:
            with pytest.raises(RefusedError, match="No UDP port"):
                await first.egresses.recycle(first.egress, RecycleCause.PERSON)
            assert not first.egresses.recycled and not first.egresses.draining()
            await sees(viewer)
            await first.leave()
            second = plan(webrtc=webrtc, egress={"history_bytes": 100_000, "drain_s": DEADLINE_S})
            await second.begin()
            assert second.egress.udp_port == port and not second.egresses.draining()
            await sees_the_end(viewer)
            assert set(second.desk.reasons.values()) == {REPLACED}
        await second.end()
