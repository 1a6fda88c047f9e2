"""A lobby's worker is replaced while somebody watches: nobody reconnects, numbers and time stamps go on."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from steadycast.vendors.simulated.slots import SlotTable
from tests.end_to_end.conftest import CONFIG
from tests.support.camera_process import camera
from tests.support.host import Answer, Host, running_host, wait_for
from tests.support.seen import Judgement
from tests.support.watching import watching

pytestmark = pytest.mark.process
SMALL = {"kind": "test", "width": 320, "height": 240}
FPS = 10  # so few that a busy machine leaves none out
ROUNDS = 20
# One session, and no software instead of it. The driver gives no second one, whoever asks.
ONE_SESSION = """
[vendors.simulated]
enabled = true
sessions = 1
[encoders]
hardware = "require"
when_full = "refuse"
"""
# Limits that are met at once: two renditions opened, or an age of some seconds. All on one device.
TINY_LIMITS = """
[vendors.simulated]
enabled = true
sessions = 8
[recycle]
uses = 2
age_s = 4
jitter = 0
look_s = 0.2
"""


def recycle(host: Host, lobby: str) -> dict[str, Any]:
    return dict(host.request("POST", f"/api/v1/lobbies/{lobby}/recycle", {}))


def streaming(host: Host, source: dict[str, Any], **more: Any) -> str:
    lobby = str(host.create("R", source, **more)["id"])
    host.wait_state(lobby, "STREAMING")
    return lobby


def lobby_pid(host: Host, lobby: str) -> int:
    """The lobby worker's pid: what is there of its workers with that entry point."""

    def look() -> int | None:
        pids = set(host.lobby(lobby)["workers"])
        found = [process.pid for process in host.workers("lobby") if process.pid in pids]
        return found[0] if len(found) == 1 else None

    return wait_for("one lobby worker", look)


def descendants(pid: int) -> list[tuple[int, str]]:
    return sorted((child.pid, child.name()) for child in psutil.Process(pid).children(recursive=True))


def events_until(host: Host, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """What happened since the start of the host, as soon as that is enough."""
    found: list[dict[str, Any]] = []
    until = time.monotonic() + 60
    with urllib.request.urlopen(f"{host.url}/api/v1/events?after=0", timeout=60) as stream:
        for line in stream:
            if line.startswith(b'data: {"id"'):
                found.append(json.loads(line[6:]))
                if enough(found):
                    return found
            assert time.monotonic() < until, [(one["name"], one["data"]) for one in found[-20:]]
    raise AssertionError("the stream ended")


@pytest.fixture(params=["test", "desktop", "file", "camera"])
def source(request: pytest.FixtureRequest, bunny: Path) -> Iterator[dict[str, Any]]:
    if request.param == "camera":
        with camera("--codec", "h264", "--audio", "opus") as url:
            yield {"kind": "rtsp", "url": url}
        return
    sources: dict[str, dict[str, Any]] = {
        "test": {**SMALL, "fps": FPS},
        "desktop": {"kind": "desktop", "application": "ico", "width": 320, "height": 240},
        "file": {"kind": "file", "path": str(bunny)},
    }
    yield sources[request.param]


def test_nobody_notices(host: Host, source: dict[str, Any]) -> None:
    lobby = streaming(host, source)
    with watching(f"{host.rtsp}/{lobby}") as viewer:
        viewer.frames_more(20)
        old = lobby_pid(host, lobby)
        displays = [descendants(process.pid) for process in host.workers("display")]
        done = recycle(host, lobby)
        assert done["made_before_break"] and done["why"] is None
        assert done["receipt"]["clean"], done["receipt"]
        assert done["receipt"]["pid"] == old and done["receipt"]["cause"] == "recycled: person"
        assert done["new_worker"] != done["old_worker"] == done["receipt"]["worker"]
        viewer.frames_more(30)
        viewer.check(Judgement(fps=source.get("fps"), copied=source["kind"] in ("rtsp", "file")))
    assert not psutil.pid_exists(old) and lobby_pid(host, lobby) != old
    assert [descendants(process.pid) for process in host.workers("display")] == displays, "the program runs on"
    view = host.lobby(lobby)
    assert (view["recycles"], view["crashes"], view["restarts"], view["generation"]) == (1, 0, 0, 2)
    assert all(receipt["clean"] for receipt in host.delete(lobby)["receipts"])


def test_twenty_in_a_row_leave_nothing(host: Host) -> None:
    lobby = streaming(host, SMALL)
    with watching(f"{host.rtsp}/{lobby}") as viewer:
        viewer.frames_more(10)
        recycle(host, lobby)
        wait_for("a spare", lambda: len(host.workers("lobby")) == 2)
        before = host.census()
        for _ in range(ROUNDS):
            assert recycle(host, lobby)["receipt"]["clean"]
        viewer.frames_more(30)
        viewer.check()

        def more() -> dict[str, object] | None:
            """What is more than before, or None where nothing is."""
            now = host.census()
            pairs = {name: (getattr(before, name), getattr(now, name)) for name in ("descriptors", "sockets")}
            pairs |= {name: (len(getattr(before, name)), len(getattr(now, name))) for name in ("workers", "files")}
            last.clear()
            last.update({name: pair for name, pair in pairs.items() if pair[1] > pair[0]})
            return None if last else {"nothing": True}

        last: dict[str, object] = {}
        try:
            wait_for("all as before", more)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}") from None
    assert host.lobby(lobby)["recycles"] == ROUNDS + 1
    host.delete(lobby)


def test_two_at_once_are_one(host: Host) -> None:
    lobby = streaming(host, SMALL)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: recycle(host, lobby), range(3)))
    assert len({one["new_worker"] for one in done}) == len({one["old_worker"] for one in done})
    assert host.lobby(lobby)["recycles"] == len({one["new_worker"] for one in done})
    host.delete(lobby)


def test_the_old_one_is_killed_meanwhile(host: Host) -> None:
    """At any moment of it: the other one takes over, or a third one is started."""
    lobby = streaming(host, SMALL)
    with watching(f"{host.rtsp}/{lobby}") as viewer, concurrent.futures.ThreadPoolExecutor(1) as pool:
        for frames in (0, 2, 3, 6, 9):
            viewer.frames_more(10)
            old = lobby_pid(host, lobby)
            running = pool.submit(recycle, host, lobby)
            viewer.frames_more(frames)
            with contextlib.suppress(psutil.NoSuchProcess):  # it was over before
                psutil.Process(old).send_signal(signal.SIGKILL)
            try:
                assert running.result(60)["new_worker"]
            except Answer as answer:
                assert answer.status in (409, 503), answer  # 409: it was dead before it was asked for
            host.wait_state(lobby, "STREAMING")
            viewer.frames_more(20)
        viewer.check()
    host.delete(lobby)
    assert not [process for process in host.workers("lobby") if process.pid == old]


def test_delete_wins(host: Host) -> None:
    for frames in (0, 3, 6, 12):
        lobby = streaming(host, SMALL)
        with watching(f"{host.rtsp}/{lobby}") as viewer, concurrent.futures.ThreadPoolExecutor(1) as pool:
            viewer.frames_more(10)
            running = pool.submit(recycle, host, lobby)
            viewer.frames_more(frames)
            deleted = host.delete(lobby)
            assert deleted["state"] == "DESTROYED", deleted
            try:
                running.result(60)
            except Answer as answer:
                assert answer.status in (404, 409, 503), answer
        wait_for("one spare", lambda: len(host.workers("lobby")) == 1)


def test_a_worker_that_does_not_come_up_changes_nothing(host: Host, tmp_path: Path, bunny: Path) -> None:
    film = Path("/tmp") / f"{tmp_path.name}.mp4"
    film.write_bytes(bunny.read_bytes())
    try:
        lobby = streaming(host, {"kind": "file", "path": str(film)})
        with watching(f"{host.rtsp}/{lobby}") as viewer:
            viewer.frames_more(10)
            old = lobby_pid(host, lobby)
            film.unlink()
            with pytest.raises(Answer) as refused:
                recycle(host, lobby)
            assert refused.value.status == 400 and "no file" in refused.value.body["detail"]
            viewer.frames_more(30)
            viewer.check()
        assert lobby_pid(host, lobby) == old and host.lobby(lobby)["state"] == "STREAMING"
        host.delete(lobby)
    finally:
        film.unlink(missing_ok=True)


def test_renditions_and_source_change_and_viewers_stay(host: Host) -> None:
    lobby = streaming(host, SMALL, renditions=[{"name": "main", "bitrate_kbps": 300}, {"name": "low", "height": 120}])

    def change(**body: Any) -> dict[str, Any]:
        return dict(host.request("PATCH", f"/api/v1/lobbies/{lobby}", body))

    def width(view: dict[str, Any]) -> int:
        return int(view["lobby"]["renditions"][0]["track"]["width"])

    with watching(f"{host.rtsp}/{lobby}/main") as viewer, watching(f"{host.rtsp}/{lobby}/low") as low:
        viewer.frames_more(10)
        old = lobby_pid(host, lobby)
        assert change(name="Other")["lobby"]["name"] == "Other"
        both = [{"name": "main", "bitrate_kbps": 900}, {"name": "low", "height": 120}]
        assert change(renditions=both)["done"] == ["main changed in place: 900 kbit/s"]
        larger = [{"name": "main", "width": 640, "height": 480}, {"name": "low", "height": 120}]
        assert width(change(renditions=larger)) == 640
        viewer.frames_more(20)
        assert lobby_pid(host, lobby) == old
        changed = change(source={"kind": "desktop", "application": "ico", "width": 640, "height": 480})
        assert changed["lobby"]["source"]["kind"] == "desktop" and lobby_pid(host, lobby) != old
        viewer.frames_more(20)
        with pytest.raises(Answer) as refused:
            change(encoders={"hardware": "require", "when_full": "refuse"})
        assert refused.value.body["code"] == "rendition.no_encoder"
        viewer.check()
        low.check()
        assert change(renditions=[{"name": "main", "codec": "vp8"}])["done"][0].startswith("main ended")
        wait_for("both are told to choose again", lambda: viewer.ended is not None and low.ended is not None)
    with watching(f"{host.rtsp}/{lobby}") as viewer:
        viewer.frames_more(10)
        assert "VP8/90000" in viewer.viewer.sdp
    host.delete(lobby)


def test_one_session_is_never_two() -> None:
    with running_host(CONFIG + ONE_SESSION) as host:
        table = SlotTable(host.runtime / "simulated" / "slots")
        wait_for("a device", lambda: host.get("/api/v1/devices/simulated:0")["beliefs"][0]["state"] == "works")
        lobby = streaming(host, SMALL)
        most = 0
        with watching(f"{host.rtsp}/{lobby}") as viewer, concurrent.futures.ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                viewer.frames_more(10)
                running = pool.submit(recycle, host, lobby)
                while not running.done():
                    most = max(most, len(list(table.held())))
                done = running.result()
                assert not done["made_before_break"] and "main" in done["why"]
                assert done["receipt"]["clean"], done["receipt"]
            viewer.frames_more(20)
            viewer.check()
        assert most == 1
        device = host.get("/api/v1/devices/simulated:0")
        assert device["last_refusal"] is None, "nobody was sent to the driver in vain"
        assert [lease["holder"] for lease in host.get("/api/v1/leases")["items"]][:1] == [f"{lobby}/main"]
        host.delete(lobby)


def test_limits_are_met_and_never_two_go_at_once_on_a_device() -> None:
    with running_host(CONFIG + TINY_LIMITS) as host, contextlib.ExitStack() as viewers:
        wait_for("a device", lambda: host.get("/api/v1/devices/simulated:0")["beliefs"][0]["state"] == "works")
        both = [{"name": "main", "bitrate_kbps": 300}, {"name": "low", "height": 120}]
        used, aged = streaming(host, SMALL, renditions=both), streaming(host, SMALL, renditions=both[:1])
        paths = (f"{used}/main", f"{used}/low", f"{aged}/main")
        watchers = [viewers.enter_context(watching(f"{host.rtsp}/{path}")) for path in paths]
        wanted = {(used, "uses"), (aged, "age")}

        def went(name: str, told: list[dict[str, Any]]) -> list[tuple[str, str]]:
            return [(one["lobby"], one["data"]["cause"]) for one in told if one["name"] == name]

        with concurrent.futures.ThreadPoolExecutor(2) as people:  # who wait for their turn, or join
            done = list(people.map(lambda lobby: recycle(host, lobby), (used, aged)))
        assert all(one["made_before_break"] for one in done), done
        told = events_until(host, lambda so_far: wanted <= {*went("lobby.recycled", so_far)})
        for watcher in watchers:
            watcher.frames_more(10)
            watcher.check()
        seats = {lease["holder"]: lease["device"] for lease in host.get("/api/v1/leases")["items"]}
        assert {seats[path] for path in paths} == {"simulated:0"}
        running: list[str] = []
        for one in told:
            if one["name"] == "lobby.recycling":
                assert not running, "two at once on one device"
                running.append(one["lobby"])
            elif one["name"] == "lobby.recycled":
                assert one["data"]["how"] == "seamless", one
                running.remove(one["lobby"])
        assert wanted <= {*went("worker.due", told)}
        with urllib.request.urlopen(f"{host.url}/metrics") as answer:
            metrics = answer.read().decode()
        for lobby, cause in wanted:
            assert host.lobby(lobby)["recycles"] >= 1 and host.lobby(lobby)["crashes"] == 0
            assert f'steadycast_recycles_total{{cause="{cause}",outcome="seamless"}}' in metrics
