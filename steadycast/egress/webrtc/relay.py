"""One TURN allocation for all viewers of this process: a second path for those whose networks allow nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from steadycast.egress.options import IceServer
from steadycast.egress.webrtc.aioice_parts import TurnEndpoint, TurnError, open_turn
from steadycast.egress.webrtc.candidate import Candidate, priority_of
from steadycast.egress.webrtc.ice import Remote
from steadycast.egress.webrtc.servers import ServerAddress

logger = logging.getLogger("steadycast.egress.webrtc")

_RETRY_S = (1.0, 60.0)  # first and longest wait before a server is asked again
_ALLOCATE_S = 10.0
_MOST_PEERS = 2048  # addresses with a channel on one allocation; TURN has 4096 channel numbers (RFC 8656 section 12)

Receiver = Callable[[bytes, Remote], None]


class Relay:
    """Keeps an allocation while it lives. `candidate` is None while there is none.

    An allocation that served _MOST_PEERS addresses is followed by a new one; those that use it keep it until the new
    one is full as well.
    """

    def __init__(self, server: ServerAddress, credentials: IceServer, receiver: Receiver) -> None:
        self._server = server
        self._credentials = credentials
        self._receiver = receiver
        self._endpoint: TurnEndpoint | None = None
        self._older: TurnEndpoint | None = None
        self._peers: dict[tuple[str, int], TurnEndpoint] = {}
        self._full = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def candidate(self) -> Candidate | None:
        """The relayed candidate to announce."""
        if self._endpoint is None:
            return None
        host, port = self._endpoint.address
        return Candidate("relay", priority_of("relay"), host, port, "relay", self._endpoint.mapped)

    def send(self, data: bytes, remote: Remote) -> bool:
        """Send over the allocation; False where there is none."""
        address = (remote.host, remote.port)
        endpoint = self._peers.get(address)
        if endpoint is None or endpoint.lost.is_set():
            endpoint = self._endpoint
        if endpoint is None or (address not in self._peers and self._full.is_set()):
            return False
        self._peers[address] = endpoint
        if len(self._peers) >= _MOST_PEERS * (1 if self._older is None else 2):
            self._full.set()
        return endpoint.send(data, address)

    async def _run(self) -> None:
        wait = _RETRY_S[0]
        while True:
            try:
                async with asyncio.timeout(_ALLOCATE_S):
                    endpoint = await open_turn(self._server, self._credentials, self._receive)
            except (TurnError, OSError, TimeoutError) as error:
                logger.warning("no TURN allocation at %s: %s", self._server, str(error) or "no answer")
                await asyncio.sleep(wait)
                wait = min(wait * 2, _RETRY_S[1])
                continue
            wait = _RETRY_S[0]
            self._endpoint = endpoint
            await self._used_up(endpoint)
            await self._forget(self._older)
            self._older, self._endpoint = endpoint, None

    async def _used_up(self, endpoint: TurnEndpoint) -> None:
        self._full.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (endpoint.lost, self._full)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _forget(self, endpoint: TurnEndpoint | None) -> None:
        if endpoint is not None:
            self._peers = {address: used for address, used in self._peers.items() if used is not endpoint}
            await endpoint.close()

    def _receive(self, data: bytes, address: tuple[str, int]) -> None:
        self._receiver(data, Remote(address[0], address[1], relayed=True))

    async def close(self) -> None:
        """Give the allocations back."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for endpoint in (self._endpoint, self._older):
            await self._forget(endpoint)
        self._endpoint = self._older = None
