"""Recycles that a person asks for take turns on a device, with each other and with those of the host itself."""

from __future__ import annotations

import asyncio

import pytest

from steadycast.errors import RefusedError
from steadycast.lobbies import turns
from steadycast.workers.messages import BusTaken, OpenBus
from tests.support.lobby_room import OFFER, OpenRoom
from tests.support.memory_encoding import MemoryEncoding
from tests.unit.lobbies.test_lobby_replacing import alive, told, watched


async def test_a_person_waits_for_the_turn_on_a_device(open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await watched(open_room, MemoryEncoding(gpu=4))
    await room.create(key="j")
    await room.state("j", "STREAMING")
    await room.lobbies.whep_offer("j", OFFER)
    (first,) = alive(room)[:1]
    room.egress.holds_back = True
    running = asyncio.create_task(room.lobbies.recycle("k"))
    await room.until(lambda: told(room, "lobby.recycling"))
    joined = asyncio.create_task(room.lobbies.recycle("k"))
    monkeypatch.setattr(turns, "WAIT_S", 0.05)
    with pytest.raises(RefusedError) as refused:
        await room.lobbies.recycle("j")
    assert refused.value.code == "recycle.busy" and refused.value.retry_after and "gpu" in refused.value.what
    monkeypatch.setattr(turns, "WAIT_S", 30.0)
    waiting = asyncio.create_task(room.lobbies.recycle("j"))
    (other,) = (worker.id for worker in alive(room) if worker.lobby == room.lobbies.get("j").id)
    room.lobbies.recycle_for(other, "f_1", "it leaks")
    await room.lobbies.recycler.look()
    assert len(told(room, "lobby.recycling")) == 1
    room.egress.holds_back = False
    for one in room.egress.told(OpenBus):
        room.egress.say(BusTaken(one.track, one.bus))
    assert (await running).old_worker == (await joined).old_worker == first.id
    assert (await waiting).made_before_break
    assert [data["cause"] for data in told(room, "lobby.recycled")] == ["person", "person"]
    await room.lobbies.recycle("k")
