"""Receipts over HTTP: filtered, one by its id, and as metrics."""

from __future__ import annotations

import dataclasses

import httpx

from steadycast.lobbies.receipt_counts import ReceiptCounts
from steadycast.lobbies.views import LobbiesStatistics
from steadycast.model import Check, Measures, Receipt, Rung, Subject, WorkerKind
from tests.support.memory_lobbies import MemoryLobbies


def receipt(id: str, subject: Subject, clean: bool = True) -> Receipt:
    checks = (Check("descriptors", () if clean else ("descriptor socket +1",)),)
    rungs = (Rung("end", 100.0, 0.1),)
    return Receipt(
        id, "lobby-1", WorkerKind.LOBBY, 7, "l1", "closed", 90.0, 100.25, None, None, rungs, checks, clean, subject,
        name="main", before=Measures(1.0), after=Measures(2.0, 1, {"socket": 4}, {"queue#:src": 2}),
    )  # fmt: skip


WRITTEN = [
    receipt("worker", Subject.WORKER),
    receipt("rendition", Subject.RENDITION, clean=False),
    receipt("viewer", Subject.VIEWER),
]


async def ids(client: httpx.AsyncClient, **params: str) -> list[str]:
    answer = await client.get("/api/v1/receipts", params=params)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


async def test_receipts_of_all_subjects_unless_asked(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    rooms._written = WRITTEN
    assert await ids(client) == ["viewer", "rendition", "worker"]
    assert await ids(client, subject="worker") == ["worker"]
    assert await ids(client, clean="false") == ["rendition"] and await ids(client, clean="true", worker="none") == []
    assert await ids(client, lobby="l1", worker="lobby-1", subject="viewer") == ["viewer"]
    assert (await client.get("/api/v1/receipts", params={"subject": "nobody"})).status_code == 422


async def test_one_receipt(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    rooms._written = WRITTEN
    found = (await client.get("/api/v1/receipts/rendition")).json()
    assert (found["name"], found["subject"]) == ("main", "rendition")
    assert found["after"]["threads"] == {"queue#:src": 2} and found["before"]["threads"] is None
    missing = await client.get("/api/v1/receipts/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "receipt.unknown")


async def test_metrics_of_receipts(client: httpx.AsyncClient, rooms: MemoryLobbies) -> None:
    counts = ReceiptCounts()
    for one in WRITTEN:
        counts.add(one)
    before = rooms.statistics

    def statistics() -> LobbiesStatistics:
        return dataclasses.replace(before(), receipts=counts.statistics())

    rooms.statistics = statistics  # type: ignore[method-assign]
    text = (await client.get("/metrics")).text
    assert 'steadycast_receipts_by_subject_total{outcome="residue",subject="rendition"} 1.0' in text
    assert 'steadycast_receipts_by_subject_total{outcome="unknown",subject="viewer"} 0.0' in text
    assert 'steadycast_receipt_residue_total{check="descriptors"} 1.0' in text
    assert 'steadycast_end_seconds_bucket{kind="lobby",le="0.2"} 0.0' in text
    assert 'steadycast_end_seconds_bucket{kind="lobby",le="0.3"} 1.0' in text
    assert 'steadycast_end_seconds_count{kind="lobby"} 1.0' in text
    assert 'steadycast_end_seconds_sum{kind="lobby"} 0.25' in text
    assert 'steadycast_end_seconds_bucket{kind="egress",le="+Inf"} 0.0' in text
