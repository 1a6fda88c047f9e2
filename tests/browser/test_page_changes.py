"""Making and stopping lobbies from the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from steadycast.config.settings import LobbySettings
from steadycast.model import DesktopSource, TestSource
from tests.browser.conftest import Complaints
from tests.support.page_server import PageServer

pytestmark = pytest.mark.browser


def test_a_lobby_is_made_and_shown(server: PageServer, page: Page) -> None:
    page.goto(server.at())
    page.get_by_role("link", name="New lobby").first.click()
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Name").fill("Clock of the hall")
    page.get_by_text("Desktop", exact=True).click()
    page.get_by_label("Application").select_option("editor")
    page.get_by_label("Width").fill("800")
    page.get_by_text("Renditions", exact=True).click()
    page.get_by_role("button", name="Add a rendition").click()
    page.get_by_role("group", name="Rendition").get_by_label("Name").fill("small")
    page.get_by_role("group", name="Rendition").get_by_label("kbit/s").fill("500")
    page.get_by_role("button", name="Create lobby").click()
    expect(page.locator("h1")).to_have_text("Clock of the hall")
    made = next(iter(server.lobbies.views.values()))
    assert made.source == {
        "kind": "desktop", "application": "editor", "command": None, "width": 800, "height": 720, "fps": 30,
        "cursor": True,
    }  # fmt: skip
    declared = made.renditions[0].declared
    assert declared is not None
    assert (declared.name, declared.bitrate_kbps, declared.width) == ("small", 500, None)


def test_problems_stand_at_their_fields(server: PageServer, page: Page, complaints: Complaints) -> None:
    complaints.allowed = ("422", "400")
    page.goto(server.at("/#/new"))
    width = page.get_by_label("Width")
    width.fill("7")
    page.get_by_role("button", name="Create lobby").click()
    expect(width).to_have_attribute("aria-invalid", "true")
    error = page.locator(f"#{width.get_attribute('id')}-error")
    expect(error).to_contain_text("7680")
    expect(page.locator(".field-error:visible")).to_have_count(2)  # the name is missing as well
    width.fill("640")
    expect(error).to_be_hidden()
    page.get_by_text("Camera", exact=True).click()
    page.get_by_label("Name").fill("Odd")
    page.get_by_role("button", name="Create lobby").click()
    expect(page.locator(".field-error:visible")).to_have_count(1)
    assert not server.lobbies.views


def test_a_refusal_about_no_field_is_shown_whole(server: PageServer, page: Page, complaints: Complaints) -> None:
    complaints.allowed = ("503",)
    server.lobbies.refusing = "This host has as many lobbies as it may."
    page.goto(server.at("/#/new"))
    page.get_by_label("Name").fill("One more")
    page.get_by_role("button", name="Create lobby").click()
    expect(page.locator(".form-problem")).to_contain_text("This host has as many lobbies as it may.")


def test_stop_asks_first_and_shows_the_receipt(server: PageServer, page: Page) -> None:
    server.do(server.lobbies.add, LobbySettings(key="desk", name="Desk", source=TestSource()))
    page.goto(server.at("/#/lobby/desk"))
    stop = page.get_by_role("button", name="Stop lobby")
    stop.click()
    page.get_by_role("button", name="Keep it").click()
    expect(stop).to_be_focused()
    assert server.lobbies.views
    stop.click()
    server.lobbies.hold_delete()
    page.get_by_role("button", name="Stop it").click()
    expect(page.get_by_text("Ending…")).to_be_visible()
    expect(page.locator("header .chip")).to_have_text("Ending")
    server.do(server.lobbies.release_delete)
    expect(page.locator(".report h3")).to_have_text("Stopped, clean")
    expect(page.locator(".report .receipt")).to_have_count(1)
    expect(page.locator(".row")).to_have_count(0)


def test_residue_is_named(server: PageServer, page: Page) -> None:
    source = DesktopSource(application="clock")
    lobby = server.do(server.lobbies.add, LobbySettings(key="desk", name="Desk", source=source))
    server.lobbies.unclean.add(lobby.id)
    page.goto(server.at("/#/lobby/desk"))
    expect(page.locator(".screen")).to_have_attribute("data-tone", "play")
    page.get_by_role("button", name="Stop lobby").click()
    page.get_by_role("button", name="Stop it").click()
    expect(page.locator(".report h3")).to_have_text("Stopped, cleanup incomplete")
    page.locator(".report summary").click()
    expect(page.locator(".report .residue")).to_contain_text("/run/steadycast/lobby-4211.sock")


def test_a_page_that_was_here_before_its_lobby_shows_all_of_it(
    server: PageServer, page: Page, complaints: Complaints
) -> None:
    complaints.allowed = ("404",)  # it may ask for the picture of what was deleted just then
    page.goto(server.at("/#/lobby/desk"))
    expect(page.locator("h1")).to_have_text("There is no such lobby")
    for name in ("Desk", "Desk anew"):  # a key may be given again
        view, _ = server.call(server.lobbies.create(LobbySettings(key="desk", name=name, source=TestSource())))
        expect(page.locator("h1")).to_have_text(name)
        for shown in (".detail-actions", ".detail-state .chip", ".screen"):
            expect(page.locator(shown)).to_be_visible()
        for panel in ("Renditions", "Viewers"):
            expect(page.get_by_role("heading", name=panel)).to_be_visible()
        server.call(server.lobbies.delete(view.id))
        expect(page.locator(".detail-actions")).to_be_hidden()
