"""The API description in a real browser: complete, filtered, and asking for a token where one is set."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints
from tests.support.page_server import PageServer

pytestmark = pytest.mark.browser
TOKEN = "a-token-of-more-than-sixteen-characters"


def operations(server: PageServer, headers: dict[str, str] | None = None) -> int:
    """How many the description has."""
    described = httpx.get(f"http://127.0.0.1:{server.port}/openapi.json", headers=headers, timeout=20).json()
    return sum(len(methods) for methods in described["paths"].values())


def test_every_address_is_shown(page: Page, server: PageServer) -> None:
    asked: list[str] = []
    own = f"http://127.0.0.1:{server.port}/"
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{own}docs")
    expect(page.locator("details.operation")).to_have_count(operations(server))
    for path in ("/api/v1/lobbies", "/api/v1/events", "/api/v1/system/health", "/whep/{lobby}/{viewer}", "/metrics"):
        expect(page.locator(".path", has_text=path).first).to_be_visible()
    create = page.locator("details.operation").first
    create.locator("summary").first.click()
    for words in ("application/json", "LobbySettings", "curl -X POST"):
        expect(create).to_contain_text(words)
    create.locator(".schema summary", has_text="source").first.click()
    expect(create).to_contain_text("RtspSource")
    assert [url for url in asked if not url.startswith((own, "blob:", "data:"))] == []


def test_the_filter_leaves_what_is_looked_for(page: Page, server: PageServer) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    page.get_by_label("Filter addresses").fill("delete")
    expect(page.locator("details.operation:visible")).to_have_count(3)
    expect(page.locator("section:visible")).to_have_count(3)


def test_it_asks_for_the_token(page: Page, complaints: Complaints) -> None:
    complaints.allowed = ("401",)
    server = PageServer(token=TOKEN)
    try:
        page.goto(f"http://127.0.0.1:{server.port}/docs")
        expect(page.get_by_role("alert")).to_contain_text("token")
        page.get_by_label("Token").fill("a-wrong-token-of-sixteen")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Show").click()
        expected = operations(server, {"Authorization": f"Bearer {TOKEN}"})
        expect(page.locator("details.operation")).to_have_count(expected)
    finally:
        server.close()
