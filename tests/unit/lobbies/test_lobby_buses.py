"""Buses that break: each is laid again, and only those that break by themselves are counted against their viewers."""

from __future__ import annotations

from typing import Any

from steadycast.errors import ConflictError
from steadycast.lobbies.feed import REPLACED_AT_ONCE
from steadycast.model import EncoderFault, WorkerKind
from steadycast.workers.messages import AttachReader, BusLost, KickViewer, RenditionFailed
from tests.support.lobby_room import OFFER, OpenRoom, Room
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn

FAILURES = int(REPLACED_AT_ONCE)


def readers(worker: StandIn, instance: str) -> int:
    return sum(reader.track == instance for reader in worker.told(AttachReader))


def attached(worker: StandIn) -> int:
    return len(worker.told(AttachReader)) - readers(worker, "audio")


async def watched(room: Room, viewers: int) -> tuple[str, StandIn]:
    """A lobby with viewers: its track and its worker."""
    lobby = await room.create(key="k")
    await room.state("k", "STREAMING")
    for _ in range(viewers):
        await room.lobbies.whep_offer("k", OFFER)
    return f"{lobby.id}/main", room.workers()[0]


async def test_a_failing_encoder_is_no_broken_bus(open_room: OpenRoom) -> None:
    """Every egress worker says that its bus broke before the lobby worker says why: nobody is sent away for that."""
    encoding = MemoryEncoding(**{f"gpu{n}": 1 for n in range(FAILURES)})
    room = await open_room(encoding=encoding, egress={"workers": 3})
    track, worker = await watched(room, 3)
    egresses = room.workers(WorkerKind.EGRESS)
    dead = set[str]()

    def script(_: StandIn, message: Any) -> None:
        if isinstance(message, AttachReader) and message.track in dead:
            raise ConflictError("track.unknown", "there is no such track")

    worker.script = script
    for number in range(1, FAILURES + 1):
        name, before = f"main.{number}", attached(worker)
        dead.add(name)
        for egress in egresses:
            egress.say(BusLost(track))
        await room.until(lambda before=before: attached(worker) >= before + 3)  # type: ignore[misc]
        worker.say(RenditionFailed(name, EncoderFault.FAILED, "it fell over"))
        await room.until(lambda number=number: readers(worker, f"main.{number + 1}") == 3)  # type: ignore[misc]
    assert not any(egress.told(KickViewer) for egress in egresses)
    assert encoding.ends == {"failed": FAILURES}
    worker.say(RenditionFailed(f"main.{FAILURES + 1}", EncoderFault.FAILED, "it fell over"))
    await room.until(lambda: all(egress.told(KickViewer) for egress in egresses))
    assert "it fell over" in egresses[0].told(KickViewer)[0].reason


async def test_a_bus_that_breaks_again_and_again_sends_its_viewers_away(open_room: OpenRoom) -> None:
    room = await open_room(egress={"workers": 2})
    track, worker = await watched(room, 2)
    one, other = room.workers(WorkerKind.EGRESS)
    for _ in range(FAILURES):
        before = attached(worker)
        one.say(BusLost(track))
        await room.until(lambda before=before: attached(worker) > before)  # type: ignore[misc]
    assert not one.told(KickViewer)
    one.say(BusLost(track))
    await room.until(lambda: one.told(KickViewer))
    assert "again and again" in one.told(KickViewer)[0].reason
    assert not other.told(KickViewer)
