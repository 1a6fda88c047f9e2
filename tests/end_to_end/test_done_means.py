"""A person watches a lobby in Chromium while one part after the other is killed, replaced and changed: one session, one
picture that goes on, and a page that tells what happened."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.end_to_end.conftest import CONFIG
from tests.support.chaos.lag import Lag
from tests.support.host import Host, running_host, wait_for
from tests.support.pictures import note_pictures, shown
from tests.support.seen import gaps

pytestmark = pytest.mark.browser
DEADLINE_MS = 60_000
HALL = """
[[lobbies]]
key = "hall"
name = "{name}"
source = {{ kind = "test", width = 320, height = 240 }}
renditions = [{{ name = "main", bitrate_kbps = {rate} }}]
"""
MORE = """
[[lobbies]]
key = "more"
name = "More"
source = { kind = "test", width = 320, height = 240 }
"""

# Counts the connections that the page makes.
COUNT = """window.made = 0;
const Plain = RTCPeerConnection;
window.RTCPeerConnection = class extends Plain { constructor(...given) { super(...given); window.made += 1; } };"""


class Person:
    """Who looks at the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events = page.get_by_role("region", name="Events")
        self.receipts = page.get_by_role("region", name="Receipts")

    def open(self, host: Host) -> None:
        self.page.goto(f"{host.url}/#/lobby/hall")
        expect(self.page.locator(".screen")).to_have_attribute("data-tone", "play", timeout=DEADLINE_MS)
        expect(self.page.locator(".person")).to_contain_text("this page", timeout=DEADLINE_MS)
        note_pictures(self.page, ".screen video")

    def session(self) -> tuple[str, int]:
        """The viewer's id, and how many connections the page has made."""
        told = self.page.locator(".person .mono").get_attribute("title") or ""
        return told, int(self.page.evaluate("window.made"))

    def sees_more(self, pictures: int = 10) -> None:
        """So many more pictures are shown."""
        before = len(shown(self.page))
        wait_for(f"{pictures} more pictures", lambda: len(shown(self.page)) >= before + pictures, 60)
        expect(self.page.locator(".screen")).to_have_attribute("data-tone", "play", timeout=DEADLINE_MS)

    def saw_all_the_time(self, lag: Lag) -> None:
        """Since it was opened, but for what the load of the machine explains."""
        ahead = time.time() - time.monotonic()
        found = gaps([moment - ahead for moment in shown(self.page)], lag.worked)
        assert not found, found

    def reads(self, place: Locator, words: str) -> None:
        expect(place.get_by_text(re.compile(words)).first).to_be_visible(timeout=DEADLINE_MS)


def lobby_worker(host: Host) -> int:
    """The pid of the lobby worker of the hall; it may be of a host before this one."""
    hall = host.lobby("hall")["id"]

    def look() -> int | None:
        workers = host.get("/api/v1/system")["statistics"]["workers"]
        found = [one["pid"] for one in workers if one["lobby"] == hall and one["kind"] == "lobby"]
        return int(found[0]) if len(found) == 1 else None

    return wait_for("one lobby worker", look)


def test_a_person_keeps_the_picture_and_reads_what_happened(tmp_path: Path, browser: Browser) -> None:
    before = CONFIG + HALL.format(name="Hall", rate=600)
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(running_host(before, kept=tmp_path))
        page = stack.enter_context(contextlib.closing(browser.new_page()))
        lag = stack.enter_context(contextlib.closing(Lag()))
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.add_init_script(COUNT)
        person = Person(page)
        person.open(host)
        session = person.session()

        host.kill()
        expect(page.locator("#banner")).to_contain_text("The picture plays on", timeout=DEADLINE_MS)
        expect(page.get_by_role("button", name="Recycle")).to_be_disabled()
        person.sees_more()
        host = stack.enter_context(running_host(before, kept=tmp_path, port=int(host.url.rpartition(":")[2])))
        person.reads(person.events, "took over its workers")
        person.reads(person.events, "Viewer joined")  # what was before is still there
        expect(page.locator("#live")).to_have_text("Live")
        person.sees_more()

        died = lobby_worker(host)
        os.kill(died, signal.SIGKILL)
        person.reads(person.receipts, f"{died}")
        person.sees_more()

        host.wait_state("hall", "STREAMING")
        replaced = lobby_worker(host)
        page.get_by_role("button", name="Recycle").click()
        person.reads(page.locator(".told"), "nobody was disconnected")
        person.reads(person.events, "Its worker was replaced")
        receipt = person.receipts.locator(".receipt").filter(has_text=str(replaced))
        expect(receipt).to_contain_text("recycled by a person", timeout=DEADLINE_MS)
        receipt.locator("summary").click()
        person.reads(receipt, "descriptors")
        person.sees_more()

        (tmp_path / "config.toml").write_text(CONFIG + HALL.format(name="Great hall", rate=400) + MORE)
        host.process.send_signal(signal.SIGHUP)
        expect(page.locator("h1")).to_have_text("Great hall", timeout=DEADLINE_MS)
        expect(page.get_by_role("link", name="More")).to_contain_text("Streaming", timeout=DEADLINE_MS)
        person.reads(person.events, "1 lobby added")
        person.sees_more()

        assert person.session() == session, "the player connected again"
        person.saw_all_the_time(lag)
        page.goto(f"{host.url}/#/")  # the session of the first host is ended at the second
        wait_for("the viewer to be gone", lambda: not host.get("/api/v1/viewers")["items"])
        assert not complaints
