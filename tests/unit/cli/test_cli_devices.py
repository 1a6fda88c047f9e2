"""`steadycast devices` against the API over HTTP: what it prints, and what it changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from steadycast.cli.commands import app
from steadycast.lobbies.device_views import BreakerView, RefusalView, VendorView
from tests.support.memory_devices import a_device, the_cpu
from tests.support.page_server import PageServer


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    server = PageServer()
    latched = a_device(
        id="va:0000:00:02.0",
        breaker=BreakerView("latched", 3, 5, "The driver was lost 5 times."),
        last_refusal=RefusalView(time.time(), "encoder.out_of_memory", "NV_ENC_ERR_OUT_OF_MEMORY (10)"),
    )
    none = a_device(
        id="nvidia:GPU-1", state="none", name="H200", why="This chip has no encoder.", sessions_foreign=None
    )
    server.lobbies.device_views = [latched, replace(none, foreign=(), beliefs=(), vram_used=None), the_cpu()]
    server.lobbies.vendors = [
        VendorView("nvidia", "works"),
        VendorView("amd", "hung", "no answer for 2.0 s", "See dmesg."),
    ]
    yield server
    server.close()


def run(server: PageServer, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["devices", "--url", server.at("").rstrip("/"), *words], env={"COLUMNS": "400"})
    return result.exit_code, result.output


def test_what_is_lent_and_what_a_person_should_know(server: PageServer) -> None:
    code, text = run(server)
    assert code == 0
    assert "2 lent, 1 foreign, limit 3 (learned)" in text
    assert "3.0 of 8.0 GiB" in text
    assert "? of 8.0 GiB" in text
    assert "steadycast devices retry va:0000:00:02.0" in text
    assert "another program holds a session: obs, pid 4711." in text
    assert "  This chip has no encoder." in text
    assert "does not encode av1: The driver has no AV1 encoder." in text
    assert "NV_ENC_ERR_OUT_OF_MEMORY (10)" in text
    assert "The vendor amd does not answer: no answer for 2.0 s. See dmesg." in text
    assert "vendor nvidia" not in text


def test_json_is_what_the_api_says(server: PageServer) -> None:
    code, text = run(server, "--json")
    assert code == 0
    devices = json.loads(text[text.index("[\n") :])  # the host, in this process too, logs before it
    assert [device["id"] for device in devices] == ["nvidia:GPU-1", "software", "va:0000:00:02.0"]
    assert devices[0]["sessions_foreign"] is None


def test_a_device_is_tried_again(server: PageServer) -> None:
    code, text = run(server, "retry", "va:0000:00:02.0")
    assert (code, server.lobbies.tried) == (0, ["va:0000:00:02.0"])
    assert "being tried" in text
    code, text = run(server, "retry", "a/b c")
    assert code == 1
    assert "No such device." in text or "There is nothing at this address." in text
