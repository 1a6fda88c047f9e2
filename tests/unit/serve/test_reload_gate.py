"""Who may have the config read again, and when: one at a time, with a file, to its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.current import CurrentSettings
from steadycast.config.settings import LobbySettings, Settings
from steadycast.errors import ConfigError, ConflictError, WorkerError
from steadycast.lobbies.reload_views import Outcome
from steadycast.lobbies.store import StoredLobby
from steadycast.model import LobbyState, TestSource
from steadycast.serve.reload import ConfigFile, Reload
from tests.support.lobby_room import Room, build


class Desk:
    """A host's reload on a room, and the config that it reads; `gate` holds back who reads."""

    def __init__(self, room: Room, path: Path | None) -> None:
        self.room = room
        self.gate = threading.Event()
        self.gate.set()
        self.wanted = Settings()
        self.reads = 0
        self.current = CurrentSettings(Settings(port=1234, rtsp_port=1235))
        file = None if path is None else ConfigFile(path, self._read)
        self.reload = Reload(file, Settings(), self.current, room.lobbies, room.events)

    def _read(self) -> Settings:
        self.reads += 1
        assert self.gate.wait(30)
        return self.wanted

    async def reads_are(self, count: int) -> None:
        await self.room.until(lambda: self.reads == count)

    def events(self) -> list[tuple[str, object]]:
        return [(event.name, event.data["outcome"]) for event in self.room.events._ring if event.kind == "host"]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    room, close = await build(tmp_path / "store.db", 1 << 24, {})
    yield room
    await close()


@pytest.fixture
async def desk(room: Room, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(room, tmp_path / "config.toml")
    yield desk
    desk.gate.set()
    await desk.reload.close()


async def test_without_a_file_there_is_nothing_to_read(room: Room) -> None:
    with pytest.raises(ConflictError) as refused:
        await Desk(room, None).reload.reload()
    assert refused.value.code == "reload.no_file"


async def test_one_at_a_time(desk: Desk) -> None:
    desk.gate.clear()
    first = asyncio.create_task(desk.reload.reload())
    await desk.reads_are(1)
    with pytest.raises(ConflictError) as refused:
        await desk.reload.reload()
    assert refused.value.code == "reload.busy"
    desk.gate.set()
    assert (await first).outcome is Outcome.UNCHANGED
    assert (await desk.reload.reload(dry_run=True)).outcome is Outcome.PLANNED


async def test_signals_wait_and_are_served_together(desk: Desk) -> None:
    desk.gate.clear()
    first = asyncio.create_task(desk.reload.reload())
    await desk.reads_are(1)
    for _ in range(5):
        desk.reload.on_signal()
    desk.gate.set()
    await first
    await desk.room.until(lambda: len(desk.events()) == 2)
    assert desk.reads == 2


async def test_a_signal_after_the_read_is_not_lost(desk: Desk) -> None:
    desk.reload.on_signal()
    await desk.room.until(lambda: desk.events())
    desk.reload.on_signal()  # the first one is told, and its task may not be done yet
    await desk.room.until(lambda: len(desk.events()) == 2)
    desk.gate.clear()
    desk.reload.on_signal()
    await desk.reads_are(3)
    desk.reload.on_signal()  # what was read may be older than this
    desk.gate.set()
    await desk.room.until(lambda: len(desk.events()) == 4)


async def test_it_goes_on_where_the_caller_goes_away(desk: Desk) -> None:
    desk.gate.clear()
    desk.wanted = Settings(log_level="warning")
    caller = asyncio.create_task(desk.reload.reload())
    await desk.reads_are(1)
    caller.cancel()
    desk.gate.set()
    await desk.room.until(lambda: desk.events() == [("host.reloaded", "applied")])
    assert desk.current.now.log_level == "warning"


async def test_what_waits_for_the_next_start_is_not_taken(desk: Desk) -> None:
    desk.wanted = Settings(port=4000, limits={"viewers": 3}, workers={"spares": 4})
    answer = await desk.reload.reload()
    assert answer.outcome is Outcome.APPLIED
    now = desk.current.now
    assert (now.port, now.rtsp_port, now.limits.viewers, now.workers.spares) == (1234, 1235, 3, 1)
    again = await desk.reload.reload()
    assert again.outcome is Outcome.UNCHANGED
    assert {step.key for step in again.plan.settings} == {"port", "workers.spares"}


async def test_what_is_no_good_is_told_and_changes_nothing(desk: Desk) -> None:
    desk.wanted = Settings(host="0.0.0.0", limits={"viewers": 3})
    with pytest.raises(ConfigError):
        await desk.reload.reload(dry_run=True)
    assert desk.events() == []
    with pytest.raises(ConfigError):
        await desk.reload.reload()
    assert desk.events() == [("host.reload_failed", "refused")]
    assert desk.current.now.limits.viewers == 1000
    desk.reload.on_signal()
    await desk.room.until(lambda: len(desk.events()) == 2)


async def test_lobbies_of_callers_count_before_anything_is_done(desk: Desk) -> None:
    await desk.room.create(key="a")
    lobby = LobbySettings(key="new", name="New", source=TestSource())
    desk.wanted = Settings(lobbies=(lobby,), limits={"lobbies": 1})
    with pytest.raises(ConfigError) as refused:
        await desk.reload.reload()
    assert "limits.lobbies" in refused.value.what
    desk.wanted = Settings(lobbies=(lobby,))
    assert (await desk.reload.reload()).outcome is Outcome.APPLIED
    assert [(one.key, one.declared) for one in await desk.room.store.lobbies()] == [("a", False), ("new", True)]


async def test_a_callers_lobby_becomes_the_configs_and_is_not_touched(desk: Desk) -> None:
    view = await desk.room.create(key="a", name="A")
    await desk.room.state(view.id, "STREAMING")
    stored = (await desk.room.store.lobbies())[0]
    desk.wanted = Settings(lobbies=(LobbySettings.model_validate_json(stored.request),))
    answer = await desk.reload.reload()
    assert answer.outcome is Outcome.APPLIED
    assert [(one.id, one.declared) for one in await desk.room.store.lobbies()] == [(view.id, True)]
    assert desk.room.lobbies.get("a").since == desk.room.lobbies.get(view.id).since
    assert len(desk.room.workers()) == 1
    desk.wanted = Settings()
    assert [one.step for one in (await desk.reload.reload()).plan.lobbies] == ["removed"]
    assert await desk.room.store.lobbies() == ()


def lobby(key: str, **more: Any) -> LobbySettings:
    return LobbySettings.model_validate({"key": key, "name": key.title(), "source": {"kind": "test"}, **more})


async def showing(desk: Desk, *lobbies: LobbySettings) -> dict[str, str]:
    """Have the config declare these, and answer with their ids when they show."""
    desk.wanted = Settings(lobbies=lobbies)
    assert (await desk.reload.reload()).outcome is Outcome.APPLIED
    for one in lobbies:
        assert one.key is not None
        await desk.room.state(one.key, "STREAMING")
    return {one.key or "": one.id for one in desk.room.lobbies.list().items}


async def test_a_fault_of_the_host_rolls_back_and_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await showing(desk, lobby("a"), lobby("goes"))

    async def fault(*_: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(desk.room.lobbies, "declare", fault)
    monkeypatch.setattr(desk.room.lobbies, "left_starting", fault)
    desk.wanted = Settings(lobbies=(lobby("a", name="Other"), lobby("goes"), lobby("new")), limits={"viewers": 3})
    answer = await desk.reload.reload()
    assert answer.outcome is Outcome.ROLLED_BACK and answer.why is not None and "host itself" in answer.why
    assert desk.events()[-1] == ("host.reload_failed", "rolled_back")
    assert desk.room.lobbies.get("a").name == "A" and desk.current.now.limits.viewers == 1000
    assert {one.key: one.id for one in await desk.room.store.lobbies()} == ids


@pytest.mark.parametrize("key", ["goes", "changes"])
async def test_what_a_caller_deletes_meanwhile_is_not_rolled_back(
    desk: Desk, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one ends by the config when the caller deletes it; the other one is being changed back."""
    room = desk.room
    await showing(desk, lobby("changes"), lobby("goes"), lobby("fails"))
    redeclare, undeclare, deleting = room.lobbies.redeclare, room.lobbies.undeclare, []

    def delete() -> None:
        deleting.append(asyncio.create_task(room.lobbies.delete(key)))

    async def meets(stored: StoredLobby, request: LobbySettings, *, anew: bool = False) -> None:
        if stored.key == "fails" and not anew:
            raise WorkerError("made.up", "it does not come through")
        await redeclare(stored, request, anew=anew)
        if stored.key == "changes" == key and anew:
            delete()
            while any(one.key == key for one in await room.store.lobbies()):
                pass  # until it is not stored any more

    async def ends(id: str, cause: str) -> str | None:
        if key == "goes":
            asyncio.get_running_loop().call_soon(delete)
        return await undeclare(id, cause)

    monkeypatch.setattr(room.lobbies, "redeclare", meets)
    monkeypatch.setattr(room.lobbies, "undeclare", ends)
    desk.wanted = Settings(lobbies=(lobby("changes", name="Other"), lobby("fails", name="Other")))
    answer = await desk.reload.reload()
    assert answer.outcome is Outcome.ROLLED_BACK and answer.notes == ()
    assert (await asyncio.gather(*deleting))[0].state is LobbyState.DESTROYED
    left = {"changes", "goes", "fails"} - {key}
    assert {one.key for one in room.lobbies.list().items} == left
    assert {one.key for one in await room.store.lobbies()} == left
