"""At the limit of encoder sessions: every viewer gets hardware, software, the line or a refusal, and stays connected.

The GPU is simulated, x264, Chromium and the processes are real. Sessions are counted in the kernel's locks.
"""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from steadycast.vendors.simulated.slots import SlotTable
from tests.support.browser import LOOK, watch
from tests.support.host import Host, running_host, wait_for
from tests.support.offers import h264_offer
from tests.support.pictures import Reading, longest_gap, note_pictures, shown
from tests.support.rtsp_viewer import RtspRefused, RtspViewer

pytestmark = [pytest.mark.process, pytest.mark.browser]

SMALL = {"kind": "test", "width": 320, "height": 180}
SESSIONS = 3
DEADLINE_MS = 60_000
PAUSE_S = 5.0  # generous: how long it really is, `python -m benchmarks.moves` measures
CONFIG = """
[renditions]
linger_s = 1
[encoders]
promote_after_s = 0.2
look_s = 0.5
cpu_pixels_per_s = 1e9
queue_s = 14
[vendors.simulated]
enabled = true
"""
REQUIRE = {"hardware": "require"}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with running_host(f"{CONFIG}sessions = {SESSIONS}\n") as host:
        yield host


@pytest.fixture
def lobbies(host: Host) -> Iterator[Callable[..., str]]:
    """Makes small lobbies; those that are left are deleted."""
    made: list[str] = []

    def create(**more: Any) -> str:
        made.append(host.create(f"Lobby {len(made)}", SMALL, **more)["id"])
        return made[-1]

    yield create
    there = {lobby["id"] for lobby in host.get("/api/v1/lobbies")["items"]}
    for lobby in there.intersection(made):
        host.delete(lobby)


@pytest.fixture
def viewers() -> Iterator[ExitStack]:
    """RTSP viewers, that leave at the end."""
    with ExitStack() as stack:
        yield stack


def read(viewers: ExitStack, host: Host, lobby: str) -> Reading:
    """An RTSP viewer that plays."""
    reading = Reading(f"{host.rtsp}/{lobby}")
    viewers.callback(reading.close)
    reading.play()
    wait_for("frames over RTSP", lambda: len(reading.moments) > 3)
    return reading


def fill(viewers: ExitStack, host: Host, lobbies: Callable[..., str]) -> list[str]:
    """Lobbies that are watched and hold all sessions."""
    made = [lobbies() for _ in range(SESSIONS)]
    for lobby in made:
        read(viewers, host, lobby)
    wait_for("all sessions to be held", lambda: len(held(host)) == SESSIONS)
    return made


def held(host: Host) -> list[int]:
    """The pids that hold sessions of the pretended driver, one for each session, as the kernel has it."""
    return [slot.pid for slot in SlotTable(host.runtime / "simulated" / "slots").held()]


def gpu_status(host: Host) -> dict[str, Any]:
    return dict(host.get("/api/v1/system/gpu-status"))


def simulated(host: Host) -> dict[str, Any]:
    return next(device for device in gpu_status(host)["devices"] if device["id"] == "simulated:0")


def session_leases(host: Host) -> list[dict[str, Any]]:
    return [lease for lease in host.get("/api/v1/leases")["items"] if lease["quota"] == "sessions:simulated"]


def rendition(host: Host, lobby: str) -> dict[str, Any]:
    return next(dict(one) for one in host.lobby(lobby)["renditions"] if one["name"] == "main")


def encodes(host: Host, lobby: str, *, hardware: bool) -> dict[str, Any]:
    """The lobby's rendition, once it is encoded there."""

    def look() -> dict[str, Any] | None:
        one = rendition(host, lobby)
        return one if one["seat"] is not None and one["seat"]["hardware"] is hardware else None

    return wait_for(f"{lobby} to be in {'hardware' if hardware else 'software'}", look, 60)


def faults(host: Host, **wanted: int) -> None:
    host.request("PUT", "/api/v1/system/simulated/faults", wanted)


def plays(page: Page) -> float:
    """The moment of the newest picture, once a hundred milliseconds of new ones came."""
    before = len(shown(page))
    wait_for("pictures in the browser", lambda: len(shown(page)) > before + 5, 60)
    return shown(page)[-1]


@contextlib.contextmanager
def the_same_viewer(host: Host, page: Page, lobby: str) -> Iterator[None]:
    """What is done meanwhile costs the browser no more than a pause: the viewer is the same, and pictures go on."""
    before = [viewer["id"] for viewer in host.get(f"/api/v1/viewers?lobby={lobby}")["items"]]
    assert len(before) == 1
    started = plays(page)
    yield
    ended = plays(page)
    assert [viewer["id"] for viewer in host.get(f"/api/v1/viewers?lobby={lobby}")["items"]] == before
    assert longest_gap(shown(page), started, ended) < PAUSE_S


def joined(page: Page, host: Host, lobby: str) -> None:
    """The browser watches, and notes its pictures."""
    page.goto(host.url)
    watch(page, lobby)
    note_pictures(page)
    plays(page)


def test_four_viewers_of_a_lobby_are_one_session(
    host: Host, browser: Browser, page: Page, lobbies: Callable[..., str], viewers: ExitStack
) -> None:
    lobby = lobbies()
    joined(page, host, lobby)
    with browser.new_page() as second:
        joined(second, host, lobby)
        for _ in range(2):
            read(viewers, host, lobby)
        plays(page)
        plays(second)
        assert len(host.get(f"/api/v1/viewers?lobby={lobby}")["items"]) == 4
        assert len(held(host)) == 1
        assert [lease["lobby"] for lease in session_leases(host)] == [lobby]
        status = wait_for("the session to be seen", lambda: (s := gpu_status(host))["nvenc_sessions_used"] == 1 and s)
        assert isinstance(status, dict)
        assert (status["nvenc_sessions_limit"], status["software_mode"]) == (SESSIONS, False)
        assert status["active_lobbies"] == 1
        assert simulated(host)["sessions_lent"] == 1


def test_the_fourth_lobby_plays_in_software_and_is_promoted(
    host: Host, page: Page, lobbies: Callable[..., str], viewers: ExitStack
) -> None:
    first = fill(viewers, host, lobbies)
    fourth = lobbies()
    page.goto(f"{host.url}/#/lobby/{fourth}")  # the page plays it, as for a person
    expect(page.locator(".screen")).to_have_attribute("data-tone", "play", timeout=DEADLINE_MS)
    note_pictures(page, ".screen video")
    plays(page)
    warning = page.locator(".player .caution")
    expect(warning).to_contain_text("In software, though hardware is preferred", timeout=DEADLINE_MS)
    expect(warning).to_contain_text("Place 1", ignore_case=True, timeout=DEADLINE_MS)
    one = encodes(host, fourth, hardware=False)
    assert one["seat"]["software_code"] == "encoder_sessions"
    assert (one["place"]["position"], one["place"]["promotion"]) == (1, True)
    assert gpu_status(host)["software_mode"] is True
    assert len(held(host)) == SESSIONS
    with the_same_viewer(host, page, fourth):
        host.delete(first[0])
        assert encodes(host, fourth, hardware=True)["place"] is None
    expect(warning).to_be_hidden(timeout=DEADLINE_MS)
    assert len(held(host)) == len(session_leases(host)) == SESSIONS
    assert gpu_status(host)["software_mode"] is False


def test_who_requires_hardware_waits_for_it(
    host: Host, page: Page, lobbies: Callable[..., str], viewers: ExitStack
) -> None:
    first = fill(viewers, host, lobbies)
    waits = lobbies(encoders={**REQUIRE, "when_full": "queue"})
    page.goto(host.url)
    free = threading.Timer(1.0, host.delete, (first[0],))
    free.start()
    watch(page, waits)  # answered when it is its turn
    free.join()
    note_pictures(page)
    plays(page)
    assert encodes(host, waits, hardware=True)["seat"]["element"] == "steadycastsimh264enc"
    assert len(held(host)) == SESSIONS


def test_who_requires_hardware_and_will_not_wait_is_refused(
    host: Host, lobbies: Callable[..., str], viewers: ExitStack
) -> None:
    fill(viewers, host, lobbies)
    lobby = lobbies(encoders={**REQUIRE, "when_full": "refuse"})
    host.wait_state(lobby, "STREAMING")
    asked = urllib.request.Request(
        f"{host.url}/whep/{lobby}", h264_offer().encode(), {"content-type": "application/sdp"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=60)
    problem = json.loads(refused.value.read())
    assert (refused.value.code, problem["code"]) == (503, "encoder_sessions")
    assert int(refused.value.headers["retry-after"]) >= 1
    with RtspViewer(f"{host.rtsp}/{lobby}") as viewer, pytest.raises(RtspRefused) as rtsp:
        viewer.play()
    assert rtsp.value.status == 503
    assert int(rtsp.value.headers["retry-after"]) >= 1
    assert len(held(host)) == SESSIONS
    assert host.get(f"/api/v1/viewers?lobby={lobby}")["items"] == []


def test_an_encoder_that_fails_costs_a_pause(host: Host, page: Page, lobbies: Callable[..., str]) -> None:
    lobby = lobbies()
    faults(host, fail_after_frames=150)
    joined(page, host, lobby)
    faults(host, fail_after_frames=0)
    with the_same_viewer(host, page, lobby):
        encodes(host, lobby, hardware=False)
    assert page.evaluate(LOOK)["state"] == "connected"
    assert simulated(host)["last_refusal"] is not None


def test_a_driver_that_is_lost_costs_a_pause(host: Host, page: Page, lobbies: Callable[..., str]) -> None:
    """The last one of this host: its GPU rests afterwards."""
    lobby = lobbies()
    joined(page, host, lobby)
    encodes(host, lobby, hardware=True)
    with the_same_viewer(host, page, lobby):
        faults(host, driver_lost=1)
        encodes(host, lobby, hardware=False)
    wait_for("no session to be left", lambda: not held(host))
    assert session_leases(host) == []
    faults(host, driver_lost=0)


def test_a_killed_host_leaves_no_session_and_learns_the_real_cap(tmp_path: Path) -> None:
    """The driver gives two sessions and is said to give eight. The next host on the same state doubles nothing."""
    config = f"{CONFIG}sessions = 2\ntold_sessions = 8\n"
    with running_host(config, kept=tmp_path) as host, ExitStack() as viewers:
        made = [host.create(f"Lobby {n}", SMALL, key=f"key-{n}")["id"] for n in range(3)]
        for lobby in made:
            read(viewers, host, lobby)
        encodes(host, made[2], hardware=False)
        device = simulated(host)
        assert (device["sessions_limit"], device["sessions_limit_origin"]) == (2, "learned")
        before = set(held(host))
        assert len(before) == 2
        host.kill()
    with running_host(config, kept=tmp_path) as host, ExitStack() as viewers:
        device = simulated(host)
        assert (device["sessions_limit"], device["sessions_limit_origin"]) == (2, "learned")
        again = [host.create(f"Lobby {n}", SMALL, key=f"key-{n}")["id"] for n in range(3)]
        assert again == made
        wait_for("sessions of the killed host to be gone", lambda: not before.intersection(held(host)))
        for lobby in again[:2]:
            read(viewers, host, lobby)
            read(viewers, host, lobby)
        assert len(held(host)) == len(session_leases(host)) == 2
        pids = {pid for lobby in again for pid in host.lobby(lobby)["workers"]}
        assert set(held(host)) <= pids
