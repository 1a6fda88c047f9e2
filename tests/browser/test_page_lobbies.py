"""The page shows the host's lobbies, and what happens to them, without a reload."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.views import PushView
from steadycast.model import FileSource, LobbyState, Protocol, PushSource, RtspSource, TestSource
from tests.browser.conftest import Complaints
from tests.support.page_server import PageServer, furnish

pytestmark = pytest.mark.browser
LONG = "A name that goes on " * 4


def test_lobbies_are_shown_with_state_and_why(server: PageServer, page: Page) -> None:
    server.do(furnish, server.lobbies)
    page.goto(server.at())
    rows = page.locator(".row")
    expect(rows).to_have_count(6)
    # Trouble comes first, and says so in words and with an icon.
    expect(rows.first).to_contain_text("Gate east")
    expect(rows.first.locator(".chip")).to_have_text("Degraded")
    expect(rows.first.locator(".chip .icon-degraded")).to_be_visible()
    expect(rows.first.locator(".row-why")).to_contain_text("401 from the camera")
    expect(rows.nth(5).locator(".row-why")).to_be_hidden()
    expect(page.locator("#live")).to_have_text("Live")


def test_events_change_the_page(server: PageServer, page: Page, complaints: Complaints) -> None:
    complaints.allowed = ("404",)  # a lobby may be gone between an event and the look at it
    page.goto(server.at())
    expect(page.get_by_text("No lobbies yet")).to_be_visible()
    view, _ = server.call(server.lobbies.create(LobbySettings(name="Door", source=RtspSource("rtsp://10.0.0.1/a"))))
    row = page.locator(".row")
    expect(row.locator(".chip")).to_have_text("Starting")
    server.do(server.lobbies.move, view.id, LobbyState.STREAMING)
    expect(row.locator(".chip")).to_have_text("Streaming")
    server.do(server.lobbies.join, view.id, Protocol.RTSP, "10.0.0.7:5004")
    expect(row.locator(".row-viewers")).to_have_text("1")
    server.do(server.lobbies.move, view.id, LobbyState.DEGRADED, "the camera closed the connection")
    expect(row.locator(".row-why")).to_have_text("the camera closed the connection")
    expect(page.locator(".happening").first).to_contain_text("Degraded")
    server.call(server.lobbies.delete(view.id))
    expect(row).to_have_count(0)
    expect(page.locator(".receipt")).to_contain_text("clean")


def test_what_others_wrote_stays_text(server: PageServer, page: Page) -> None:
    name = "<img src=x onerror=alert(1)>"
    lobby = server.do(server.lobbies.add, LobbySettings(name=name, source=FileSource(path="/srv/<b>bold</b>.mp4")))
    server.do(server.lobbies.move, lobby.id, LobbyState.DEGRADED, "<script>alert(2)</script>")
    page.goto(server.at(f"/#/lobby/{lobby.id}"))
    expect(page.locator("h1")).to_have_text(name)
    expect(page.locator(".trouble-why")).to_have_text("<script>alert(2)</script>")
    assert page.locator("main img, main script, main b, nav img").count() == 0


def test_a_hundred_lobbies_keep_their_rows(server: PageServer, page: Page) -> None:
    views = [
        server.do(server.lobbies.add, LobbySettings(name=f"Lobby {n}", source=TestSource())) for n in range(100)
    ]  # fmt: skip
    page.goto(server.at())
    rows = page.locator(".row")
    expect(rows).to_have_count(100)
    rows.nth(50).evaluate("row => { row.dataset.mark = 'kept'; }")
    server.do(server.lobbies.move, views[99].id, LobbyState.DEGRADED, "why")
    expect(rows.first).to_contain_text("Lobby 99")
    expect(page.locator(".row[data-mark=kept]")).to_contain_text("Lobby 50")
    page.get_by_label("Filter lobbies").fill("lobby 42")
    expect(rows).to_have_count(1)
    page.get_by_label("Filter lobbies").fill("nothing like it")
    expect(page.get_by_text("Nothing matches")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 820, 1600])
def test_no_width_makes_the_page_wider_than_the_screen(server: PageServer, page: Page, scheme: str, width: int) -> None:
    server.do(furnish, server.lobbies)
    source = RtspSource("rtsp://" + "very-long-host-name." * 9 + "example/stream")
    lobby = server.do(server.lobbies.add, LobbySettings(name=LONG[:80], source=source))
    server.do(server.lobbies.move, lobby.id, LobbyState.DEGRADED, "w" * 400)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    for path, ready in (("/", ".row"), (f"/#/lobby/{lobby.id}", ".trouble"), ("/#/new", ".create")):
        page.goto(server.at(path))
        expect(page.locator(ready).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_theme_is_chosen_and_kept(server: PageServer, page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(server.at())
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.locator("#theme")
    button.click()
    button.click()
    expect(button).to_have_attribute("aria-label", "Theme: dark. Change")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_an_unknown_lobby_is_named_so(server: PageServer, page: Page) -> None:
    page.goto(server.at("/#/lobby/nothing"))
    expect(page.locator("h1")).to_have_text("There is no such lobby")
    page.goto(server.at("/#/lobby/%E0%A4%A"))
    expect(page.locator("h1")).to_have_text("There is no such lobby")


def test_addresses_are_copied(server: PageServer, page: Page, complaints: Complaints) -> None:
    lobby = server.do(server.lobbies.add, LobbySettings(key="desk", name="Desk", source=TestSource()))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(server.at("/#/lobby/desk"))
    page.get_by_label("Copy RTSP").click()
    expect(page.get_by_label("Copy RTSP")).to_have_attribute("title", "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"rtsp://127.0.0.1:8554/{lobby.id}"


def test_steps_are_shown_on_demand_and_push_nothing_out(server: PageServer, page: Page) -> None:
    view, _ = server.call(server.lobbies.create(LobbySettings(name="Clock", source=TestSource())))
    server.do(server.lobbies.join, view.id, Protocol.RTSP, "10.0.0.7:5004")

    def many() -> None:
        for number in range(400):
            data = {"track": f"t{number}", "state": "OPEN", "took_s": 0.5, "device": None}
            server.lobbies.events.publish("rendition", "rendition.OPEN", lobby=view.id, data=data)

    server.do(many)
    page.goto(server.at(f"/#/lobby/{view.id}"))
    panel = page.get_by_role("region", name="Events")
    expect(panel.get_by_text("Viewer joined")).to_be_visible()
    expect(panel.get_by_text("Rendition open")).to_have_count(0)
    panel.get_by_label("Every step").check()
    expect(panel.get_by_text("Rendition open · t399")).to_be_visible()


def test_a_lobby_that_a_program_pushes_into(server: PageServer, page: Page) -> None:
    """It is made in the form, says how a program begins, and what became of its pictures."""
    source = PushSource(width=640, height=360)
    push = PushView(
        address="/run/x.push", producer=None, since=1.0, quiet_s=None, says="no producer; its last picture is held",
        shown=1200, copied=0, repeated=3, dropped=7, refused={"push.size": 2}, last_refusal="The picture has 7 bytes.",
        waiting=0, producers=1, buffers=4, lent=0, kept=4, bytes=2_764_800,
    )  # fmt: skip
    lobby = server.do(lambda: server.lobbies.add(LobbySettings(name="Bar", key="bar", source=source), push=push))
    other = server.do(server.lobbies.add, LobbySettings(name="Clock", source=TestSource()))
    page.goto(server.at("/#/new"))
    page.get_by_label("Name", exact=True).fill("Simulation")
    page.get_by_text("What a program on the host's machine draws").click()
    page.get_by_label("Width").fill("640")
    page.get_by_label("Height").fill("360")
    page.get_by_label("Pixels").select_option("RGBA")
    page.get_by_role("button", name="Create lobby").click()
    panel = page.get_by_role("region", name="Program")
    expect(panel).to_contain_text("not ready for a program yet")
    line = 'size=(640, 360), fps=30, format="RGBA")'
    expect(panel).to_contain_text(line)
    page.goto(server.at(f"/#/lobby/{lobby.id}"))
    expect(panel).to_contain_text("no producer; its last picture is held")
    expect(panel).to_contain_text("1,200 pictures shown, 7 dropped, 2 refused (2 another size)")
    expect(panel).to_contain_text("The picture has 7 bytes.")
    expect(panel).to_contain_text('key="bar"')
    came = replace(lobby, push=replace(push, producer=77, says="process 77 pushes"))
    server.do(server.lobbies.views.__setitem__, lobby.id, came)  # without an event
    expect(panel).to_contain_text("process 77 pushes")
    page.goto(server.at(f"/#/lobby/{other.id}"))
    expect(page.locator("h1")).to_have_text("Clock")
    expect(panel).to_be_hidden()
