"""Lobbies, viewers and receipts over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.support.memory_lobbies import MemoryLobbies, a_lobby

LOBBIES = "/api/v1/lobbies"
OFFER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
SDP = {"content-type": "application/sdp"}


async def test_create_get_list_delete(client: httpx.AsyncClient) -> None:
    created = await client.post(LOBBIES, json=a_lobby(key="desk"))
    assert created.status_code == 201
    assert created.headers["location"] == f"{LOBBIES}/{created.json()['id']}"
    assert created.json()["state"] == "STARTING"
    for name in ("desk", created.json()["id"]):
        assert (await client.get(f"{LOBBIES}/{name}")).json() == created.json()
    listed = (await client.get(LOBBIES)).json()
    assert listed == {"items": [created.json()], "next": None}
    deleted = await client.delete(f"{LOBBIES}/desk")
    assert deleted.status_code == 200
    assert deleted.json()["state"] == "DESTROYED"
    assert deleted.json()["receipts"][0]["clean"] is True
    assert (await client.get(f"{LOBBIES}/desk")).status_code == 404
    receipts = (await client.get("/api/v1/receipts", params={"lobby": created.json()["id"]})).json()
    assert receipts["items"] == deleted.json()["receipts"]


async def test_the_same_key_again_is_the_same_lobby(client: httpx.AsyncClient) -> None:
    first = await client.post(LOBBIES, json=a_lobby(key="same"))
    again = await client.post(LOBBIES, json=a_lobby(key="same"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_pages(client: httpx.AsyncClient) -> None:
    names = [(await client.post(LOBBIES, json=a_lobby())).json()["id"] for _ in range(5)]
    seen: list[str] = []
    after: str | None = None
    while True:
        page = (await client.get(LOBBIES, params={"limit": 2, **({"after": after} if after else {})})).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == names
    unknown = await client.get(LOBBIES, params={"after": "nothing"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "page.unknown")


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "1e9", ""])
async def test_limits_of_pages(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get(LOBBIES, params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


async def test_a_refusal_says_when_to_come_again(client: httpx.AsyncClient) -> None:
    for _ in range(8):
        assert (await client.post(LOBBIES, json=a_lobby())).status_code == 201
    refused = await client.post(LOBBIES, json=a_lobby())
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.headers["content-type"] == "application/problem+json"
    body = refused.json()
    assert (body["code"], body["retry_after"], body["hint"]) == ("limit.lobbies", 5, "Delete one.")


async def test_viewers(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    lobby = (await client.post(LOBBIES, json=a_lobby(key="k"))).json()["id"]
    other = (await client.post(LOBBIES, json=a_lobby(key="other"))).json()["id"]
    await client.post("/whep/k", content=OFFER, headers=SDP)
    listed = (await client.get("/api/v1/viewers", params={"lobby": "k"})).json()["items"]
    assert [viewer["lobby"] for viewer in listed] == [lobby]
    assert (await client.get("/api/v1/viewers", params={"lobby": other})).json()["items"] == []
    assert (await client.get("/api/v1/viewers", params={"protocol": "rtsp"})).json()["items"] == []
    assert (await client.get("/api/v1/viewers", params={"protocol": "smoke"})).status_code == 422
    assert (await client.get("/api/v1/viewers", params={"lobby": "nobody"})).status_code == 404
    viewer = listed[0]["id"]
    assert (await client.get(f"/api/v1/viewers/{viewer}")).json() == listed[0]
    kicked = await client.delete(f"/api/v1/viewers/{viewer}")
    assert (kicked.status_code, kicked.content) == (204, b"")
    assert rooms.ended == [(viewer, "kicked")]
    assert (await client.delete(f"/api/v1/viewers/{viewer}")).json()["code"] == "viewer.unknown"


async def test_system_and_metrics(client: httpx.AsyncClient) -> None:
    await client.post(LOBBIES, json=a_lobby(key="k"))
    info = (await client.get("/api/v1/system")).json()
    assert info["statistics"]["lobbies"] == {"STARTING": 1}
    assert info["uptime_s"] >= 0
    text = (await client.get("/metrics")).text
    assert 'steadycast_lobbies{state="STARTING"} 1.0' in text
    assert 'steadycast_lobby_viewers{lobby="k"} 0.0' in text
    assert 'steadycast_receipts_total{result="clean"} 0.0' in text
    assert "process_resident_memory_bytes" in text
