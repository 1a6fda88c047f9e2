"""A lobbies room on stand-in workers and a real store."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadycast.config.settings import LobbySettings, Settings
from steadycast.lobbies.egresses import Egresses
from steadycast.lobbies.encoders.encoders import Encoders
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.lobbies import Lobbies, LobbiesParts
from steadycast.lobbies.receipts import ReceiptBook
from steadycast.lobbies.staging import StagingParts
from steadycast.lobbies.store import Store, StoredLobby
from steadycast.lobbies.vetting import Vetting
from steadycast.lobbies.views import LobbyView
from steadycast.model import WorkerKind
from steadycast.vendors.attendance import Attendance
from steadycast.workers.trials import Trials
from tests.support.memory_encoding import MemoryEncoding
from tests.support.stand_in_workers import StandIn, StandInSupervisor

# What a browser offers, as far as it is read here.
OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789abcdef01234567",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=mid:1",
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "",
    ]
)

SETTINGS: dict[str, Any] = {
    "renditions": {"linger_s": 0},
    "sources": {"applications": {"app": ["app"]}, "rtsp_backoff_s": [0.01, 0.05]},
    "limits": {"offers_per_s": 10_000},
    "egress": {"spares": 0},
}


@dataclass
class Room:
    """The room and what is around it."""

    lobbies: Lobbies
    supervisor: StandInSupervisor
    store: Store
    events: EventLog
    encoding: MemoryEncoding

    async def create(self, source: dict[str, Any] | None = None, **more: Any) -> LobbyView:
        request = {"name": "x", "source": source or {"kind": "test"}, **more}
        return (await self.lobbies.create(LobbySettings.model_validate(request)))[0]

    async def until(self, look: Callable[[], Any]) -> Any:
        """Wait until something is true."""
        async with asyncio.timeout(30):
            while not (value := look()):
                await asyncio.sleep(0.002)
            return value

    async def state(self, lobby: str, state: str) -> LobbyView:
        await self.until(lambda: self.lobbies.get(lobby).state == state)
        return self.lobbies.get(lobby)

    async def said(self, lobby: str, name: str, count: int) -> None:
        """Wait until something was said of a lobby so often."""
        await self.until(lambda: self.names(lobby).count(name) == count)

    async def started(self, count: int) -> None:
        """Wait until so many lobby workers were started."""
        await self.until(lambda: len(self.workers()) == count)

    async def told(self, worker: StandIn, kind: type[Any], count: int) -> None:
        """Wait until a worker got so many messages of a kind."""
        await self.until(lambda: len(worker.told(kind)) == count)

    def workers(self, kind: WorkerKind = WorkerKind.LOBBY) -> list[StandIn]:
        return self.supervisor.of(kind)

    @property
    def egress(self) -> StandIn:
        """The egress worker that runs."""
        return self.workers(WorkerKind.EGRESS)[-1]

    def names(self, lobby: str, kind: str = "lobby") -> list[str]:
        """Names of a lobby's events."""
        return [e.name for e in self.events._ring if e.lobby == lobby and e.kind == kind]


OpenRoom = Callable[..., Awaitable[Room]]


async def build(
    database: Path,
    max_bytes: int,
    tables: dict[str, Any],
    stored: Sequence[StoredLobby] = (),
    encoding: MemoryEncoding | None = None,
) -> tuple[Room, Callable[[], Awaitable[None]]]:
    """A room that has started, and what closes it; then no worker may be left, and no seat."""
    lobbies_of_config = tables.pop("lobbies", ())
    values = {name: {**SETTINGS.get(name, {}), **tables.get(name, {})} for name in {*SETTINGS, *tables}}
    settings = Settings.model_validate({**values, "lobbies": lobbies_of_config})
    encoding = encoding or MemoryEncoding()
    events, store = EventLog(), Store(database, max_bytes)
    await store.open()
    for one in stored:
        await store.add_lobby(one)
    book = ReceiptBook(store, events)
    supervisor = StandInSupervisor(book.add)
    listening = socket.socket()
    egresses = Egresses(settings, supervisor.as_supervisor(), listening, None)
    staging = StagingParts(settings, supervisor.as_supervisor(), Vetting(settings, frozenset()), encoding)
    # Only to be asked what there is: seats come from `encoding`.
    encoders = Encoders(EncodersParts(settings, Attendance(()), Trials(), store, events))
    lobbies = Lobbies(LobbiesParts(staging, store, book, events, egresses, encoders))
    await lobbies.start()

    async def close() -> None:
        await lobbies.close()
        await store.close()
        listening.close()
        assert supervisor.workers == ()
        assert not encoding.seats and not encoding.waiting and not encoding.opening_now

    return Room(lobbies, supervisor, store, events, encoding), close
