"""Fixtures of the page's tests: the page over lobbies in memory, and a browser whose complaints fail the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.support.browser import chromium
from tests.support.page_server import DEADLINE_S, PageServer

expect.set_options(timeout=DEADLINE_S * 1000)


class Complaints:
    """What the browser wrote to its console as an error. Refusals that a test asks for are allowed by their words."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.allowed: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.texts.append(f"uncaught: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.texts.append(f"{message.text} {message.location.get('url', '')}")

    def left(self) -> list[str]:
        return [text for text in self.texts if not any(words in text for words in self.allowed)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert not complaints.left()


@pytest.fixture
def page(browser: Browser, complaints: Complaints) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(DEADLINE_S * 1000)
    page = context.new_page()
    complaints.watch(page)
    yield page
    context.close()
