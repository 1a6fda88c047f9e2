"""Chromium plays lobbies over WHEP, and what it decoded is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.browser import LOOK, watch
from tests.support.host import Host, wait_for

pytestmark = pytest.mark.browser


def look(page: Page) -> dict[str, Any] | None:
    seen = page.evaluate(LOOK)
    return dict(seen) if seen else None


def watch_changing_picture(page: Page, lobby: str) -> dict[str, Any]:
    """Watches until frames were decoded, the picture is not one colour, and it changed."""
    watch(page, lobby)
    first = wait_for("a decoded picture", lambda: (s := look(page)) and s["frames"] > 5 and s["spread"] > 20 and s)
    assert isinstance(first, dict)

    def changed() -> dict[str, Any] | None:
        seen = look(page)
        return seen if seen and seen["hash"] != first["hash"] and seen["frames"] > first["frames"] else None

    return wait_for("a changing picture", changed)


def test_desktop_is_the_application_and_moves(host: Host, page: Page) -> None:
    source = {"kind": "desktop", "application": "ico", "width": 640, "height": 480}
    lobby = host.create("Ico", source)
    host.wait_state(lobby["id"], "STREAMING")
    seen = watch_changing_picture(page, lobby["id"])
    assert (seen["width"], seen["height"]) == (640, 480)
    assert seen["codec"] == "video/H264"
    host.delete(lobby["id"])


def test_a_command_that_fills_the_screen_is_what_the_browser_shows(host: Host, page: Page) -> None:
    """The application paints the root white: the decoded picture is white, so it is this display and no other."""
    command = ["sh", "-c", "xsetroot -solid white; exec sleep 1000"]
    lobby = host.create("White", {"kind": "desktop", "command": command, "width": 320, "height": 240})
    host.wait_state(lobby["id"], "STREAMING")
    watch(page, lobby["id"])
    seen = wait_for("a white picture", lambda: (s := look(page)) and s["mean"] > 235 and s)
    assert isinstance(seen, dict)
    assert (seen["width"], seen["height"]) == (320, 240)
    host.delete(lobby["id"])


def test_test_picture_has_sound(host: Host, page: Page) -> None:
    lobby = host.create("Test", {"kind": "test", "width": 640, "height": 360})
    watch_changing_picture(page, lobby["id"])
    wait_for("sound", lambda: (s := look(page)) and s["audioPackets"] > 20)
    host.delete(lobby["id"])


def test_file_plays_over_its_end(host: Host, page: Page, bunny: Path) -> None:
    lobby = host.create("Bunny", {"kind": "file", "path": str(bunny)})
    seen = watch_changing_picture(page, lobby["id"])
    assert (seen["width"], seen["height"]) == (1280, 720)
    # The file is 5.28 s of 25 frames a second: more than one round of it.
    wait_for("a second round", lambda: (s := look(page)) and s["frames"] > 160, deadline_s=60)
    host.delete(lobby["id"])


def test_a_viewer_that_leaves_is_gone(host: Host, page: Page) -> None:
    lobby = host.create("Leave", {"kind": "test"})
    watch_changing_picture(page, lobby["id"])
    viewers = host.get(f"/api/v1/viewers?lobby={lobby['id']}")["items"]
    assert [viewer["protocol"] for viewer in viewers] == ["whep"]
    page.evaluate("async () => { await fetch(window.location_, {method: 'DELETE'}); window.pc.close(); }")
    wait_for("no viewer", lambda: not host.get(f"/api/v1/viewers?lobby={lobby['id']}")["items"])
    host.delete(lobby["id"])
