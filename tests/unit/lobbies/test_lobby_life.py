"""A lobby's life on stand-in workers: start, loss, retry, latch, end; creations and deletions that meet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from steadycast.errors import ConflictError, NotFoundError, RefusedError, SourceError, SteadycastError, WorkerError
from steadycast.lobbies.ids import lobby_id
from steadycast.lobbies.store import StoredLobby
from steadycast.model import LobbyState, WorkerKind
from steadycast.workers.evidence import Hang
from steadycast.workers.messages import (
    CommandExited,
    DisplayFailed,
    ShowDisplay,
    ShowSource,
    SourceFailed,
    SourceReady,
)
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.stand_in_workers import SOUND, StandIn

CAMERA = {"kind": "rtsp", "url": "rtsp://user:secret@127.0.0.1:9/x"}
DESKTOP = {"kind": "desktop", "application": "app"}


def silent(worker: StandIn) -> None:
    """A source that neither shows nor fails."""
    worker.script = lambda _, message: {} if isinstance(message, ShowSource) else None


def failing(code: str, what: str, retry: bool) -> Any:
    def prepare(worker: StandIn) -> None:
        def script(one: StandIn, message: Any) -> dict[str, Any] | None:
            if not isinstance(message, ShowSource):
                return None
            asyncio.get_running_loop().call_soon(one.say, SourceFailed(code, what, retry=retry))
            return {}

        worker.script = script

    return prepare


async def test_each_state_is_said_once(room: Room) -> None:
    lobby = await room.create(key="k")
    assert lobby.state is LobbyState.STARTING and lobby.key == "k"
    await room.state("k", "STREAMING")
    deleted = await room.lobbies.delete("k")
    assert deleted.state is LobbyState.DESTROYED and deleted.lobby == lobby.id
    assert [r.cause for r in deleted.receipts] == ["deleted"]
    states = ["CREATED", "STARTING", "STREAMING", "DRAINING", "ENDING", "DESTROYED"]
    assert room.names(lobby.id) == [f"lobby.{state}" for state in states]
    assert await room.store.lobbies() == ()


async def test_one_key_created_at_the_same_moment_is_one_lobby(room: Room) -> None:
    views = await asyncio.gather(*(room.create(key="same") for _ in range(20)))
    assert len({view.id for view in views}) == 1
    assert room.lobbies.statistics().lobbies.keys() <= {"STARTING", "STREAMING"}
    assert len(await room.store.lobbies()) == 1


async def test_delete_while_starting_and_twice(room: Room) -> None:
    room.supervisor.prepare = silent
    lobby = await room.create(key="k")
    first, second = await asyncio.gather(room.lobbies.delete("k"), room.lobbies.delete(lobby.id))
    assert first == second and first.state is LobbyState.DESTROYED
    with pytest.raises(NotFoundError):
        await room.lobbies.delete("k")
    room.supervisor.prepare = lambda worker: None
    assert (await room.create(key="k")).id != lobby.id


async def test_a_key_is_free_after_the_end_only(room: Room) -> None:
    lobby = await room.create(key="k")
    await room.state("k", "STREAMING")
    (worker,) = room.workers()
    hold = asyncio.Event()
    end = worker.end

    async def slow(cause: str, hang: Hang | None = None) -> Any:
        await hold.wait()
        return await end(cause, hang)

    worker.end = slow  # type: ignore[method-assign]
    deleting = asyncio.create_task(room.lobbies.delete("k"))
    await room.state(lobby.id, "ENDING")
    with pytest.raises(ConflictError):
        await room.create(key="k")
    hold.set()
    await deleting
    assert (await room.create(key="k")).id != lobby.id


async def test_a_worker_that_left_something_is_said(room: Room) -> None:
    await room.create(key="k")
    await room.state("k", "STREAMING")
    room.workers()[0].clean = False
    deleted = await room.lobbies.delete("k")
    assert deleted.state is LobbyState.CLEANUP_INCOMPLETE and not deleted.receipts[0].clean


async def test_a_worker_that_dies_is_replaced_until_the_budget_is_used_up(open_room: OpenRoom) -> None:
    room = await open_room(workers={"restarts": 2})
    lobby = await room.create(key="k")
    for number in range(3):
        await room.started(number + 1)
        await room.said(lobby.id, "lobby.STREAMING", number + 1)
        room.workers()[-1].die()
        await room.said(lobby.id, "lobby.DEGRADED", number + 1)
    view = await room.state("k", "DEGRADED")
    assert view.retry_at is None and view.code == "worker.died" and view.restarts == 2
    assert view.why is not None and "SIGKILL" in view.why and "2 times" in view.why
    with pytest.raises(SourceError) as refused:
        await room.lobbies.whep_offer("k", OFFER)
    assert refused.value.hint is not None and "lobby restart" in refused.value.hint
    assert len(room.workers()) == 3
    assert view.hint is not None and f"/api/v1/lobbies/{lobby.id}/restart" in view.hint
    assert room.names(lobby.id).count("lobby.latched") == 1
    assert room.lobbies.statistics().latched == (lobby.id,)
    assert (await room.lobbies.delete("k")).state is LobbyState.DESTROYED


async def test_a_person_restarts_a_lobby_that_is_latched(open_room: OpenRoom) -> None:
    room = await open_room(workers={"restarts": 1})
    lobby = await room.create(key="k")
    for number in range(2):
        await room.said(lobby.id, "lobby.STREAMING", number + 1)
        room.workers()[-1].die()
        await room.said(lobby.id, "lobby.DEGRADED", number + 1)
    await room.said(lobby.id, "lobby.latched", 1)
    view = await room.lobbies.restart("k")
    assert view.state is LobbyState.STREAMING and view.why is None and view.hint is None
    assert room.lobbies.statistics().latched == ()
    workers = len(room.workers())
    assert (await room.lobbies.restart("k")).state is LobbyState.STREAMING
    assert len(room.workers()) == workers, "one that streams is left alone"
    room.workers()[-1].die()  # the whole budget is there again
    await room.said(lobby.id, "lobby.STREAMING", 4)
    with pytest.raises(NotFoundError):
        await room.lobbies.restart("nope")


async def test_a_restart_that_does_not_help_says_why(room: Room) -> None:
    room.supervisor.prepare = failing("source.no_media", "this file is no media", False)
    await room.create(key="k")
    assert (await room.state("k", "DEGRADED")).retry_at is None
    view = await room.lobbies.restart("k")
    assert view.state is LobbyState.DEGRADED and view.why == "this file is no media"
    assert len(room.workers()) == 2
    assert room.lobbies.statistics().latched == (), "that is no crash loop"


async def test_a_camera_is_tried_until_it_is_back_and_says_why_meanwhile(room: Room) -> None:
    room.supervisor.prepare = failing("camera.auth", "401 from the camera at rtsp://user:secret@127.0.0.1:9/x", True)
    lobby = await room.create(CAMERA, key="cam")
    await room.until(lambda: len(room.workers()) > 8)
    view = room.lobbies.get("cam")
    assert view.state is LobbyState.DEGRADED and view.retry_at is not None and view.code == "camera.auth"
    assert view.why is not None and "401 from the camera" in view.why
    assert "secret" not in str(view) and "secret" not in str(list(room.events._ring))
    room.supervisor.prepare = lambda worker: None
    await room.state("cam", "STREAMING")
    assert room.names(lobby.id) == ["lobby.CREATED", "lobby.STARTING", "lobby.DEGRADED", "lobby.STREAMING"]
    assert room.lobbies.get("cam").why is None


async def test_what_cannot_work_is_not_tried_again(room: Room) -> None:
    room.supervisor.prepare = failing("source.no_media", "this file is no media", False)
    await room.create(key="k")
    view = await room.state("k", "DEGRADED")
    assert view.why == "this file is no media" and view.retry_at is None
    assert [worker.ready for worker in room.workers()] == [False]


async def test_a_source_that_says_nothing_is_given_up(open_room: OpenRoom) -> None:
    room = await open_room(workers={"source_s": 0.05, "restarts": 1})
    room.supervisor.prepare = silent
    await room.create(key="k")
    await room.until(lambda: len(room.workers()) == 2 and not room.supervisor.of(WorkerKind.LOBBY)[1].ready)
    view = await room.state("k", "DEGRADED")
    assert view.why is not None and "did not show within" in view.why
    assert [worker.hang for worker in room.workers()] == [Hang.PART] * 2, "they are asked what they hang in"


async def test_workers_that_cannot_be_started_end_in_words(open_room: OpenRoom) -> None:
    room = await open_room(workers={"restarts": 0})

    def refuse(worker: StandIn) -> None:
        raise WorkerError("worker.start", "no memory")

    room.supervisor.prepare = refuse
    await room.create(key="k")
    assert "no memory" in str((await room.state("k", "DEGRADED")).why)


async def test_a_display_outlives_its_lobby_worker(room: Room) -> None:
    await room.create(DESKTOP, key="d")
    await room.state("d", "STREAMING")
    room.workers()[0].die()
    await room.until(lambda: len(room.workers()) == 2)
    await room.state("d", "STREAMING")
    (display,) = room.workers(WorkerKind.DISPLAY)
    assert display.ready and len(display.told(ShowDisplay)) == 1
    assert room.workers()[1].told(ShowSource)[0].display == ":7"


@pytest.mark.parametrize("said", [DisplayFailed("the X server ended"), None])
async def test_a_lost_display_renews_both(room: Room, said: Any) -> None:
    await room.create(DESKTOP, key="d")
    await room.state("d", "STREAMING")
    (display,) = room.workers(WorkerKind.DISPLAY)
    room.workers()[0].say(SourceFailed("source.x11", "lost the display", retry=True))
    if said is None:
        display.die()
    else:
        display.say(said)
    await room.until(lambda: len(room.workers(WorkerKind.DISPLAY)) == 2)
    await room.state("d", "STREAMING")
    assert not display.ready and not room.workers()[0].ready
    assert room.lobbies.get("d").workers == (room.workers(WorkerKind.DISPLAY)[1].pid, room.workers()[1].pid)


async def test_of_a_desktop_that_stands_still_both_workers_are_asked_why(room: Room) -> None:
    await room.create(DESKTOP, key="d")
    await room.state("d", "STREAMING")
    (display,), (worker,) = room.workers(WorkerKind.DISPLAY), room.workers()
    worker.say(SourceFailed("desktop.silent", "the desktop sent no picture for 8 s", retry=True, hung=True))
    await room.until(lambda: len(room.workers(WorkerKind.DISPLAY)) == 2)
    await room.state("d", "STREAMING")
    assert (worker.hang, display.hang) == (Hang.PART, Hang.PART)
    await room.lobbies.delete("d")
    assert {one.hang for kind in (WorkerKind.DISPLAY, WorkerKind.LOBBY) for one in room.workers(kind)[1:]} == {None}


@pytest.mark.parametrize(
    ("exited", "words"),
    [
        (CommandExited(127, None, "sh: 1: nope: not found\n"), "the command exited with 127: not found"),
        (CommandExited(0, None), "the command exited with 0"),
        (CommandExited(None, 11), "the command was ended by SIGSEGV"),
    ],
)
async def test_a_program_that_ends_at_once_is_not_started_again(room: Room, exited: CommandExited, words: str) -> None:
    await room.create(DESKTOP, key="d")
    await room.state("d", "STREAMING")
    room.workers(WorkerKind.DISPLAY)[0].say(exited)
    view = await room.state("d", "DEGRADED")
    assert view.why is not None and view.why.startswith(words) and view.retry_at is None
    await room.until(lambda: not room.lobbies.get("d").workers)


async def test_limits_and_a_full_disk_leave_nothing_behind(open_room: OpenRoom) -> None:
    room = await open_room(max_bytes=64 * 1024, limits={"lobbies": 3})
    for _ in range(3):
        await room.create()
    with pytest.raises(RefusedError) as full:
        await room.create()
    assert full.value.code == "limit.lobbies"
    await room.lobbies.delete(room.lobbies.list().items[0].id)
    with pytest.raises(RefusedError) as disk:
        while True:
            await room.store.add_lobby(_large())
    assert disk.value.code == "store.full"
    with pytest.raises(RefusedError) as disk:
        await room.create(renditions=[{"name": f"r{i}-{'x' * 36}"} for i in range(8)], key="full")
    assert disk.value.code == "store.full"
    with pytest.raises(NotFoundError):
        room.lobbies.get("full")
    assert room.lobbies.statistics().refused_total == {"limit.lobbies": 1, "store.full": 1}


async def test_a_delete_wins_over_a_disk_that_fails(open_room: OpenRoom) -> None:
    room = await open_room()
    database = room.store._db._db
    lobbies = [await room.create(key=key) for key in ("one", "two")]
    database.execute("PRAGMA query_only = ON").close()  # as on a disk that may only be read
    for lobby in lobbies:
        deleted = await room.lobbies.delete(lobby.id)
        assert deleted.state is LobbyState.DESTROYED
        assert not deleted.stored and deleted.note is not None and "comes back" in deleted.note
        with pytest.raises(NotFoundError):
            room.lobbies.get(lobby.id)
    assert room.lobbies.statistics().removals_waiting == 2 and len(await room.store.lobbies()) == 2
    with pytest.raises(RefusedError):
        await room.create(key="one")
    database.execute("PRAGMA query_only = OFF").close()
    again = await room.create(key="one")  # a key is free again before the next try
    assert [one.id for one in await room.store.lobbies()] == [again.id]
    said = ["store.removals_waiting", "store.removals_done"]
    await room.until(lambda: [e.name for e in room.events._ring if e.name.startswith("store.")] == said)
    assert room.lobbies.statistics().removals_waiting == 0
    assert (await room.lobbies.delete("one")).stored and await room.store.lobbies() == ()


async def test_lobbies_come_back_from_the_store(open_room: OpenRoom) -> None:
    first = await open_room()
    made = await first.create(CAMERA, key="cam", renditions=[{"name": "low", "width": 320, "height": 180}])
    stored = await first.store.lobbies()
    await first.lobbies.close()
    second = await open_room(stored=stored)
    back = second.lobbies.get("cam")
    assert (back.id, back.created, back.source, back.renditions[0].declared) == (
        made.id, made.created, made.source, made.renditions[0].declared,
    )  # fmt: skip
    await second.state("cam", "STREAMING")
    sent = second.workers()[0].told(ShowSource)[0].source
    assert sent.url == CAMERA["url"]  # credentials survive, though they are never shown


async def test_pages(room: Room) -> None:
    ids = [(await room.create()).id for _ in range(5)]
    page = room.lobbies.list(None, 2)
    assert [view.id for view in page.items] == ids[:2] and page.next == ids[1]
    page = room.lobbies.list(page.next, 3)
    assert [view.id for view in page.items] == ids[2:] and page.next is None
    with pytest.raises(SteadycastError):
        room.lobbies.list("none", 3)


async def test_what_is_known_of_a_source_may_change(room: Room) -> None:
    await room.create(key="k")
    await room.state("k", "STREAMING")
    assert room.lobbies.get("k").audio
    room.workers()[0].say(SourceReady((), 10, 10, None))
    assert not room.lobbies.get("k").audio
    room.workers()[0].say(SourceReady((SOUND,), 10, 10, None))
    assert room.lobbies.get("k").audio and len(room.workers()) == 1


def _large() -> StoredLobby:
    return StoredLobby(lobby_id(), None, 0, "x" * 1000)


async def test_a_worker_that_is_killed_while_it_is_asked_is_said_to_be_killed(room: Room) -> None:
    """Whether its connection or its end is seen first."""

    def dies(worker: StandIn, message: Any) -> None:
        if isinstance(message, ShowSource) and len(room.workers()) == 1:
            asyncio.get_running_loop().call_later(0.05, worker.die)
            raise WorkerError("worker.gone", f"worker {worker.id} is gone", why="closed")

    room.supervisor.prepare = lambda worker: setattr(worker, "script", dies)
    lobby = await room.create()
    await room.state(lobby.id, "STREAMING")
    said = [event.why for event in room.events._ring if event.name == "lobby.DEGRADED"]
    assert said == ["the lobby worker was ended by SIGKILL"]
