"""The store on a real SQLite file: comes back, is private, and a full disk or a broken file is said clearly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from steadycast.errors import ConfigError, DeadlineError, RefusedError
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.receipts import ReceiptBook
from steadycast.lobbies.store import ReceiptFilter, Store, StoredLobby
from steadycast.model import Check, Receipt, Rung, WorkerKind
from tests.support.chaos.ground import ROOT, has_own_mounts

ONE = StoredLobby("l_one", "key", 1.5, '{"name": "one"}')


def receipt(number: int, lobby: str | None = "l_one", clean: bool = True) -> Receipt:
    rungs, checks = (Rung("end", 1.0, 0.1),), (Check("process", ()), Check("files", None, "could not look"))
    return Receipt(f"r{number}", "w", WorkerKind.LOBBY, 7, lobby, "died", 1.0, 2.0, None, 9, rungs, checks, clean)


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def opened(path: Path, max_bytes: int = 1 << 24) -> Store:
    store = Store(path / "s.db", max_bytes)
    await store.open()
    return store


async def test_lobbies_come_back_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    two = StoredLobby("l_two", None, 2.5, "{}")
    await store.add_lobby(two)
    await store.add_lobby(ONE)
    await store.close()
    store = await opened(tmp_path)
    assert await store.lobbies() == (ONE, two)
    await store.remove_lobbies(["l_two", "l_none"])
    assert await store.lobbies() == (ONE,)
    assert modes(tmp_path) == {0o600}
    await store.close()


async def test_a_key_is_there_once(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.add_lobby(ONE)
    with pytest.raises(RefusedError):
        await store.add_lobby(StoredLobby("l_other", "key", 3, "{}"))
    assert await store.lobbies() == (ONE,)
    await store.close()


async def test_what_a_slow_disk_does_after_its_deadline_is_taken_back(tmp_path: Path) -> None:
    """Another connection holds the file: the first write is under way when its time is over, the second waits."""
    store = Store(tmp_path / "s.db", deadline_s=0.3)
    await store.open()
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    late = [asyncio.create_task(store.add_lobby(StoredLobby(f"l_{i}", f"k{i}", i, "{}"))) for i in range(2)]
    for one in late:
        with pytest.raises(DeadlineError) as slow:
            await one
        assert slow.value.code == "store.slow"
    other.execute("COMMIT")
    other.close()
    there = None
    async with asyncio.timeout(30):
        while there is None:
            with contextlib.suppress(DeadlineError):
                there = await store.lobbies()  # behind what was late
    assert there == ()
    await store.add_lobby(ONE)
    await store.close()


@pytest.mark.parametrize("write", ["add", "put", "put with the key of another", "change", "remove"])
async def test_what_was_begun_in_time_and_done_too_late_is_taken_back(tmp_path: Path, write: str) -> None:
    """All but a removal: that wins over anything."""
    store = Store(tmp_path / "s.db", deadline_s=0.3)
    await store.open()
    two = StoredLobby("l_two", "other", 2.5, "{}")
    for one in (ONE, two):
        await store.add_lobby(one)
    writes: dict[str, Callable[[], Awaitable[None]]] = {
        "add": lambda: store.add_lobby(StoredLobby("l_new", "new", 3, "{}")),
        "put": lambda: store.put_lobby(StoredLobby("l_one", "key", 1.5, "changed", True)),
        "put with the key of another": lambda: store.put_lobby(StoredLobby("l_one", "other", 1.5, "changed", True)),
        "change": lambda: store.change_lobby("l_one", "changed"),
        "remove": lambda: store.remove_lobbies(["l_one"]),
    }
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DeadlineError):
        await writes[write]()
    other.execute("COMMIT")
    other.close()
    there = None
    async with asyncio.timeout(30):
        while there is None:
            with contextlib.suppress(DeadlineError):
                there = await store.lobbies()  # behind what was late
    assert there == ((two,) if write == "remove" else (ONE, two))
    await store.close()


async def test_a_full_disk_refuses_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = await opened(tmp_path, max_bytes=64 * 1024)
    number = 0
    with pytest.raises(RefusedError) as full:
        for number in range(1000):
            await store.add_lobby(StoredLobby(f"l_{number}", None, number, "x" * 4000))
    assert full.value.code == "store.full" and full.value.retry_after
    assert len(await store.lobbies()) == number
    await store.remove_lobbies(["l_0"])
    await store.add_lobby(StoredLobby("l_again", None, 9999, "x" * 1000))
    await store.close()


@pytest.mark.skipif(not has_own_mounts(), reason="this machine lets us mount nothing")
async def test_on_a_real_full_disk_lobbies_are_removed_and_receipts_kept(tmp_path: Path) -> None:
    words = [
        "unshare",
        "-m",
        "--propagation",
        "private",
        sys.executable,
        "-m",
        "tests.support.full_disk",
        str(tmp_path),
    ]
    child = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(child.communicate(), 60)
    found = json.loads(out)
    assert found["refused"] == "store.full" and found["lobbies"] == 0
    assert found["of"] / 2 <= found["left"] < found["of"]


async def test_a_broken_or_newer_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"this is no database " * 100)
    with pytest.raises(ConfigError, match=r"s\.db"):
        await opened(tmp_path)
    (tmp_path / "s.db").unlink()
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="newer"):
        await opened(tmp_path)


async def test_receipts_are_counted_told_and_kept(tmp_path: Path) -> None:
    store, events = await opened(tmp_path), EventLog()
    book = ReceiptBook(store, events)
    for number in range(5):
        book.add(receipt(number, lobby="l_one" if number % 2 else None, clean=number != 3))
    assert dict(book.totals) == {"clean": 4, "unclean": 1} and events.total == 5
    page = await book.page(None, 2, None)
    assert page.items == (receipt(4, lobby=None), receipt(3, clean=False)) and page.next == "r3"
    page = await book.page(page.next, 10, None)
    assert [one.id for one in page.items] == ["r2", "r1", "r0"] and page.next is None
    assert [one.id for one in (await book.page(None, 10, ReceiptFilter("l_one"))).items] == ["r3", "r1"]
    await store.close()
