"""Bodies that are wrong: each gets a problem that names the field, what was wrong and what is allowed."""

from __future__ import annotations

import functools
import json
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steadycast.api.app import create_app
from steadycast.config.settings import Settings
from tests.support.memory_lobbies import MemoryLobbies, a_lobby

LOBBIES = "/api/v1/lobbies"
JSON = {"content-type": "application/json"}


def source(**fields: Any) -> dict[str, Any]:
    return a_lobby(source={"kind": "test", **fields})


@pytest.mark.parametrize(
    ("body", "field", "allowed"),
    [
        (source(width=0), "source.width", "16 to 7680"),
        (source(width=1), "source.width", "16 to 7680"),
        (source(width=7, height=13), "source.width", "16 to 7680"),
        (source(width=16, height=13), "source.height", "16 to 4320"),
        (source(width=99_999), "source.width", "16 to 7680"),
        (source(fps=0), "source.fps", "1 to 240"),
        (source(fps=1000), "source.fps", "1 to 240"),
        (source(fps="fast"), "source.fps", "1 to 240"),
        (a_lobby(source={"kind": "hologram"}), "source.kind", "desktop, file, push, rtsp, test"),
        (a_lobby(source={}), "source.kind", "desktop, file, push, rtsp, test"),
        (a_lobby(source={"kind": "rtsp", "url": "x" * 3000}), "source.url", "8 to 2048"),
        (a_lobby(source={"kind": "rtsp", "url": "rtsp://a/", "transport": "pigeon"}), "source.transport", "auto"),
        (a_lobby(key="../etc"), "key", "1 to 80"),
        (a_lobby(name=""), "name", "1 to 80"),
        (a_lobby(renditions=[{"name": "a", "codec": "mpeg2"}]), "renditions.0.codec", "h264, h265, av1"),
        (a_lobby(renditions=[{"name": "a", "bitrate_kbps": 1}]), "renditions.0.bitrate_kbps", "50 to 100000"),
        ({"source": {"kind": "test"}}, "name", None),
        ([1, 2], "body", None),
    ],
)
async def test_wrong_values(client: httpx.AsyncClient, body: Any, field: str, allowed: str | None) -> None:
    answer = await client.post(LOBBIES, json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "request.invalid"
    assert problem["errors"][0]["field"] == field
    assert problem["detail"].startswith(field)
    assert problem["errors"][0]["message"]
    if allowed is not None:
        assert allowed in problem["errors"][0]["allowed"]
    assert (await client.get(LOBBIES)).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field", "nearest"),
    [
        (a_lobby(nmae="x"), "nmae", "name"),
        (source(widht=640), "source.widht", "width"),
        (a_lobby(renditions=[{"name": "a", "bitrate": 500}]), "renditions.0.bitrate", "bitrate_kbps"),
        (a_lobby(source={"kind": "rtsp", "url": "rtsp://a/", "latency": 5}), "source.latency", "latency_ms"),
        (source(zzzz=1), "source.zzzz", None),
    ],
)
async def test_unknown_fields(client: httpx.AsyncClient, body: Any, field: str, nearest: str | None) -> None:
    answer = await client.post(LOBBIES, json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "request.unknown_field"
    assert problem["errors"][0]["field"] == field
    assert problem["errors"][0]["nearest"] == nearest
    assert (problem["hint"] is None) == (nearest is None)
    assert "Allowed: " in problem["why"]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (b'{"name": ' + b"9" * 5000 + b"}", 400),
        (b'{"name": "\\ud800", "source": {"kind": "test"}}', 422),
        (b"null", 422),
        (b'{"name": "a", "name": "b", "source": {"kind": "test"}}', 201),  # the last one counts, as JSON readers do
        (b" " * 65_537, 413),
    ],
)
async def test_bodies_that_are_no_lobby(client: httpx.AsyncClient, raw: bytes, status: int) -> None:
    answer = await client.post(LOBBIES, content=raw, headers=JSON)
    assert answer.status_code == status
    if status != 201:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"].startswith("request.")


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_other_content_types(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await client.post(LOBBIES, content=json.dumps(a_lobby()), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "request.content_type"
    assert "application/json" in answer.json()["hint"]


async def test_credentials_are_not_repeated(client: httpx.AsyncClient) -> None:
    body = a_lobby(source={"kind": "rtsp", "url": "rtsp://user:hunter2@cam/" + "x" * 3000, "password": "hunter2"})
    answer = await client.post(LOBBIES, json=body)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_there_is_nothing_at_other_addresses(client: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/api/v2/lobbies", "/api/v1/lobbies/" + "x" * 81, "/api/v1/lobbies/a/b", "/docs/../x"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    answer = await client.put(LOBBIES, json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "request.method")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) >= {"POST"}


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))
_KEYS = st.sampled_from(["key", "name", "source", "renditions", "kind", "width", "url", "loop"]) | st.text(max_size=8)
_SOURCE_KEYS = ("width", "height", "fps", "url", "path", "command", "application", "transport", "loop", "x")
_SOURCES = st.fixed_dictionaries(
    {"kind": st.sampled_from(["test", "desktop", "rtsp", "file", "smoke"])},
    optional=dict.fromkeys(_SOURCE_KEYS, _VALUES),
)
_BODIES = _VALUES | st.fixed_dictionaries(
    {"name": _LEAVES, "source": _SOURCES | _VALUES}, optional={"renditions": _VALUES, "key": _VALUES, "extra": _VALUES}
)


@functools.cache
def one_app() -> FastAPI:
    """One application for all examples: making one takes a while."""
    return create_app(MemoryLobbies(), Settings())


async def send(method: str, path: str, query: str = "", body: bytes = b"", headers: Any = None) -> httpx.Response:
    transport = httpx.ASGITransport(one_app(), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        url = f"http://localhost{quote(path, safe='/')}" + (f"?{query}" if query else "")
        return await client.request(method, url, content=body, headers=headers)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=_BODIES | st.dictionaries(_KEYS, _VALUES, max_size=4))
async def test_any_body_is_served_or_explained(body: Any) -> None:
    answer = await send("POST", LOBBIES, body=json.dumps(body).encode(), headers=JSON)
    assert answer.status_code in (200, 201, 400, 413, 422, 503)
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["code"]
        assert problem["detail"]


@settings(max_examples=150, deadline=None)
@given(
    path=st.text(st.characters(codec="utf-8"), max_size=40),
    query=st.text(st.characters(codec="utf-8"), max_size=40),
    method=st.sampled_from(["GET", "DELETE", "OPTIONS", "PATCH"]),
)
async def test_any_address_is_answered(path: str, query: str, method: str) -> None:
    for prefix in (LOBBIES, "/api/v1/viewers", "/whep/a"):
        answer = await send(method, f"{prefix}/{path}", urlencode({"after": query, "limit": query}))
        assert answer.status_code < 500
