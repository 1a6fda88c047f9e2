"""Devices, the line and decisions on the page; warnings and refusals in the player. All of it in words."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from steadycast.config.settings import LobbySettings
from steadycast.errors import RefusedError
from steadycast.leases.decisions import Denial
from steadycast.leases.pools import Bounds, Pool, Pressure
from steadycast.lobbies.device_views import BreakerView, RefusalView, SeatView, VendorView
from steadycast.model import TestSource
from tests.browser.conftest import Complaints
from tests.support.memory_devices import (
    a_device,
    a_lease,
    a_place,
    an_admission,
    in_hardware,
    in_software,
    the_cpu,
)
from tests.support.page_server import PageServer

pytestmark = pytest.mark.browser
MARKUP = "<b>obs</b>"


def a_lobby(server: PageServer) -> str:
    """A lobby that streams; its id."""
    id_: str = server.do(server.lobbies.add, LobbySettings(key="desk", name="Desk", source=TestSource())).id
    return id_


def seated(server: PageServer, id_: str, seat: SeatView, position: int | None = None) -> None:
    """The lobby's rendition encodes there from now on."""

    def change() -> None:
        lobbies = server.lobbies
        view = lobbies.views[id_]
        place = None if position is None else a_place(id_, position, promotion=True)
        first = replace(view.renditions[0], running=True, seat=seat, place=place)
        lobbies.views[id_] = replace(view, renditions=(first,))
        lobbies.events.publish("encoder", "encoder.promoted" if seat.hardware else "encoder.fallback", lobby=id_)

    server.do(change)


def latched_host(server: PageServer) -> str:
    """A pretended GPU that is full, one that a person must reset, and a lobby in software."""
    id_ = a_lobby(server)
    lobbies = server.lobbies
    full = a_device()
    foreign = replace(full.foreign[0], name=MARKUP)
    refusal = RefusalView(time.time(), "encoder.hung", "It did not open within 5 s.")
    broken = BreakerView("latched", 3, 5, "Opening hung 5 times in a row.")
    lobbies.device_views = [
        replace(full, foreign=(foreign,), beliefs=full.beliefs[:1]),
        a_device(id="va:0000:00:02.0", name="Intel UHD", simulated=False, pool="va", breaker=broken, foreign=(),
                 sessions_lent=0, sessions_foreign=None, sessions_limit=None, sessions_limit_origin=None,
                 last_refusal=refusal, beliefs=full.beliefs),
        the_cpu(),
    ]  # fmt: skip
    lobbies.software_mode = True
    lobbies.vendors = [VendorView("nvidia", "works"), VendorView("amd", "fails", "boom", "Mend it.")]
    lobbies.places = [a_place("L0999", 1), a_place(id_, 2, promotion=True)]
    lobbies.lease_views = [a_lease(id_, "cpu", 27_648_000, "software", track=f"t{n:02d}") for n in range(25)]
    lobbies.admission_views = [an_admission(n, id_, "fallback" if n % 2 else "grant") for n in range(1, 31)]
    return id_


def test_devices_are_told_in_words_and_a_latched_one_is_reset(server: PageServer, page: Page) -> None:
    latched_host(server)
    page.goto(server.at("/"))
    caution = page.locator(".overview .caution:not(.leak)")
    expect(caution).to_contain_text("One request waits for an encoder.")
    expect(caution).not_to_contain_text("in software")  # no seat could be better here
    page.get_by_role("link", name="Devices").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Devices")
    troubles = page.locator(".page > .caution:visible")
    expect(troubles).to_have_text(["The vendor amd cannot be asked: boom. Mend it."], use_inner_text=True)
    full, broken, cpu = (page.locator(".card").nth(n) for n in range(3))
    expect(full).to_contain_text("Simulated")
    expect(full).to_contain_text("2 lent · 1 by other programs · limit 3 (learned)")
    expect(full.get_by_role("meter", name="Encoder sessions")).to_have_attribute("aria-valuenow", "3")
    expect(full).to_contain_text(f"{MARKUP} (pid 4711)")  # what others wrote stays text
    assert page.locator(".card b").count() == 0
    expect(full.get_by_role("button")).to_be_hidden()
    expect(broken).to_contain_text("0 lent · other programs unknown · no limit known")
    expect(broken.get_by_role("meter", name="Encoder sessions")).to_be_hidden()  # a bar needs a whole
    expect(broken).to_contain_text("AV1: The driver has no AV1 encoder.")
    expect(broken).to_contain_text("It did not open within 5 s.")
    expect(broken.locator(".chip")).to_have_text("Latched")
    expect(cpu).to_contain_text("0 Mpixel/s of 300 Mpixel/s lent (measured)")
    broken.get_by_role("button", name="Retry Intel UHD").press("Enter")
    expect(broken).to_contain_text("Being tried")
    expect(page.locator(".toast")).to_contain_text("Intel UHD is tried again")
    assert server.lobbies.tried == ["va:0000:00:02.0"]


def test_the_line_leases_and_why_it_was_decided(server: PageServer, page: Page) -> None:
    id_ = latched_host(server)
    page.goto(server.at("/#/devices"))
    places = page.locator(".place")
    expect(places).to_have_count(2)
    expect(places.nth(0)).to_contain_text("waits for a picture")
    expect(places.nth(1)).to_contain_text("Desk, main")
    expect(places.nth(1)).to_contain_text("plays in software meanwhile")
    leases = page.get_by_role("region", name="Leases")
    expect(leases.locator("tbody tr")).to_have_count(20)
    leases.get_by_role("button", name="More").click()
    expect(leases.locator("tbody tr")).to_have_count(5)
    expect(leases).to_contain_text("28 Mpixel/s")
    decisions = page.get_by_role("region", name="Decisions")
    expect(decisions.locator("summary").first).to_contain_text("Granted")
    decisions.get_by_label("Which decisions").select_option("fallback")
    expect(decisions.locator("summary")).to_have_count(15)
    decisions.locator("summary").first.press("Enter")
    expect(decisions.locator(".trail").first).to_contain_text("simulated:0 not taken: No encoder session is free")
    expect(decisions.locator(".trail").first).to_contain_text("another program (obs, pid 4711)")
    # A place is given: the line moves without a reload, and what is unfolded stays so.
    server.lobbies.places = [a_place(id_, 1, promotion=True)]
    server.lobbies.admission_views.append(an_admission(31, id_, "fallback"))
    server.do(server.lobbies.events.publish, "encoder", "encoder.granted", lobby="L0999")
    expect(places).to_have_count(1)
    expect(decisions.locator("summary")).to_have_count(16)
    expect(decisions.locator("details[open]")).to_have_count(1)


def test_what_is_kept_ready(server: PageServer, page: Page) -> None:
    pool: Pool[str, list[int]] = Pool(Bounds(total=4, idle=4))
    server.lobbies.pooled.add("spare lobby workers", pool.statistics, pool.press)
    pool.stock("spare", [1], 0.0)
    a_lobby(server)
    page.goto(server.at("/#/devices"))
    row = page.get_by_role("region", name="Pools").locator("tbody tr")
    expect(row).to_have_text("spare lobby workers014–1none")
    loan = pool.take("spare", "a lobby", 1.0)
    assert loan is not None
    pool.lose(loan, 2.0)
    server.lobbies.pooled.press(Pressure.MEDIUM, 2.0)
    server.do(server.lobbies.events.publish, "encoder", "encoder.granted", lobby="L0999")
    expect(row).to_have_text("spare lobby workers002100 %11: 1 died")
    expect(page.get_by_role("region", name="Pools")).to_contain_text("short of memory (medium pressure)")


def test_software_against_the_wish_is_told_and_the_warning_goes(server: PageServer, page: Page) -> None:
    id_ = a_lobby(server)
    page.goto(server.at("/#/lobby/desk"))
    expect(page.locator(".screen")).to_have_attribute("data-tone", "play")
    seated(server, id_, in_software(), 2)
    warning = page.locator(".player .caution")
    expect(warning).to_contain_text("In software, though hardware is preferred. All 3 encoder sessions are taken")
    expect(warning).to_contain_text("Place 2 in the line for hardware.")
    expect(page.locator(".rendition .caution")).to_contain_text("Place 2 in the line")
    expect(page.locator(".row-encoder")).to_have_text("In software though hardware is preferred, place 2 in the line")
    expect(page.locator(".happening").first).to_contain_text("Software instead of hardware")
    seated(server, id_, in_hardware())
    expect(warning).to_be_hidden()
    expect(page.locator(".row-encoder")).to_have_text("Hardware: Simulated GPU 0")
    expect(page.locator(".rendition")).to_contain_text("Hardware: Simulated GPU 0")
    seated(server, id_, in_hardware(memory_planned="memory:CUDAMemory"))
    expect(page.locator(".rendition .caution")).to_contain_text("memory:CUDAMemory was planned")
    assert server.lobbies.offers == 1  # the session did not care


def test_a_wait_and_a_refusal_in_the_player(server: PageServer, page: Page, complaints: Complaints) -> None:
    complaints.allowed = ("503",)
    id_ = a_lobby(server)
    lobbies = server.lobbies
    server.do(lobbies.hold_offers)
    page.goto(server.at("/#/lobby/desk"))
    server.wait(lambda: lobbies.offers, "an offer")
    lobbies.places = [a_place(id_, 2)]
    server.do(lobbies.events.publish, "encoder", "encoder.queued", lobby=id_)
    title = page.locator(".cover-title")
    expect(title).to_have_text("Waiting for an encoder: place 2")
    lobbies.places = [a_place(id_, 1)]
    server.do(lobbies.events.publish, "encoder", "encoder.granted", lobby="L0999")
    expect(title).to_have_text("Waiting for an encoder: place 1")
    lobbies.places = []
    lobbies.denial = RefusedError(
        Denial.QUEUE_TIMEOUT, "No encoder became free.", why="Waited 10 s.", hint="Allow software.", retry_after=2
    )
    server.do(lobbies.release_offers)
    expect(title).to_have_text("No encoder became free.")
    cover = page.locator(".cover")
    for text in ("queue_timeout", "Waited 10 s.", "Allow software."):
        expect(cover).to_contain_text(text)
    again = cover.get_by_role("button")
    expect(again).to_be_disabled()
    expect(again).to_have_text("Try again")  # after the seconds that the host asked for
    lobbies.denial = None
    again.click()
    expect(page.locator(".screen")).to_have_attribute("data-tone", "play")


def test_a_refusal_that_waiting_does_not_mend_is_not_repeated(
    server: PageServer, page: Page, complaints: Complaints
) -> None:
    complaints.allowed = ("503",)
    a_lobby(server)
    server.lobbies.denial = RefusedError(Denial.NO_ENCODER, "Nothing here encodes AV1.", hint="Choose H.264.")
    page.goto(server.at("/#/lobby/desk"))
    expect(page.locator(".cover-code")).to_have_text("no_encoder")
    expect(page.locator(".cover").get_by_role("button")).to_be_enabled()
    assert page.evaluate(
        "async () => (await import('/static/recovery.js')).refusal(0, null, 0.5).itself === null"
        " && (await import('/static/recovery.js')).refusal(0, 4, 0).itself > 4"
        " && (await import('/static/recovery.js')).refusal(99, 1e6, 1).itself === 60"
    )


def test_devices_fit_narrow_and_wide(server: PageServer, page: Page) -> None:
    latched_host(server)
    server.lobbies.device_views[0] = a_device(name="w" * 120, id="x:" + "y" * 150, why="z" * 300)
    for width in (360, 820, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(server.at("/#/devices"))
        expect(page.locator(".leases tbody tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cards = page.evaluate(
            "[...document.querySelectorAll('.card, .panel')].map((e) => e.scrollWidth - e.clientWidth)"
        )
        assert max(cards) <= 0
