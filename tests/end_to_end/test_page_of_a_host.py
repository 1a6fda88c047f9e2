"""The page over a real host: it plays, outlives the death of a worker, and shows a receipt that was measured."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.host import Host

pytestmark = pytest.mark.browser
DEADLINE_MS = 60_000


def test_page_plays_survives_and_stops(host: Host, page: Page) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    source = {"kind": "desktop", "application": "ico", "width": 640, "height": 360}
    lobby = host.create(name="Played by the page", source=source)
    page.goto(f"{host.url}/#/lobby/{lobby['id']}")
    screen = page.locator(".screen")
    expect(screen).to_have_attribute("data-tone", "play", timeout=DEADLINE_MS)
    expect(page.locator(".stat-size dd")).to_have_text("640 × 360", timeout=DEADLINE_MS)
    expect(page.locator(".stat-decoder dd")).to_contain_text("H.264")
    expect(page.locator(".person")).to_contain_text("this page")
    first = page.locator(".person .mono").get_attribute("title")
    host.egress().kill()
    expect(page.locator(".person .mono")).not_to_have_attribute("title", first or "", timeout=DEADLINE_MS)
    expect(screen).to_have_attribute("data-tone", "play", timeout=DEADLINE_MS)
    page.get_by_role("button", name="Stop lobby").click()
    page.get_by_role("button", name="Stop it").click()
    expect(page.locator(".report h3")).to_have_text("Stopped, clean", timeout=DEADLINE_MS)
    expect(page.locator(".report .receipt")).not_to_have_count(0)
    assert not complaints
