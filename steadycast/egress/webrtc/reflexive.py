"""Finds the address that the outside sees this host at, by asking STUN servers from the shared socket (RFC 8489)."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket

from steadycast.egress.webrtc.aioice_parts import StunMessage, binding_request
from steadycast.egress.webrtc.candidate import Candidate, priority_of
from steadycast.egress.webrtc.ice import Remote
from steadycast.egress.webrtc.network import Network
from steadycast.egress.webrtc.servers import ServerAddress

logger = logging.getLogger("steadycast.egress.webrtc")

_ASK_S = 20.0  # between questions: keeps the NAT's binding open, and notices a new address
_HURRY_S = 0.5  # between questions before the first answer
_HURRIES = 5
_FORGET_S = 90.0  # an address that no server confirmed so long is not announced any more


class Reflexive:
    """Asks while it lives. `first` is set after the first answer, or when none came in time."""

    def __init__(self, servers: tuple[ServerAddress, ...], network: Network, base: tuple[str, int]) -> None:
        self.first = asyncio.Event()
        self._servers = servers
        self._network = network
        self._base = base
        self._seen: dict[tuple[str, int], float] = {}
        self._asked: dict[bytes, Remote] = {}
        self._task = asyncio.get_running_loop().create_task(self._run())

    def candidates(self, now: float) -> list[Candidate]:
        """Server-reflexive candidates."""
        self._seen = {address: at for address, at in self._seen.items() if now - at < _FORGET_S}
        return [
            Candidate(f"srflx{number}", priority_of("srflx", 65535 - number), host, port, "srflx", self._base)
            for number, (host, port) in enumerate(self._seen)
            if (host, port) != self._base
        ]

    def receive(self, message: StunMessage, remote: Remote, now: float) -> bool:
        """Take a response; False if it is none to our questions."""
        if not message.is_response or self._asked.get(message.transaction) != remote:
            return False
        del self._asked[message.transaction]
        if message.mapped is not None and self._network.reaches(message.mapped[0]):
            self._seen[message.mapped] = now
        self.first.set()
        return True

    async def _run(self) -> None:
        for tries in range(_HURRIES):
            await self._ask()
            await asyncio.sleep(_HURRY_S)
            if self._seen:
                break
            logger.info("no STUN server answered yet", extra={"tries": tries + 1})
        self.first.set()
        while True:
            await asyncio.sleep(_ASK_S)
            await self._ask()

    async def _ask(self) -> None:
        self._asked.clear()
        family = socket.AF_INET6 if self._network.is_ipv6 else socket.AF_INET
        for server in self._servers:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(server.host, server.port, family=family)
            except OSError as error:
                logger.warning("STUN server %s has no address: %s", server, error)
                continue
            remote = Remote(str(found[0][4][0]), server.port)
            transaction = secrets.token_bytes(12)
            self._asked[transaction] = remote
            self._network.send(binding_request(transaction, {}, None), remote)

    async def close(self) -> None:
        """Ask no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
