"""Devices, leases, admissions and gpu-status over HTTP, and what a refusal looks like there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from steadycast.errors import RefusedError
from steadycast.leases.decisions import Denial
from tests.support.memory_devices import a_device, a_lease, a_place, an_admission, the_cpu
from tests.support.memory_lobbies import MemoryLobbies, a_lobby

DEVICES = "/api/v1/devices"
JSON = {"content-type": "application/json"}
SEED_NAMES = ["nvenc_sessions_used", "nvenc_sessions_limit", "software_mode", "active_lobbies", "active_sessions"]


async def pages(client: httpx.AsyncClient, path: str, limit: int, **query: Any) -> list[dict[str, Any]]:
    """All items of a list, asked for in parts."""
    items: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        asked = {"limit": limit, **query, **({"after": after} if after is not None else {})}
        answer = await client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert 0 < len(page["items"]) <= limit
        items += page["items"]
        after = page["next"]
        if after is None:
            return items


async def test_devices_are_listed_and_found_by_id(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    ids = ["nvidia:GPU-6d3f0a", "simulated:0", "software", "va:0000:00:02.0"]
    rooms.device_views = [a_device(id=name) for name in reversed(ids)]
    assert [view["id"] for view in await pages(client, DEVICES, 3)] == ids
    for path in ("va:0000:00:02.0", "va%3A0000%3A00%3A02.0"):
        found = (await client.get(f"{DEVICES}/{path}")).json()
        assert (found["id"], found["sessions_limit_origin"]) == ("va:0000:00:02.0", "learned")
    assert found["foreign"][0] == {
        "pid": 4711, "name": "obs", "codec": "h264", "width": 1920, "height": 1080, "lobby": None,
    }  # fmt: skip
    assert found["bar1_total"] is None


async def test_a_retry_resets_the_breaker(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    rooms.device_views = [a_device(id="va:0000:00:02.0", breaker=replace(a_device().breaker, state="latched"))]
    answer = await client.post(f"{DEVICES}/va:0000:00:02.0/retry", headers=JSON)
    assert answer.status_code == 200
    assert answer.json()["breaker"]["state"] == "trying"
    assert rooms.tried == ["va:0000:00:02.0"]


@pytest.mark.parametrize("name", ["nothing", "a%20b", "%F0%9F%A6%86", "..%5c", "'; drop table"])
async def test_unknown_devices(client: httpx.AsyncClient, rooms: MemoryLobbies, name: str) -> None:
    rooms.device_views = [a_device()]
    for answer in (await client.get(f"{DEVICES}/{name}"), await client.post(f"{DEVICES}/{name}/retry", headers=JSON)):
        assert (answer.status_code, answer.json()["code"]) == (404, "device.unknown")
    assert rooms.tried == []


async def test_requests_that_can_never_work(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    rooms.device_views = [a_device()]
    assert (await client.get(f"{DEVICES}/{'x' * 201}")).status_code == 404
    assert (await client.get(f"{DEVICES}/simulated:0/retry")).status_code == 405
    assert (await client.delete(f"{DEVICES}/simulated:0")).status_code == 405
    # A form of another site cannot send JSON, so it cannot reset anything.
    assert (await client.post(f"{DEVICES}/simulated:0/retry", data={"a": "b"})).status_code == 415
    assert rooms.tried == []
    for path in ("leases", "admissions", "devices"):
        assert (await client.get(f"/api/v1/{path}", params={"limit": "0"})).status_code == 422
        assert (await client.get(f"/api/v1/{path}", params={"after": ""})).status_code == 422
        assert (await client.get(f"/api/v1/{path}", params={"after": "x" * 601})).status_code == 422
    assert (await client.get("/api/v1/admissions", params={"result": "maybe"})).status_code == 422
    for after in ("nothing", "-1", "1.5", "٣", "9" * 30):
        answer = await client.get("/api/v1/admissions", params={"after": after})
        assert (answer.status_code, answer.json()["code"]) == (400, "page.unknown")


async def test_leases_come_in_parts_and_by_lobby(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    for lobby in ("l2", "l1"):
        rooms.lease_views += [
            a_lease(lobby, "sessions:simulated", 1, "simulated:0"),
            a_lease(lobby, "vram:simulated:0", 200 << 20, "simulated:0"),
            a_lease(lobby, "cpu", 27_648_000, "software", track="small one"),
        ]
    found = await pages(client, "/api/v1/leases", 2)
    assert len(found) == 6
    assert {(view["lobby"], view["quota"]) for view in found} == {(v.lobby, v.quota) for v in rooms.lease_views}
    assert len(await pages(client, "/api/v1/leases", 50, lobby="l1")) == 3
    assert [view["quota"] for view in await pages(client, "/api/v1/leases", 50, lobby="l1", device="software")] == [
        "cpu"
    ]


async def test_admissions_are_newest_first_and_filtered(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    results = ("grant", "fallback", "queue", "deny")
    rooms.admission_views = [an_admission(n, f"l{n % 3}", results[n % 4]) for n in range(1, 601)]
    path = "/api/v1/admissions"
    assert [view["number"] for view in await pages(client, path, 200)] == list(range(600, 0, -1))
    wanted = [n for n in range(600, 0, -1) if n % 3 == 1 and n % 4 == 3]
    for limit in (len(wanted), 7):
        found = await pages(client, path, limit, lobby="l1", result="deny")
        assert [view["number"] for view in found] == wanted
    first = found[0]
    assert first["trail"][0]["code"] == "encoder_sessions"
    assert "another program" in first["trail"][0]["why"]
    assert (await client.get(path, params={"lobby": "nobody"})).json() == {"items": [], "next": None}


async def test_gpu_status_in_the_names_that_dashboards_know(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    empty = (await client.get("/api/v1/system/gpu-status")).json()
    assert list(empty)[:5] == SEED_NAMES
    assert [empty[name] for name in SEED_NAMES] == [None, None, None, 0, 0]
    rooms.device_views = [a_device(), the_cpu()]
    rooms.places = [a_place("l9", 1), a_place("l8", 2, promotion=True)]
    rooms.software_mode = True
    status = (await client.get("/api/v1/system/gpu-status")).json()
    assert [status[name] for name in SEED_NAMES[:3]] == [3, 3, True]
    assert status["devices"][0]["foreign"][0]["name"] == "obs"
    assert status["waiting"][1]["promotion"] is True
    assert status["cpu"]["origin"] == "measured"


@pytest.mark.parametrize("code", list(Denial))
async def test_a_refusal_has_the_same_words_at_whep(
    client: httpx.AsyncClient, rooms: MemoryLobbies, code: Denial
) -> None:
    lobby = (await client.post("/api/v1/lobbies", json=a_lobby())).json()["id"]
    rooms.denial = RefusedError(code, "No encoder is free.", why="All 3 are taken.", hint="Wait.", retry_after=4.2)
    answer = await client.post(f"/whep/{lobby}", content="v=0\r\nm=video", headers={"content-type": "application/sdp"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    problem = answer.json()
    assert [problem[name] for name in ("code", "why", "hint", "retry_after")] == [
        code.value, "All 3 are taken.", "Wait.", 4.2,
    ]  # fmt: skip
    assert problem["type"] == f"urn:steadycast:{code.value}"


async def test_a_refusal_that_waiting_does_not_mend_has_no_time(
    client: httpx.AsyncClient, rooms: MemoryLobbies
) -> None:
    lobby = (await client.post("/api/v1/lobbies", json=a_lobby())).json()["id"]
    rooms.denial = RefusedError(Denial.NO_ENCODER, "Nothing here encodes AV1.", hint="Allow software.")
    answer = await client.post(f"/whep/{lobby}", content="v=0\r\nm=video", headers={"content-type": "application/sdp"})
    assert answer.status_code == 503
    assert "retry-after" not in answer.headers
    assert answer.json()["retry_after"] is None


async def test_they_are_in_the_description(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {"get"} == set(paths["/api/v1/devices"])
    for path in ("devices/{device}", "devices/{device}/retry", "leases", "admissions", "system/gpu-status"):
        (operation,) = paths[f"/api/v1/{path}"].values()
        assert operation["description"]
        assert operation["responses"]["200"]["content"]["application/json"]["schema"]
