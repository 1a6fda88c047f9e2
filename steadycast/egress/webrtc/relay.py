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
_MOST_PEERS = 256  # addresses of viewers with a channel of their own on the allocation

Receiver = Callable[[bytes, Remote], None]


class Relay:
    """Keeps an allocation while it lives. `candidate` is None while there is none."""

    def __init__(self, server: ServerAddress, credentials: IceServer, receiver: Receiver) -> None:
        self._server = server
        self._credentials = credentials
        self._receiver = receiver
        self._endpoint: TurnEndpoint | None = None
        self._peers: set[tuple[str, int]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def candidate(self) -> Candidate | None:
        """The relayed candidate to announce."""
        if self._endpoint is None:
            return None
        host, port = self._endpoint.address
        return Candidate("relay", priority_of("relay"), host, port, "relay", self._endpoint.mapped)

    def send(self, data: bytes, remote: Remote) -> bool:
        """Send over the allocation; False where there is none, or too many viewers use it."""
        endpoint, address = self._endpoint, (remote.host, remote.port)
        if endpoint is None or (address not in self._peers and len(self._peers) >= _MOST_PEERS):
            return False
        self._peers.add(address)
        return endpoint.send(data, address)

    async def _run(self) -> None:
        wait = _RETRY_S[0]
        while True:
            try:
                async with asyncio.timeout(_ALLOCATE_S):
                    self._endpoint = await open_turn(self._server, self._credentials, self._receive)
            except (TurnError, OSError, TimeoutError) as error:
                logger.warning("no TURN allocation at %s: %s", self._server, error or "no answer")
                await asyncio.sleep(wait)
                wait = min(wait * 2, _RETRY_S[1])
                continue
            wait = _RETRY_S[0]
            await self._endpoint.lost.wait()
            self._endpoint = None
            self._peers.clear()

    def _receive(self, data: bytes, address: tuple[str, int]) -> None:
        self._receiver(data, Remote(address[0], address[1], relayed=True))

    async def close(self) -> None:
        """Give the allocation back."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.close()
