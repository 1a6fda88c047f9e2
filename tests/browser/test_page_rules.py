"""The page's pure parts, run in the browser that they are for: the stream's format, the player's decisions, words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.page_server import PageServer

pytestmark = pytest.mark.browser
CONNECTED = {
    "state": "connected",
    "sinceOpen": 60,
    "silent": 0.1,
    "fps": 30,
    "lobby": "STREAMING",
    "lobbyFor": 60,
    "hostConnected": True,
    "gone": None,
}
JUDGE = "async (facts) => (await import('/static/recovery.js')).judge(facts).act"
PARSE = """async (chunks) => {
  const { StreamParser } = await import('/static/events.js');
  const parser = new StreamParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}"""


@pytest.fixture(scope="module")
def opened(browser: Browser) -> Iterator[Page]:
    """One page for all: nothing here changes it."""
    server = PageServer()
    page = browser.new_page()
    page.goto(server.at())
    yield page
    page.close()
    server.close()


@pytest.mark.parametrize(
    ("facts", "act"),
    [
        ({}, "keep"),
        ({"state": "failed"}, "renew"),
        ({"state": "disconnected"}, "keep"),  # packets still come: ICE only lost its checks
        ({"silent": 1.6}, "renew"),
        ({"silent": 1.6, "fps": 1}, "keep"),  # one frame a second is not silence
        ({"silent": 9, "lobby": "DEGRADED"}, "wait"),
        ({"silent": 9, "lobby": "DEGRADED", "state": "disconnected"}, "renew"),
        ({"silent": 9, "lobbyFor": 1}, "wait"),  # it streams again: the picture is on its way
        ({"silent": 9, "lobby": "DEGRADED", "hostConnected": False}, "renew"),  # what is known of it is old
        ({"silent": 0.1, "hostConnected": False}, "keep"),  # workers stream on without the control plane
        ({"gone": "it was too slow"}, "renew"),
        ({"state": "connecting", "silent": None, "sinceOpen": 3}, "keep"),
        ({"state": "connecting", "silent": None, "sinceOpen": 20}, "renew"),
        ({"silent": None, "sinceOpen": 20}, "renew"),
    ],
)
def test_when_a_session_is_renewed(opened: Page, facts: dict[str, Any], act: str) -> None:
    assert opened.evaluate(JUDGE, {**CONNECTED, **facts}) == act


def test_pauses_grow_and_are_bounded(opened: Page) -> None:
    pauses = opened.evaluate(
        "async () => { const { backoff } = await import('/static/recovery.js');"
        " return [...Array(50).keys()].map((n) => backoff(n, null)).concat(backoff(0, 5), backoff(0, 9999)); }"
    )
    assert pauses[0] == 0
    assert pauses[:50] == sorted(pauses[:50])
    assert max(pauses) == 30
    assert pauses[50] == 5


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_stream_is_the_same_however_it_is_cut(opened: Page, size: int, end: str) -> None:
    lines = [
        "retry: 2000",
        ": listening",
        "",
        "id: 1",
        "event: lobby",
        'data: {"a":',
        'data:"b: c"}',
        "",
        "data: x",
        "",
    ]
    text = end.join(lines) + end
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert opened.evaluate(PARSE, chunks) == [
        {"type": "lobby", "data": '{"a":\n"b: c"}'},
        {"type": "message", "data": "x"},
    ]


def test_ice_servers_are_read_from_links(opened: Page) -> None:
    # A comma and a semicolon inside quotes, and what the host escapes: a backslash and a quote.
    link = '<stun:a:3478>; rel="ice-server", '
    link += '<turn:b?transport=udp>; rel="ice-server"; username="u,1"; credential="p;2\\\\\\""'
    found = opened.evaluate("async (link) => (await import('/static/whep.js')).iceServers(link)", link)
    assert found == [
        {"urls": "stun:a:3478"},
        {"urls": "turn:b?transport=udp", "username": "u,1", "credential": 'p;2\\"'},
    ]


@pytest.mark.parametrize(
    ("event", "text", "step"),
    [
        ({"kind": "lobby", "name": "lobby.STREAMING"}, "Streaming", False),
        ({"kind": "rendition", "name": "rendition.OPEN", "data": {"track": "main"}}, "Rendition open · main", True),
        ({"kind": "rendition", "name": "rendition.OPENING", "data": {"track": "low"}}, "Rendition opens · low", True),
        (
            {"kind": "rendition", "name": "rendition.OPENING", "why": "its driver is lost", "data": {"track": "low"}},
            "Rendition opens · low",
            False,
        ),
        ({"kind": "worker", "name": "worker.READY", "data": {"worker": "lobby-1"}}, "Worker ready · lobby-1", True),
        ({"kind": "worker", "name": "worker.ENDING", "why": "deleted"}, "Worker ends", True),
        ({"kind": "worker", "name": "worker.ENDING", "why": "died"}, "Worker lost", False),
        ({"kind": "lobby", "name": "lobby.CREATED"}, "Created", True),
        ({"kind": "lobby", "name": "lobby.recycled", "data": {"how": "seamless"}}, "Its worker was replaced", False),
        ({"kind": "lobby", "name": "lobby.recycled", "data": {"how": "failed"}}, "Its worker was not replaced", False),
        ({"kind": "worker", "name": "worker.ADOPTED"}, "Worker found alive", False),
        ({"kind": "viewer", "name": "viewer.connecting"}, "Viewer connects", True),
        ({"kind": "viewer", "name": "viewer.joined"}, "Viewer joined", False),
        ({"kind": "viewer", "name": "viewer.gone"}, "Viewer gone", False),
        ({"kind": "new", "name": "new.thing_of_later"}, "New thing of later", False),
    ],
)
def test_events_have_words_and_steps_are_known(opened: Page, event: dict[str, Any], text: str, step: bool) -> None:
    words = """async (event) => {
      const { eventText, isStep } = await import('/static/happenings.js');
      return [eventText(event), isStep(event)];
    }"""
    assert opened.evaluate(words, event) == [text, step]


@pytest.mark.parametrize(
    ("event", "note"),
    [
        ({"kind": "lobby", "name": "lobby.DEGRADED", "why": "no picture"}, "no picture"),
        ({"kind": "lobby", "name": "lobby.STREAMING", "why": None}, None),
        (
            {"kind": "lobby", "name": "lobby.recycled", "data": {"cause": "age", "how": "seamless", "took_s": 1.25}},
            "because of its age · nobody was disconnected · took 1.3 s",
        ),
        (
            {
                "kind": "lobby",
                "name": "lobby.recycled",
                "why": "no picture came",
                "data": {"cause": "person", "how": "failed"},
            },
            "by a person · the one before goes on · no picture came",
        ),
        (
            {
                "kind": "host",
                "name": "host.adopted",
                "data": {"adopted": {"lobby": 2, "egress": 1}, "viewers": 1, "ended": 2, "took_s": 0.25},
            },
            "3 workers · 1 viewer went on · 2 others ended · took 250 ms",
        ),
        (
            {"kind": "host", "name": "host.reloaded", "data": {"outcome": "applied", "added": 1, "untouched": 2}},
            "1 lobby added · 2 lobbies untouched",
        ),
        ({"kind": "receipt", "name": "receipt", "why": "recycled: uses"}, "recycled because of how often it was used"),
    ],
)
def test_events_say_what_else_is_known(opened: Page, event: dict[str, Any], note: str | None) -> None:
    words = "async (event) => (await import('/static/happenings.js')).eventNote(event)"
    assert opened.evaluate(words, event) == note


MEASURES = """async ([before, after]) => {
  const { measuresTable } = await import('/static/measures.js');
  const table = measuresTable(before, after);
  const cells = (row) => [...row.children].map((cell) => cell.textContent.trim());
  return table && [...table.querySelectorAll('tr')].map(cells);
}"""
HELD = {"processes": 1, "descriptors": {"socket": 4, "pipe": 2}, "threads": None, "pss": 3 << 20}


def test_what_was_held_before_and_after(opened: Page) -> None:
    after = {**HELD, "descriptors": {"socket": 5, "pipe": 2}, "pss": None}
    assert opened.evaluate(MEASURES, [HELD, after]) == [
        ["Held", "before", "after"],
        ["processes", "1", "1"],
        ["descriptors", "6", "7"],
        ["socket", "4", "5"],
        ["memory (PSS)", "3.0 MiB", "unknown"],
    ]
    assert opened.evaluate(MEASURES, [HELD, None])[:2] == [["Held", "before its end"], ["processes", "1"]]
    assert opened.evaluate(MEASURES, [None, None]) is None
