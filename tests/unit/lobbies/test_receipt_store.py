"""Receipts in the store: brought forward from older versions, bounded by subject, found by what is asked."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from steadycast.errors import NotFoundError
from steadycast.lobbies import store as store_module
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.receipt_counts import END_SECONDS, ReceiptCounts
from steadycast.lobbies.receipts import SAY_EVERY_S, Lost, ReceiptBook
from steadycast.lobbies.store import ReceiptFilter, Store, StoredLobby
from steadycast.model import Check, Measures, Receipt, Rung, Subject, WorkerKind
from steadycast.workers.codec import to_plain

# As the second version made it.
SECOND = """
CREATE TABLE lobbies (id TEXT PRIMARY KEY, key TEXT UNIQUE, created REAL NOT NULL, request TEXT NOT NULL,
    declared INTEGER NOT NULL) STRICT;
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, lobby TEXT, receipt TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_by_lobby ON receipts (lobby, number);
CREATE TABLE facts (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (kind, name)) STRICT;
PRAGMA user_version = 2;
"""
NEW = ("subject", "name", "before", "after", "evidence")  # fields that receipts did not have then


def receipt(number: int, subject: Subject = Subject.WORKER, clean: bool = True, **more: Any) -> Receipt:
    checks = (Check("process", () if clean else ("pid 7",)),)
    one = Receipt(
        f"r{number}", "lobby-1", WorkerKind.LOBBY, 7, "l_one", "died", 1.0, 2.0, None, 9, (), checks, clean, subject
    )
    return dataclasses.replace(one, **more)


async def opened(path: Path) -> Store:
    store = Store(path / "s.db", 1 << 26)
    await store.open()
    return store


async def found(store: Store, **wanted: Any) -> list[str]:
    receipts = await store.receipts(None, 1000, ReceiptFilter(**wanted))
    assert receipts is not None
    return [one.id for one in receipts]


async def test_a_database_of_the_second_version_keeps_everything(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.executescript(SECOND)
        db.execute("INSERT INTO lobbies VALUES ('l_one', 'key', 1.5, '{}', 1)")
        db.execute("INSERT INTO facts VALUES ('cap', 'geforce', '8', 1.0)")
        for number, clean in enumerate((True, False, True)):
            plain = to_plain(receipt(number, clean=clean))
            text = json.dumps({key: value for key, value in plain.items() if key not in NEW})
            db.execute("INSERT INTO receipts (id, lobby, receipt) VALUES (?, 'l_one', ?)", (f"r{number}", text))
        db.execute("INSERT INTO receipts (id, lobby, receipt) VALUES ('broken', NULL, 'no JSON')")
    store = await opened(tmp_path)
    assert await store.lobbies() == (StoredLobby("l_one", "key", 1.5, "{}", True),)
    assert await store.facts("cap") == {"geforce": 8}
    assert await found(store) == ["r2", "r1", "r0"]
    assert await store.receipt("r1") == receipt(1, clean=False) and await store.receipt("broken") is None
    assert await found(store, clean=False) == ["r1"] and await found(store, worker="lobby-1") == ["r2", "r1", "r0"]
    assert await found(store, subject=Subject.WORKER, lobby="l_one") == ["r2", "r1", "r0"]
    await store.add_receipt(receipt(9, Subject.VIEWER))
    await store.close()
    with sqlite3.connect(tmp_path / "s.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert db.execute("SELECT count(*) FROM receipts").fetchone() == (5,)


async def test_many_viewers_do_not_push_out_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "RECEIPTS", 10)
    store = await opened(tmp_path)
    await store.add_receipt(receipt(0))
    await store.add_receipt(receipt(1, Subject.RENDITION))
    for number in range(2, 50):
        await store.add_receipt(receipt(number, Subject.VIEWER))
    assert await found(store, subject=Subject.VIEWER) == [f"r{number}" for number in range(49, 39, -1)]
    assert (await found(store))[-2:] == ["r1", "r0"]
    await store.close()


async def test_receipts_are_found_by_what_is_asked(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    measures = Measures(1.5, 1, {"socket": 3}, {"python": 1}, 10, 5, None, 1, {"GstPad": 2}, ("udp:5",))
    full = receipt(0, Subject.RENDITION, name="main", before=measures, after=measures)
    await store.add_receipt(full)
    await store.add_receipt(receipt(1, Subject.VIEWER, clean=False, worker="egress-1"))
    await store.add_receipt(receipt(2, lobby="l_two"))
    assert await store.receipt("r0") == full and await store.receipt("none") is None
    assert await found(store, subject=Subject.VIEWER) == await found(store, worker="egress-1") == ["r1"]
    assert await found(store, clean=True) == ["r2", "r0"] and await found(store, lobby="l_two", clean=False) == []
    page = await store.receipts("r2", 1, ReceiptFilter())
    assert page is not None and [one.id for one in page] == ["r1"]
    await store.close()


async def test_the_book_tells_what_stays(tmp_path: Path) -> None:
    store, events = await opened(tmp_path), EventLog()
    book, residue, stayed = ReceiptBook(store, events), list[str](), list[str]()
    book.on_residue, book.on_stayed = residue.append, lambda one: stayed.append(one.id)
    book.add(receipt(0, clean=False))  # of a worker: nobody is left to be recycled
    book.add(receipt(1, Subject.VIEWER))
    assert (residue, events.total) == ([], 1)
    book.add(receipt(2, Subject.VIEWER, clean=False, worker="egress-1"))
    book.add(receipt(3, Subject.RENDITION))
    unknown = receipt(4, Subject.RENDITION, clean=False, checks=(Check("comparison", None, "first"),))
    book.add(unknown)
    assert residue == ["egress-1"] and stayed == ["r0", "r2"] and events.total == 2
    assert dict(book.totals) == {"clean": 0, "unclean": 1}
    assert await book.get("r4") == unknown
    with pytest.raises(NotFoundError):
        await book.get("none")
    counts = book.counts.statistics()
    assert counts.outcomes["viewer"] == {"clean": 1, "residue": 1, "unknown": 0}
    assert counts.outcomes["rendition"] == {"clean": 1, "residue": 0, "unknown": 1}
    assert counts.residue == {"process": 2}
    await book.close()
    await store.close()


async def test_receipts_wait_for_a_disk_that_takes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written in their order once it does; what cannot wait is told as settled, too."""
    monkeypatch.setattr("steadycast.lobbies.receipts.UNWRITTEN", 3)
    monkeypatch.setattr("steadycast.lobbies.receipts.AGAIN_S", (0.01, 0.02))
    store, settled = await opened(tmp_path), list[str]()
    book = ReceiptBook(store, EventLog(), lambda one: settled.append(one.id))
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON receipts BEGIN SELECT RAISE(ABORT, 'full'); END")
    for number in range(4):
        book.add(receipt(number))
    await book.flush()
    assert settled == ["r0"] and await found(store) == []
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("DROP TRIGGER full")
    async with asyncio.timeout(60):
        while len(settled) < 4:  # nobody has to ask for it
            await asyncio.sleep(0.01)
    assert settled == ["r0", "r1", "r2", "r3"] and await found(store) == ["r3", "r2", "r1"]
    await book.close()
    await store.close()


def test_ends_are_counted_in_classes() -> None:
    counts = ReceiptCounts()
    for seconds in (0.01, 0.3, 0.31, 99.0, -5.0):
        counts.add(receipt(1, rungs=(Rung("end", 100.0, 0.0),), ended=100.0 + seconds))
    counts.add(receipt(1, Subject.VIEWER, rungs=(Rung("end", 100.0, 0.0),)))
    times = counts.statistics().ends["lobby"]
    assert len(times.classes) == len(END_SECONDS) + 1 and sum(times.classes) == 5
    assert times.classes[0] == 2 and times.classes[-1] == 1
    assert times.sum == pytest.approx(0.01 + 0.3 + 0.31 + 99.0)


def test_checks_that_are_told_apart_are_bounded() -> None:
    counts = ReceiptCounts()
    for number in range(100):
        counts.add(receipt(1, clean=False, checks=(Check(f"check {number}", ("one", "two")),)))
    assert len(counts.statistics().residue) == 33 and sum(counts.statistics().residue.values()) == 200


def test_receipts_that_are_lost_make_few_lines() -> None:
    now = 100.0
    lost = Lost(lambda: now)
    with capture_logs() as lines:
        for number in range(1000):
            lost.add(receipt(number), "the disk is full")
        assert [line["count"] for line in lines] == [1]
        now += SAY_EVERY_S
        lost.add(receipt(1000), "the disk is full")
        lost.say()
        lost.add(receipt(1001), "the disk is full")
        lost.say()
        lost.say()
    assert [(line["count"], line["last"]) for line in lines] == [(1, "r0"), (1000, "r1000"), (1, "r1001")]
