"""What was measured, asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from steadycast.api import errors, history
from steadycast.model import Look, Measured, Owner, Resource
from steadycast.tracking.history.history import History

START = 1_750_000_200
HOUR = 3600


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    kept = History(tmp_path / "history.db")
    for second in range(0, HOUR, 10):
        for role in ("egress:0", "lobby:a"):
            values = {Measured(Resource.PSS): second * 1000.0, Measured(Resource.DESCRIPTORS, "socket"): 7.0}
            kept.add(Look(Owner(role, "1:1", 1), START + second, second, values))
    kept.flush(HOUR)
    app = FastAPI()
    app.include_router(history.router(kept))
    errors.install(app, {})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
        yield client
    kept.close()


async def test_names_first_then_pictures(asked: httpx.AsyncClient) -> None:
    names = (await asked.get("/api/v1/history")).json()["items"]
    series = (("descriptors", "socket"), ("memory.pss", ""))
    expected: list[Any] = [(role, name, detail, []) for role in ("egress:0", "lobby:a") for name, detail in series]
    assert [(one["role"], one["resource"], one["detail"], one["points"]) for one in names] == expected
    wanted = f"/api/v1/history?role=lobby:a&resource=memory.pss&since={START}&until={START + HOUR}&points=10"
    (shown,) = (await asked.get(wanted)).json()["items"]
    assert shown["unit"] == "bytes"
    assert 0 < len(shown["points"]) <= 10
    assert (shown["points"][0][1], shown["points"][-1][3]) == (0.0, 3_590_000.0)
    assert sum(point[4] for point in shown["points"]) == 360


async def test_lists_have_pages(asked: httpx.AsyncClient) -> None:
    seen, after = [], ""
    while True:
        page = (await asked.get(f"/api/v1/history?limit=1{after}")).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len(seen) == len(set(seen)) == 4


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("since=20&until=10", 400, "history.span"),
        ("since=-1e30", 400, "history.span"),
        ("after=999", 400, "page.unknown"),
        ("points=100001", 422, None),
        ("points=-1", 422, None),
        ("resource=love", 422, None),
        ("limit=200&points=100000", 400, "history.points"),
    ],
)
async def test_bad_questions(asked: httpx.AsyncClient, query: str, status: int, code: str | None) -> None:
    answer = await asked.get(f"/api/v1/history?{query}")
    assert answer.status_code in (status, 422)
    assert code is None or answer.json()["code"] == code or answer.status_code == 422


async def test_export_as_csv(asked: httpx.AsyncClient) -> None:
    wanted = f"/api/v1/history/export?role=lobby:a&since={START}&until={START + HOUR}&step=minutes"
    answer = await asked.get(wanted)
    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(lines) == 1 + 2 * 60
    assert lines[0].startswith("time,role,resource,detail")


async def test_parquet_where_it_can_be_written(asked: httpx.AsyncClient) -> None:
    answer = await asked.get("/api/v1/history/export?format=parquet")
    if answer.status_code == 200:
        assert answer.content[:4] == b"PAR1"
    else:
        assert answer.json()["code"] == "history.parquet"
