"""Facts in the store: kept over a restart, bounded, and a database of the first version is brought forward."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from steadycast.lobbies import store as store_module
from steadycast.lobbies.store import Store, StoredLobby

# As the first version made it.
FIRST = """
CREATE TABLE lobbies (id TEXT PRIMARY KEY, key TEXT UNIQUE, created REAL NOT NULL, request TEXT NOT NULL,
    declared INTEGER NOT NULL) STRICT;
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, lobby TEXT, receipt TEXT NOT NULL
) STRICT;
CREATE INDEX receipts_by_lobby ON receipts (lobby, number);
PRAGMA user_version = 1;
"""


async def opened(path: Path) -> Store:
    store = Store(path, 1 << 24)
    await store.open()
    return store


async def test_a_database_of_the_first_version_keeps_its_lobbies(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as db:
        db.executescript(FIRST)
        db.execute("INSERT INTO lobbies VALUES ('l_old', 'key', 1.5, '{}', 1)")
    store = await opened(path)
    assert await store.lobbies() == (StoredLobby("l_old", "key", 1.5, "{}", True),)
    assert await store.facts("cap") == {}
    await store.put_fact("cap", "geforce", {"limit": 8})
    await store.close()
    store = await opened(path)
    assert await store.facts("cap") == {"geforce": {"limit": 8}} and len(await store.lobbies()) == 1
    await store.close()


async def test_facts_are_replaced_removed_and_kept_apart_by_kind(tmp_path: Path) -> None:
    store = await opened(tmp_path / "s.db")
    await store.put_fact("cap", "a", 1)
    await store.put_fact("cap", "b", [1, {"c": None}])
    await store.put_fact("trial", "a", "other")
    await store.put_fact("cap", "a", 2)
    assert await store.facts("cap") == {"a": 2, "b": [1, {"c": None}]}
    await store.remove_fact("cap", "a")
    await store.remove_fact("cap", "never there")
    assert await store.facts("cap") == {"b": [1, {"c": None}]} and await store.facts("trial") == {"a": "other"}
    await store.close()


async def test_the_oldest_facts_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FACTS", 3)
    store = await opened(tmp_path / "s.db")
    await store.put_fact("other", "stays", 0)
    for number in range(5):
        await store.put_fact("trial", f"t{number}", number)
    assert await store.facts("trial") == {"t2": 2, "t3": 3, "t4": 4} and await store.facts("other") == {"stays": 0}
    await store.close()


async def test_a_fact_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    store = await opened(tmp_path / "s.db")
    await store.put_fact("trial", "good", 1)
    await store.close()
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("INSERT INTO facts VALUES ('trial', 'bad', '{nonsense', 1.0)")
    store = await opened(tmp_path / "s.db")
    assert await store.facts("trial") == {"good": 1}
    await store.close()
