"""A config that changes while the host runs: what changed changes, the rest loses no packet, mistakes do nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.support.host import ROOT, Answer, Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer
from tests.support.watching import UNTOUCHED, watching

pytestmark = pytest.mark.process

Lobby = dict[str, Any]
FPS = 10  # so few that a busy machine leaves none out
PICTURE: Lobby = {"kind": "test", "width": 320, "height": 240, "fps": FPS}
HEAD = """
[sources.applications]
ends = ["false"]
[workers]
source_s = 12
"""
STILL: Lobby = {"key": "still", "name": "Still", "source": PICTURE}
NAMED: Lobby = {"key": "named", "name": "Named", "source": PICTURE}
MADE: Lobby = {"key": "made", "name": "Made", "source": PICTURE, "renditions": [{"name": "low", "bitrate_kbps": 300}]}
GOES: Lobby = {"key": "goes", "name": "Goes", "source": PICTURE}
ALL = (STILL, NAMED, MADE, GOES)


def config(*lobbies: Lobby, more: str = "") -> str:
    def value(thing: Any) -> str:
        if isinstance(thing, dict):
            return "{ " + ", ".join(f"{name} = {value(inner)}" for name, inner in thing.items()) + " }"
        return f"[{', '.join(map(value, thing))}]" if isinstance(thing, list) else json.dumps(thing)

    tables = [f"[[lobbies]]\n{''.join(f'{k} = {value(v)}{chr(10)}' for k, v in lobby.items())}" for lobby in lobbies]
    text = "\n".join((*tables, HEAD, more))
    tomllib.loads(text)
    return text


def write(host: Host, text: str) -> None:
    fresh = host.state / "config.new"
    fresh.write_text(text)
    fresh.replace(host.state / "config.toml")


def reload(host: Host, dry_run: bool = False) -> dict[str, Any]:
    return dict(host.request("POST", f"/api/v1/system/reload?dry_run={str(dry_run).lower()}", {}))


def steps(answer: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["step"] for one in answer["plan"]["lobbies"]}


def told(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command says."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("STEADYCAST_")}
    return subprocess.run(
        [sys.executable, "-m", "steadycast", *words],
        cwd=ROOT,
        env={**env, "STEADYCAST_URL": host.url} if words[0] == "reload" else env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def logged(host: Host, words: str) -> int:
    """How often the host's log has these words."""
    return host.log.read_text(errors="replace").count(words)


@pytest.fixture(scope="module")
def one_host() -> Iterator[Host]:
    with running_host(config(*ALL)) as host:
        yield host


@pytest.fixture
def host(one_host: Host) -> Host:
    """With the config as it was at first, and all of it shown."""
    write(one_host, config(*ALL))
    reload(one_host)
    for lobby in ALL:
        one_host.wait_state(lobby["key"], "STREAMING")
    return one_host


def test_what_changed_changes_and_a_viewer_of_the_rest_misses_no_packet(host: Host) -> None:
    before = {lobby["key"]: host.lobby(lobby["key"]) for lobby in ALL}
    made = {**MADE, "renditions": [{"name": "low", "bitrate_kbps": 500}]}
    comes = {"key": "comes", "name": "Comes", "source": PICTURE}
    with watching(f"{host.rtsp}/still") as viewer:
        viewer.frames_more(10)
        write(host, config(STILL, {**NAMED, "name": "Renamed"}, made, comes, more="[limits]\nviewers = 7"))
        answer = reload(host)
        viewer.frames_more(10)
        viewer.check(replace(UNTOUCHED, fps=FPS))
    assert answer["outcome"] == "applied" and answer["why"] is None and answer["notes"] == []
    assert steps(answer) == {
        "still": "untouched", "named": "renamed", "made": "renditions", "comes": "added", "goes": "removed"
    }  # fmt: skip
    assert [(one["key"], one["when"]) for one in answer["plan"]["settings"]] == [("limits.viewers", "now")]
    after = {key: host.lobby(key) for key in ("still", "named", "made", "comes")}
    assert after["still"]["workers"] == before["still"]["workers"]
    assert after["still"]["restarts"] == 0
    assert after["named"]["name"] == "Renamed"
    assert [one["declared"]["bitrate_kbps"] for one in after["made"]["renditions"] if one["name"] == "low"] == [500]
    assert {key: after[key]["id"] for key in ("named", "made")} == {key: before[key]["id"] for key in ("named", "made")}
    assert {view["state"] for view in after.values()} == {"STREAMING"}
    with pytest.raises(Answer) as gone:
        host.lobby("goes")
    assert gone.value.status == 404
    assert reload(host)["outcome"] == "unchanged"


def test_viewers_of_a_lobby_that_changes_stay(host: Host) -> None:
    made = {**MADE, "source": {**PICTURE, "width": 480}, "renditions": [{"name": "low", "bitrate_kbps": 200}]}
    with RtspViewer(f"{host.rtsp}/made") as viewer, ThreadPoolExecutor(1) as beside:
        viewer.play()
        viewer.receive_frames(10)
        write(host, config(STILL, NAMED, made, GOES))
        answering = beside.submit(reload, host)
        while not answering.done():
            viewer.receive_frames(3)
        track = viewer.receive_frames(20)
        assert track.gaps == 0
    answer = answering.result()
    assert answer["outcome"] == "applied", answer
    assert steps(answer)["made"] == "source"
    assert host.lobby("made")["source"]["width"] == 480


def test_a_limit_counts_at_once(host: Host) -> None:
    write(host, config(*ALL, more="[limits]\nlobbies = 4"))
    assert reload(host)["outcome"] == "applied"
    with pytest.raises(Answer) as refused:
        host.create("One too many", PICTURE)
    assert refused.value.body["code"] == "limit.lobbies"
    write(host, config(*ALL))
    reload(host)
    host.delete(host.create("Now it fits", PICTURE)["id"])


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        (config(*ALL, more="[limits]\nviewrs = 7"), "config.invalid", "did you mean 'viewers'"),
        ("[limits", "config.unreadable", "not TOML"),
        (
            config(STILL, {**NAMED, "source": {"kind": "desktop", "application": "nothing"}}),
            "config.invalid",
            "lobbies.1",
        ),
        (config({**STILL, "source": {"kind": "rtsp", "url": "rtsp://169.254.169.254/a"}}), "config.invalid", "secrets"),
    ],
)
def test_a_config_that_is_no_good_changes_nothing(host: Host, text: str, code: str, word: str) -> None:
    def seen() -> list[tuple[Any, ...]]:
        views = [host.lobby(lobby["key"]) for lobby in ALL]
        return [(view["id"], view["name"], view["state"], view["since"], view["workers"]) for view in views]

    before = seen()
    write(host, text)
    with pytest.raises(Answer) as refused:
        reload(host)
    assert (refused.value.status, refused.value.body["code"]) == (422, code)
    assert word in refused.value.body["detail"]
    assert seen() == before


def test_a_lobby_that_does_not_come_through_rolls_everything_back(host: Host) -> None:
    before = {lobby["key"]: host.lobby(lobby["key"]) for lobby in ALL}
    broken = {**MADE, "source": {"kind": "desktop", "application": "ends", "width": 320, "height": 240}}
    comes = {"key": "comes", "name": "Comes", "source": PICTURE}
    write(host, config(STILL, {**NAMED, "name": "Renamed"}, broken, comes, more="[limits]\nviewers = 7"))
    answer = reload(host)
    assert answer["outcome"] == "rolled_back", answer
    assert answer["why"].startswith("lobby made: ") and answer["notes"] == []
    for lobby in ALL:
        view = host.wait_state(lobby["key"], "STREAMING")
        assert (view["id"], view["name"]) == (before[lobby["key"]]["id"], lobby["name"])
        assert view["source"] == before[lobby["key"]]["source"]
    assert host.lobby("still")["workers"] == before["still"]["workers"]
    with pytest.raises(Answer):
        host.lobby("comes")
    again = reload(host, dry_run=True)
    assert [one["key"] for one in again["plan"]["settings"]] == ["limits.viewers"]  # it counts no more
    assert told(host, "reload").returncode == 2


def test_a_camera_that_is_away_is_no_failure(host: Host) -> None:
    camera = {"key": "camera", "name": "Camera", "source": {"kind": "rtsp", "url": "rtsp://u:secret@127.0.0.1:9/a"}}
    write(host, config(*ALL, camera))
    answer = reload(host)
    assert answer["outcome"] == "applied"
    assert host.lobby("camera")["state"] == "DEGRADED"
    assert "secret" not in json.dumps(answer)
    assert not logged(host, "secret@")


def test_sighup_reads_the_config(host: Host) -> None:
    applied, refused = logged(host, "outcome=applied"), logged(host, "config refused")
    write(host, config(STILL, {**NAMED, "name": "By signal"}, MADE, GOES))
    host.process.send_signal(signal.SIGHUP)
    wait_for("the new name", lambda: host.lobby("named")["name"] == "By signal")
    wait_for("the outcome in the log", lambda: logged(host, "outcome=applied") > applied)
    write(host, "log_level = 'loud'")
    host.process.send_signal(signal.SIGHUP)
    wait_for("the refusal in the log", lambda: logged(host, "config refused") > refused)
    assert host.lobby("named")["name"] == "By signal"
    assert host.process.poll() is None


def test_a_dry_run_shows_the_plan_and_does_nothing(host: Host) -> None:
    write(host, config(STILL, {**NAMED, "name": "Not yet"}, MADE, more="[egress]\nworkers = 2"))
    answer = reload(host, dry_run=True)
    assert answer["outcome"] == "planned" and steps(answer)["goes"] == "removed"
    shown = told(host, "reload", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "Not yet" in shown.stdout and "egress.workers" in shown.stdout and "restart" in shown.stdout
    assert host.lobby("named")["name"] == "Named" and host.lobby("goes")["state"] == "STREAMING"


def test_serve_with_dry_run_checks_and_starts_nothing(host: Host) -> None:
    where = ("--state", str(host.state), "--port", "0", "--rtsp-port", "0", "--dry-run")
    same = told(host, "serve", "--config", str(host.state / "config.toml"), *where)
    assert same.returncode == 0 and "untouched" in same.stdout, same
    other = host.state / "other.toml"
    other.write_text(config(STILL, NAMED, MADE))
    changed = told(host, "serve", "--config", str(other), *where)
    assert changed.returncode == 0 and "removed" in changed.stdout, changed
    nowhere = ("--state", str(host.state / "nowhere"), "--dry-run")
    fresh = told(host, "serve", "--config", str(other), *nowhere)
    assert fresh.returncode == 0 and "No host runs" in fresh.stdout and "added" in fresh.stdout, fresh
    assert not (host.state / "nowhere").exists()
    other.write_text("port = -1")
    bad = told(host, "serve", "--config", str(other), *nowhere)
    assert bad.returncode == 2 and "port" in bad.stderr and bad.stderr.count("\n") == 1, bad


def test_events_tell_of_reloads(host: Host) -> None:
    totals = host.get("/api/v1/system")["statistics"]["events_total"]
    write(host, config(STILL, {**NAMED, "name": "An event"}, MADE, GOES))
    reload(host)
    assert host.get("/api/v1/system")["statistics"]["events_total"] > totals
