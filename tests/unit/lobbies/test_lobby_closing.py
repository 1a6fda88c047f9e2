"""The end of a host: nothing new is begun, viewers are told, and nobody is waited for without end."""

from __future__ import annotations

import asyncio

import pytest

from steadycast.errors import RefusedError
from steadycast.lobbies import viewers
from steadycast.workers.messages import KickViewer, RtspDescribe
from tests.support.lobby_room import OFFER, Room


async def watched(room: Room) -> str:
    """A lobby with a viewer."""
    lobby = (await room.create(key="k")).id
    await room.state(lobby, "STREAMING")
    return (await room.lobbies.whep_offer("k", OFFER)).viewer


async def test_nothing_new_is_begun_while_it_ends(room: Room) -> None:
    viewer = await watched(room)
    room.egress.may_answer.clear()
    closing = asyncio.create_task(room.lobbies.close())
    await room.until(lambda: room.egress.told(KickViewer))
    for asked in (
        room.create(),
        room.create(key="k"),
        room.lobbies.whep_offer("k", OFFER),
        room.egress.ask(RtspDescribe("k", "h", "127.0.0.1")),
    ):
        with pytest.raises(RefusedError) as refused:
            await asked
        assert refused.value.code in ("host.closing", "egress.none")
    assert room.lobbies.get("k").state in ("DRAINING", "ENDING"), "callers may look until the end"
    room.egress.may_answer.set()
    await closing
    names = [event.name for event in room.events._ring]
    assert names.index("host.closing") < names.index("viewer.gone")
    assert [kick.viewer for kick in room.workers(room.egress.kind)[-1].told(KickViewer)] == [viewer]
    assert names.count("host.closing") == 1


async def test_a_worker_that_tells_nobody_holds_nothing_up(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "TOLD_S", 0.05)
    await watched(room)
    egress = room.lobbies._viewers.of()[0].hold.egress

    async def never(viewer: str, reason: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(egress, "kick", never)
    await room.lobbies.delete("k")
    assert not room.lobbies.list_viewers().items and not room.lobbies._viewers.places.all()


async def test_what_stayed_is_told_with_whose_process_it_is(room: Room) -> None:
    heard: list[tuple[str, tuple[str, ...]]] = []
    room.lobbies.hear_residue(lambda role, left: heard.append((role, left)))
    lobby = (await room.create(key="k")).id
    await room.state("k", "STREAMING")
    room.workers()[-1].clean = False
    await room.lobbies.delete("k")
    await room.until(lambda: heard)
    ((role, (left,)),) = heard
    assert role == f"lobby:{lobby}" and "of worker" in left and "by receipt" in left
