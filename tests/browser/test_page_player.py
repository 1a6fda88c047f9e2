"""The player plays, shows its figures, comes back by itself, and leaves nothing at the host."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.views import LobbyView
from steadycast.model import LobbyState, TestSource
from tests.browser.conftest import Complaints
from tests.support.page_server import PageServer

pytestmark = pytest.mark.browser


@pytest.fixture
def lobby(server: PageServer) -> LobbyView:
    view: LobbyView = server.do(server.lobbies.add, LobbySettings(key="desk", name="Desk", source=TestSource()))
    return view


def plays(page: Page) -> Any:
    return expect(page.locator(".screen"))


def open_player(server: PageServer, page: Page) -> None:
    page.goto(server.at("/#/lobby/desk"))
    plays(page).to_have_attribute("data-tone", "play")


def test_it_plays_and_shows_figures(server: PageServer, page: Page, lobby: LobbyView) -> None:
    open_player(server, page)
    expect(page.locator(".stat-size dd")).to_have_text("640 × 480")
    expect(page.locator(".stat-bitrate dd")).to_contain_text("bit/s")
    expect(page.locator(".stat-latency dd")).to_contain_text("ms")
    expect(page.locator(".stat-roundTrip dd")).to_contain_text("ms")
    expect(page.locator(".stat-lost dd")).to_have_text("0")
    expect(page.locator(".person")).to_contain_text("this page")


def test_sound_starts_muted_and_is_turned_on(server: PageServer, page: Page, lobby: LobbyView) -> None:
    open_player(server, page)
    video = page.locator("video")
    assert video.evaluate("video => video.muted")
    page.locator(".screen").hover()
    page.get_by_label("Sound on (M)").click()
    expect(page.get_by_label("Sound off (M)")).to_have_attribute("aria-pressed", "true")
    assert not video.evaluate("video => video.muted")
    page.get_by_label("Volume").fill("0")
    expect(page.get_by_label("Sound on (M)")).to_be_visible()


def test_leaving_ends_the_viewer(server: PageServer, page: Page, lobby: LobbyView) -> None:
    open_player(server, page)
    page.goto(server.at("/#/"))
    server.wait(lambda: not server.lobbies.viewers, "the viewer is gone after another pane")
    open_player(server, page)
    page.goto("about:blank")
    server.wait(lambda: not server.lobbies.viewers, "the viewer is gone after the page")


def test_a_dead_egress_worker_leads_to_a_new_session(
    server: PageServer, page: Page, lobby: LobbyView, complaints: Complaints
) -> None:
    complaints.allowed = ("404",)  # the page says goodbye to the viewer that the dead worker had
    open_player(server, page)
    offers = server.lobbies.offers
    server.call(server.lobbies.lose_egress())
    server.wait(lambda: server.lobbies.offers > offers, "a new offer")
    expect(page.locator(".person")).to_have_count(1)
    plays(page).to_have_attribute("data-tone", "play")


def test_an_ended_viewer_comes_back_but_a_kicked_one_stays_away(
    server: PageServer, page: Page, lobby: LobbyView
) -> None:
    open_player(server, page)
    first = next(iter(server.lobbies.viewers))
    server.call(server.lobbies.end_viewer(first, "it took too little for too long"))
    server.wait(lambda: server.lobbies.viewers and first not in server.lobbies.viewers, "another session")
    plays(page).to_have_attribute("data-tone", "play")
    offers = server.lobbies.offers
    page.get_by_label("End viewer").click()
    expect(page.locator(".cover-title")).to_have_text("This viewer was ended")
    assert server.lobbies.offers == offers
    page.locator(".cover-play").click()
    plays(page).to_have_attribute("data-tone", "play")


def test_a_lobby_that_refuses_is_tried_again_when_it_streams(
    server: PageServer, page: Page, lobby: LobbyView, complaints: Complaints
) -> None:
    complaints.allowed = ("503",)
    server.lobbies.refusing = "The camera does not answer."
    server.do(server.lobbies.move, lobby.id, LobbyState.DEGRADED, "The camera does not answer.")
    page.goto(server.at("/#/lobby/desk"))
    expect(page.locator(".cover-why")).to_have_text("The camera does not answer.")
    server.lobbies.refusing = None
    server.do(server.lobbies.move, lobby.id, LobbyState.STREAMING)
    plays(page).to_have_attribute("data-tone", "play")


def test_no_packets_from_a_degraded_lobby_keep_the_session(server: PageServer, page: Page, lobby: LobbyView) -> None:
    open_player(server, page)
    offers = server.lobbies.offers
    server.do(server.lobbies.move, lobby.id, LobbyState.DEGRADED, "The camera closed the connection.")
    server.do(server.lobbies.pause, True)
    expect(page.locator(".cover-title")).to_have_text("Degraded")
    expect(page.locator(".cover-why")).to_have_text("The camera closed the connection.")
    server.do(server.lobbies.pause, False)
    server.do(server.lobbies.move, lobby.id, LobbyState.STREAMING)
    plays(page).to_have_attribute("data-tone", "play")
    assert server.lobbies.offers == offers
