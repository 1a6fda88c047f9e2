"""Many rounds of create, watch, delete for each kind of source: afterwards the host holds what it held before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import CONFIG
from tests.support.camera_process import camera
from tests.support.host import Answer, Census, Host, running_host, wait_for
from tests.support.rtsp_viewer import RtspViewer

pytestmark = pytest.mark.process

ROUNDS = 25
# The first rounds load modules, fill caches and start the second spare.
WARM_UP = 3


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host of its own, so that other tests' lobbies do not count."""
    with running_host(CONFIG) as host:
        yield host


def settled(host: Host, wanted: Callable[[Census], bool]) -> Census:
    """The census once nothing is on its way: the spare is back, connections are closed."""
    last: list[Census] = []

    def look() -> Census | None:
        census = host.census()
        same = bool(last) and census == last[-1] and wanted(census)
        last.append(census)
        return census if same else None

    try:
        return wait_for("a settled host", look, 40, every_s=0.3)
    except AssertionError as error:
        raise AssertionError(f"{error}\nlast: {last[-1]}") from None


def no_more_than(before: Census) -> Callable[[Census], bool]:
    """Settled with no process and no display more: those that another host left are gone after a while, ours not."""
    return lambda now: now.children <= before.children and set(now.displays) <= set(before.displays)


def cycle(host: Host, source: dict[str, Any]) -> dict[str, Any]:
    lobby = host.create("Round", source)
    with RtspViewer(f"{host.rtsp}/{lobby['id']}") as viewer:
        viewer.play()
        viewer.receive_frames(5)
    return host.delete(lobby["id"])


def check_rounds(host: Host, source: dict[str, Any]) -> None:
    for _ in range(WARM_UP):
        cycle(host, source)
    before = settled(host, lambda census: True)
    for _ in range(ROUNDS):
        deleted = cycle(host, source)
        assert deleted["state"] == "DESTROYED", deleted
        assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted
    after = settled(host, no_more_than(before))
    assert len(after.workers) <= len(before.workers)  # one more at first: a spare or a trial that came and went
    assert len(after.files) <= len(before.files)
    assert after.descriptors <= before.descriptors
    assert after.sockets <= before.sockets
    assert after.threads <= before.threads


def test_test_picture(host: Host) -> None:
    check_rounds(host, {"kind": "test", "width": 320, "height": 240})


def test_desktop(host: Host) -> None:
    check_rounds(host, {"kind": "desktop", "application": "ico", "width": 320, "height": 240})


def test_file(host: Host, bunny: Path) -> None:
    check_rounds(host, {"kind": "file", "path": str(bunny)})


def test_camera(host: Host) -> None:
    with camera() as url:
        check_rounds(host, {"kind": "rtsp", "url": url})


def fail(host: Host, source: dict[str, Any]) -> None:
    try:
        lobby = host.create("Fails", source)
    except Answer as refused:  # a file that is not there may be refused at once
        assert source["kind"] == "file", refused
        return
    host.wait_state(lobby["id"], "DEGRADED")
    deleted = host.delete(lobby["id"])
    assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted


def test_failing_sources(host: Host) -> None:
    """Twenty-five failures: what never showed leaves nothing either."""
    sources: list[dict[str, Any]] = [
        {"kind": "desktop", "command": ["/no/such/program"]},
        {"kind": "desktop", "command": ["false"]},
        {"kind": "rtsp", "url": "rtsp://127.0.0.1:9/none"},
        {"kind": "file", "path": __file__.replace(str(Path(__file__).parent), "/tmp")},
    ]
    for source in sources:
        fail(host, source)
    before = settled(host, lambda census: True)
    for number in range(ROUNDS):
        fail(host, sources[number % len(sources)])
    after = settled(host, no_more_than(before))
    assert len(after.workers) <= len(before.workers)  # as above
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads
