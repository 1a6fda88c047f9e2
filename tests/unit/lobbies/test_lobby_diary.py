"""What a lobby was under a former host: its latch, its budget, and since when it is as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.announcing import Announcer
from steadycast.lobbies.asked import Asked
from steadycast.lobbies.diary import WORDS, BreakerNote, Diaries, recalled
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.failure import Failure
from steadycast.lobbies.retry import Loss, LossKind, Past, RetryPolicy, after_loss
from steadycast.lobbies.standing import Standing
from steadycast.lobbies.store import Store, StoredLobby
from steadycast.model import LobbyState
from tests.support.lobby_room import Room, build
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn

BUDGET: dict[str, Any] = {"workers": {"restarts": 1}}
LOSS = Loss(LossKind.WORKER, "worker.died", "it died", "w" * 5000)


@asynccontextmanager
async def host(path: Path) -> AsyncIterator[Room]:
    room, close = await build(path / "one.db", 1 << 24, dict(BUDGET), encoding=MemoryEncoding())
    try:
        yield room
    finally:
        await close()


async def crash(room: Room, times: int) -> None:
    for _ in range(times):
        worker: StandIn = await room.until(lambda: next((one for one in room.workers() if one.ready), None))
        await room.state("k", "STREAMING")
        worker.die()


async def test_a_latch_outlives_the_host_until_a_person_acts(tmp_path: Path) -> None:
    async with host(tmp_path) as room:
        made = await room.create(key="k")
        await crash(room, 2)
        before = await room.state("k", "DEGRADED")
        await room.until(lambda: room.lobbies.statistics().latched)
    async with host(tmp_path) as room:
        view = room.lobbies.get("k")
        assert (view.state, view.why, view.hint) == ("DEGRADED", before.why, before.hint)
        assert (view.since, view.created) == (before.since, made.created)
        assert room.names(made.id) == ["lobby.adopted"]
        assert room.lobbies.statistics().latched == (made.id,)
        assert room.workers() == []
        assert (await room.lobbies.restart("k")).state == "STREAMING"
    async with host(tmp_path) as room:
        await room.state("k", "STREAMING")
        assert room.names(made.id) == ["lobby.STARTING", "lobby.STREAMING"]
        await room.lobbies.delete("k")
    async with host(tmp_path) as room:
        assert not await room.store.facts("lobby.life") and not await room.store.facts("lobby.breaker")


async def test_the_budget_outlives_the_host(tmp_path: Path) -> None:
    async with host(tmp_path) as room:
        await room.create(key="k")
        await crash(room, 1)
        await room.state("k", "STREAMING")
    async with host(tmp_path) as room:
        await crash(room, 1)
        await room.until(lambda: room.lobbies.statistics().latched)


async def test_what_it_was_in_is_no_move(tmp_path: Path) -> None:
    store = Store(tmp_path / "one.db")
    await store.open()
    diaries, events = Diaries(store), EventLog()
    asked = Asked(LobbySettings.model_validate({"name": "x", "source": {"kind": "test"}}))
    stored = StoredLobby("l_x", None, 7.0, "{}")
    first = Standing(Announcer("l_x", asked, events), diaries.of(stored))
    first.move(LobbyState.STARTING)
    first.move(LobbyState.STREAMING)
    await diaries.flush()
    again = Diaries(store)
    await again.read(["l_x"], [])
    next_one = Standing(Announcer("l_x", asked, events), again.of(stored))
    next_one.go_on(LobbyState.STREAMING, "its workers were found")
    assert (next_one.state, next_one.since) == (LobbyState.STREAMING, first.since)
    next_one.move(LobbyState.DEGRADED)
    names = [event.name for event in events._ring]
    assert names == ["lobby.STARTING", "lobby.STREAMING", "lobby.adopted", "lobby.DEGRADED"]
    await store.close()


async def test_a_reason_is_bounded_and_a_camera_writes_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "one.db")
    await store.open()
    diaries = Diaries(store)
    diary = diaries.of(StoredLobby("l_x", None, 7.0, "{}"))
    for failures in range(1, 5):
        diary.counted(Past(failures))
    assert len(diaries._notes._waiting) == 1
    diary.counted(Past(5), Failure(LOSS, None, None, "l_x", True))
    await diaries.flush()
    (kept,) = (await store.facts("lobby.breaker")).values()
    assert len(kept["latched"]["loss"]["why"]) == WORDS
    await store.close()


@given(st.lists(st.floats(0, 1e6), max_size=5), st.none() | st.floats(0, 1e6), st.integers(0, 9))
def test_times_of_another_boot_count_only_where_no_picture_forgave_them(
    restarts: list[float], proved: float | None, failures: int
) -> None:
    note = BreakerNote(Past(failures, tuple(restarts), proved), None, "one boot")
    assert recalled(note, "one boot") is note
    past = recalled(note, "another").past
    counted = [at for at in restarts if proved is None or at > proved]
    assert len(past.restarts) == len(counted) and past.failures == failures
    policy = RetryPolicy((1, 2), 3, 60)
    assert after_loss(LOSS, past, policy, 1e9, 0.5).latched == (len(counted) >= 3)
