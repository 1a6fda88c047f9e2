"""Findings on the page: what the API says of them, in words, live, and what a worker held as a picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from steadycast.config.settings import LobbySettings
from steadycast.model import FindingChange, FindingState, TestSource
from tests.support.memory_upkeep import MemoryUpkeep, a_finding
from tests.support.page_server import PageServer

pytestmark = pytest.mark.browser
MARKUP = "<b>0.5 MB</b>"


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer(upkeep=MemoryUpkeep())
    yield server
    server.close()
    assert server.upkeep is not None
    server.upkeep.history.close()


def test_a_finding_is_told_live_and_folded_when_it_is_over(server: PageServer, page: Page) -> None:
    lobbies, upkeep = server.lobbies, server.upkeep
    assert upkeep is not None
    id_ = server.do(lobbies.add, LobbySettings(key="desk", name="Desk", source=TestSource())).id
    page.goto(server.at("/"))
    findings = page.get_by_role("region", name="Findings")
    expect(findings).to_contain_text("No leak is known. Watched: 9 processes, 180 series.")
    suspect = a_finding(id_, FindingState.SUSPECT, headline=f"It grows by {MARKUP} an hour", probe=None, actions=())
    server.do(upkeep.tell, lobbies.events, FindingChange.OPENED, suspect)
    expect(findings.locator(".chip")).to_have_text("Suspect")
    expect(findings.locator("summary").first).to_contain_text(MARKUP)  # what others wrote stays text
    assert page.locator(".finding b").count() == 0
    expect(page.locator(".caution.leak")).to_be_hidden()  # a suspect needs nobody
    server.do(upkeep.tell, lobbies.events, FindingChange.CONFIRMED, a_finding(id_))
    expect(page.locator(".caution.leak")).to_contain_text("A leak is confirmed: The lobby worker (pid 4001) loses 14.0")
    expect(page.locator("#host")).to_contain_text("1 confirmed leak")
    expect(page.locator(".toast")).to_contain_text("A leak is confirmed")
    for words in (
        "14 each rendition (13 to 15, 95 % sure)", "168 an hour (154 to 182, 95 % sure)", "20 min ago",
        "in 5 h", "RLIMIT_NOFILE: 83 of 20,000 used", "they are not closed (57 %)", "a new high 2 times",
        "grew together with descriptors (eventfd)", "It is lost: nothing was given back when asked",
        "recycle lobby-99422a38 · it is replaced when it is its turn · its effect is not known yet",
    ):  # fmt: skip
        expect(findings).to_contain_text(words)
    healed = replace(a_finding(id_, FindingState.HEALED), closed=a_finding().updated, why_closed="it stopped")
    server.do(upkeep.tell, lobbies.events, FindingChange.HEALED, healed)
    expect(page.locator(".caution.leak")).to_be_hidden()
    expect(findings).to_contain_text("1 that is over")
    expect(findings.locator(".finding")).to_be_hidden()
    findings.locator(".past > summary").press("Enter")
    expect(findings.locator(".chip")).to_have_text("Healed")


def test_what_a_worker_held_is_drawn_with_lives_and_findings(server: PageServer, page: Page) -> None:
    upkeep = server.upkeep
    assert upkeep is not None
    asked = LobbySettings(key="desk", name="Desk", source=TestSource())
    id_ = server.do(server.lobbies.add, asked, created=time.time() - 7200).id
    upkeep.measure(id_)
    upkeep.found["f"] = a_finding(id_)
    page.goto(server.at("/"))
    page.get_by_role("link", name="Lobby Desk").press("Enter")
    curves = page.get_by_role("region", name="What its worker holds")
    held = curves.get_by_role("img", name="Descriptors: 20 to 76, now 76, 1 time another process")
    expect(held).to_be_visible()
    expect(curves.get_by_role("img")).to_have_count(3)
    expect(held.locator(".curve-mark title")).to_contain_text("loses 14.0 descriptors each rendition")
    expect(curves.locator(".curve-legend").nth(1)).to_have_text("Confirmed, began 20 min ago")
    assert curves.locator(".curve-mark").count() == 1  # neither memory nor threads are meant
    curves.get_by_label("How far back").select_option("900")
    expect(held).to_have_count(0)
    expect(curves.get_by_role("img").nth(1)).to_have_attribute("aria-label", "Descriptors: 48 to 76, now 76")
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    silence = page.evaluate("async () => (await import('/static/finding_words.js')).watchedText(null)")
    assert silence == "Nothing is watched: tracking is switched off in the config of this host."
