"""WHEP: offers, trickle and restarts, the end, and what is refused."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from pydantic import SecretStr

from steadycast.api.app import create_app
from steadycast.api.whep import entity_tag, ice_links
from steadycast.config.settings import IceServer, Settings, WebrtcSettings
from tests.support.memory_lobbies import ETAG, MemoryLobbies, a_lobby

OFFER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}


@pytest.fixture
async def lobby(client: httpx.AsyncClient) -> str:
    return str((await client.post("/api/v1/lobbies", json=a_lobby(key="k"))).json()["id"])


async def test_an_offer_becomes_a_viewer(client: httpx.AsyncClient, lobby: str, rooms: MemoryLobbies) -> None:
    answer = await client.post("/whep/k", content=OFFER, headers=SDP)
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/sdp")
    assert answer.headers["etag"] == f'"{ETAG}"'
    assert answer.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    session = answer.headers["location"]
    viewer = session.rsplit("/", 1)[1]
    assert session == f"/whep/k/{viewer}"
    assert rooms.get_viewer(viewer).remote == "127.0.0.1"
    trickled = await client.patch(session, content="a=candidate\r\n", headers={**FRAGMENT, "if-match": f'"{ETAG}"'})
    assert (trickled.status_code, trickled.content) == (204, b"")
    restarted = await client.patch(session, content="a=ice-ufrag\r\n", headers={**FRAGMENT, "if-match": "*"})
    assert (restarted.status_code, restarted.headers["etag"]) == (200, '"session-2"')
    assert restarted.headers["content-type"].startswith("application/trickle-ice-sdpfrag")
    assert (await client.delete(session)).status_code == 200
    assert rooms.ended == [(viewer, "left")]
    assert (await client.delete(session)).status_code == 404


@pytest.mark.parametrize(("if_match", "status"), [(None, 428), ('"old"', 412), ('"session-1"', 204), ("*", 200)])
async def test_patch_needs_the_tag(client: httpx.AsyncClient, lobby: str, if_match: str | None, status: int) -> None:
    session = (await client.post("/whep/k", content=OFFER, headers=SDP)).headers["location"]
    headers = FRAGMENT if if_match is None else {**FRAGMENT, "if-match": if_match}
    assert (await client.patch(session, content="a=x\r\n", headers=headers)).status_code == status


async def test_a_viewer_belongs_to_its_lobby(client: httpx.AsyncClient, lobby: str) -> None:
    await client.post("/api/v1/lobbies", json=a_lobby(key="other"))
    viewer = (await client.post("/whep/k", content=OFFER, headers=SDP)).headers["location"].rsplit("/", 1)[1]
    assert (await client.delete(f"/whep/other/{viewer}")).status_code == 404
    assert (await client.delete(f"/whep/{lobby}/{viewer}")).status_code == 200  # by id as well as by key


async def test_options(client: httpx.AsyncClient, lobby: str) -> None:
    answer = await client.options("/whep/k")
    assert (answer.status_code, answer.headers["accept-post"]) == (204, "application/sdp")
    answer = await client.options("/whep/k/v1")
    assert (answer.status_code, answer.headers["accept-patch"]) == (204, FRAGMENT["content-type"])
    for method in ("GET", "HEAD", "PUT"):
        for path, allowed in (("/whep/k", "OPTIONS, POST"), ("/whep/k/v1", "DELETE, OPTIONS, PATCH")):
            refused = await client.request(method, path)
            assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/sdp", 400, "sdp.empty"),
        (b" \r\n ", "application/sdp", 400, "sdp.empty"),
        (bytes(range(256)), "application/sdp", 400, "sdp.binary"),
        (b"v=0\r\n\0m=video", "application/sdp", 400, "sdp.binary"),
        (b"v=0\r\n", "application/sdp", 400, "sdp.no_media"),
        (OFFER.encode() + b"a=VP8-only\r\n", "application/sdp", 406, "codec.none"),
        (OFFER.encode() + b"a=camera\r\n", "application/sdp", 502, "source.refused"),
        (b"x" * 65_537, "application/sdp", 413, "request.too_large"),
        (OFFER.encode(), "text/plain", 415, "request.content_type"),
        (OFFER.encode(), "", 415, "request.content_type"),
    ],
)
async def test_bad_offers(
    client: httpx.AsyncClient, lobby: str, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await client.post("/whep/k", content=body, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:steadycast:{code}"
    assert problem["detail"]
    assert (await client.get("/api/v1/viewers")).json()["items"] == []


async def test_a_body_that_grows_while_it_comes_in_is_cut_off(client: httpx.AsyncClient, lobby: str) -> None:
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while True:
            sent += 4096
            yield b"x" * 4096

    answer = await client.post("/whep/k", content=endless(), headers=SDP)  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert sent <= 2_000_000


async def test_unknown_names(client: httpx.AsyncClient, lobby: str) -> None:
    assert (await client.post("/whep/nobody", content=OFFER, headers=SDP)).json()["code"] == "lobby.unknown"
    answer = await client.post("/whep/k?rendition=nope", content=OFFER, headers=SDP)
    assert answer.json()["code"] == "rendition.unknown"
    assert (await client.post(f"/whep/{'x' * 81}", content=OFFER, headers=SDP)).status_code == 404
    assert (await client.post(f"/whep/k?rendition={'x' * 41}", content=OFFER, headers=SDP)).status_code == 422


async def test_too_many_offers(client: httpx.AsyncClient, lobby: str, rooms: MemoryLobbies) -> None:
    rooms.offers_left = 3
    answers = await asyncio.gather(*(client.post("/whep/k", content=OFFER, headers=SDP) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 47
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"  # whole seconds, never 0
    assert refused.json()["retry_after"] == 0.2


async def test_an_unexpected_error_gives_nothing_away(client: httpx.AsyncClient, lobby: str) -> None:
    answer = await client.post("/whep/k", content=OFFER + "a=crash\r\n", headers=SDP)
    assert answer.status_code == 500
    assert answer.json()["code"] == "host.error"
    assert answer.json()["instance"].startswith("urn:steadycast:error:")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_client_that_hangs_up_leaves_no_viewer(rooms: MemoryLobbies) -> None:
    app = create_app(rooms, Settings())
    lobby, _ = await rooms.create(Settings.model_validate({"lobbies": [a_lobby()]}).lobbies[0])
    rooms.hold.clear()
    gone = asyncio.Event()
    pending = [{"type": "http.request", "body": OFFER.encode(), "more_body": False}]

    async def receive() -> dict[str, object]:
        if pending:
            return pending.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        """Nobody reads it."""

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": f"/whep/{lobby.id}",
        "raw_path": b"",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/sdp")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8800),
    }
    answering = asyncio.create_task(app(scope, receive, send))
    await asyncio.wait_for(rooms.waiting.wait(), 20)
    gone.set()
    await asyncio.wait_for(answering, 20)  # the offer still waits, for an encoder say: it is given up
    rooms.hold.set()
    assert rooms.list_viewers().items == ()


def test_entity_tags() -> None:
    assert entity_tag(None) is None
    assert entity_tag("*") == "*"
    assert entity_tag('"abc"') == "abc"
    assert entity_tag('W/"abc"') == "abc"
    assert entity_tag('"abc", "def"') == "abc"


async def test_ice_servers_are_told() -> None:
    servers = (
        IceServer(url="stun:stun.example.net:3478"),
        IceServer(url="turn:turn.example.net?transport=udp", username='a"b', credential=SecretStr("c\\d")),
    )
    stun, turn = ice_links(servers)
    assert stun == '<stun:stun.example.net:3478>; rel="ice-server"'
    assert turn == (
        '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="a\\"b"; credential="c\\\\d";'
        ' credential-type="password"'
    )
    app = create_app(MemoryLobbies(), Settings(webrtc=WebrtcSettings(ice_servers=servers)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        assert (await client.options("/whep/k")).headers.get_list("link") == [stun, turn]
