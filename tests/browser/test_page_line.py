"""The line to the host: it breaks, it comes back, it wants a token; and the page without a mouse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from steadycast.config.settings import LobbySettings
from steadycast.model import LobbyState, TestSource
from tests.browser.conftest import Complaints
from tests.support.page_server import PageServer

pytestmark = pytest.mark.browser
TOKEN = "a-token-for-tests-0123456789abcdef"


@pytest.fixture
def closed_server() -> Iterator[PageServer]:
    server = PageServer(token=TOKEN)
    yield server
    server.close()


def test_a_host_that_went_away_is_told_and_found_again(server: PageServer, page: Page, complaints: Complaints) -> None:
    complaints.allowed = ("ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY")
    lobby = server.do(server.lobbies.add, LobbySettings(name="Desk", source=TestSource()))
    page.goto(server.at())
    expect(page.locator(".row .chip")).to_have_text("Streaming")
    server.stop()
    expect(page.locator("#banner")).to_contain_text("Not connected")
    expect(page.locator("#live")).to_have_text("Not connected")
    expect(page.locator(".row")).to_have_count(1)  # the last that was known stays
    server.start()
    server.do(server.lobbies.move, lobby.id, LobbyState.DEGRADED, "told while nobody listened")
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator(".row-why")).to_have_text("told while nobody listened")


def test_a_token_is_asked_for_and_used(closed_server: PageServer, page: Page, complaints: Complaints) -> None:
    complaints.allowed = ("401",)
    closed_server.do(closed_server.lobbies.add, LobbySettings(key="desk", name="Desk", source=TestSource()))
    page.goto(closed_server.at("/#/lobby/desk"))
    field = page.get_by_label("Token", exact=True)
    expect(field).to_be_focused()
    field.fill("not the token")
    page.keyboard.press("Enter")
    expect(page.locator(".login .field-error")).to_be_visible()
    field.fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator(".screen")).to_have_attribute("data-tone", "play")
    assert page.evaluate("localStorage.length") == 0
    page.goto("about:blank")
    closed_server.wait(lambda: not closed_server.lobbies.viewers, "the viewer is gone, ended with the token")


def test_the_page_works_without_a_mouse(server: PageServer, page: Page) -> None:
    server.do(server.lobbies.add, LobbySettings(key="desk", name="Desk", source=TestSource()))
    page.goto(server.at())
    expect(page.locator(".row")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    for _ in range(5):
        page.keyboard.press("Tab")
    expect(page.locator(".row")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Desk")
    expect(page.locator("h1")).to_be_focused()
    screen = page.locator(".screen")
    expect(screen).to_have_attribute("data-tone", "play")
    screen.focus()
    page.keyboard.press("m")
    expect(page.get_by_label("Sound off (M)")).to_be_visible()
    page.keyboard.press(" ")
    expect(page.locator(".cover-title")).to_have_text("Stopped")
    page.keyboard.press("Escape")
    expect(page.locator("h1")).to_have_text("Overview")
    page.keyboard.press("n")
    expect(page.get_by_label("Name")).to_be_focused()


def test_focus_is_seen(server: PageServer, page: Page) -> None:
    page.goto(server.at("/#/new"))
    expect(page.locator(".create")).to_be_visible()
    unseen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
              const at = document.activeElement;
              const shown = at.matches('.kind input') ? at.parentElement : at;
              const style = getComputedStyle(shown);
              return [at.outerHTML.slice(0, 80), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1];
            }"""
        )
        if not seen[1] and not seen[0].startswith("<body"):
            unseen.append(seen[0])
    assert not unseen
