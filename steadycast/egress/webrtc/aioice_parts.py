"""What is used of aioice beside its documented `Connection`: the STUN message codec and the TURN endpoint.

They are modules without an underscore, but no promised interface: whatever changes there is mended here, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Any

from aioice import stun, turn

from steadycast.egress.options import IceServer
from steadycast.egress.webrtc.servers import ServerAddress

MAGIC_COOKIE = stun.COOKIE.to_bytes(4, "big")

_DELETE_S = 2.0  # for a TURN server to confirm that an allocation is deleted

Address = tuple[str, int]


class StunMessage:
    """A STUN binding message that was read. Nothing in it is true before `is_signed_with` said so."""

    def __init__(self, message: stun.Message) -> None:
        self._message = message
        self.transaction: bytes = message.transaction_id
        self.is_request = message.message_class == stun.Class.REQUEST
        self.is_response = message.message_class == stun.Class.RESPONSE
        self.is_error = message.message_class == stun.Class.ERROR

    @property
    def username(self) -> str | None:
        value = self._message.attributes.get("USERNAME")
        return value if isinstance(value, str) else None

    @property
    def mapped(self) -> Address | None:
        """The address that the other side saw this host at."""
        value = self._message.attributes.get("XOR-MAPPED-ADDRESS")
        return (str(value[0]), int(value[1])) if value is not None else None

    @property
    def nominates(self) -> bool:
        return "USE-CANDIDATE" in self._message.attributes

    @property
    def is_controlled(self) -> bool:
        return "ICE-CONTROLLED" in self._message.attributes

    @property
    def priority(self) -> int:
        """Priority that a peer-reflexive candidate learned from this request has; 0 if it does not say."""
        return int(self._message.attributes.get("PRIORITY", 0))

    def is_signed_with(self, password: str) -> bool:
        """Whether MESSAGE-INTEGRITY and FINGERPRINT are there and right (compared in constant time)."""
        attributes = self._message.attributes
        if "MESSAGE-INTEGRITY" not in attributes or "FINGERPRINT" not in attributes:
            return False
        return self._message.check_message_integrity(password.encode())


def read_stun(data: bytes) -> StunMessage | None:
    """The binding message in a datagram; None for everything else."""
    if len(data) < 20 or data[4:8] != MAGIC_COOKIE:
        return None
    try:
        message = stun.parse_message(data)
    except (ValueError, IndexError, KeyError, struct.error):
        return None
    if message.message_method != stun.Method.BINDING or message.message_class == stun.Class.INDICATION:
        return None
    return StunMessage(message)


def binding_request(transaction: bytes, attributes: dict[str, Any], password: str | None) -> bytes:
    """A request; signed if there is a password. Attribute names are those of the RFCs."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction, attributes)
    return _signed(message, password)


def binding_response(transaction: bytes, mapped: Address, password: str) -> bytes:
    """The answer to a request that came from `mapped`."""
    message = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction, {"XOR-MAPPED-ADDRESS": mapped})
    return _signed(message, password)


def binding_error(transaction: bytes, code: int, reason: str, password: str) -> bytes:
    """The refusal of a request."""
    message = stun.Message(stun.Method.BINDING, stun.Class.ERROR, transaction, {"ERROR-CODE": (code, reason)})
    return _signed(message, password)


def _signed(message: stun.Message, password: str | None) -> bytes:
    if password is None:
        message.add_fingerprint()
    else:
        message.add_message_integrity(password.encode())
    return bytes(message)


class TurnError(Exception):
    """A TURN server refused, answered nonsense or did not answer."""


class TurnEndpoint(asyncio.DatagramProtocol):
    """An allocation: `address` is the relayed one, `mapped` where the server saw us; `lost` is set when it ended."""

    def __init__(self, receiver: Callable[[bytes, Address], None]) -> None:
        self._receiver = receiver
        self._transport: turn.TurnTransport | None = None
        self.lost = asyncio.Event()
        self.address: Address = ("", 0)
        self.mapped: Address = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.address = transport.get_extra_info("sockname")
        self.mapped = transport.get_extra_info("related_address") or ("0.0.0.0", 0)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._receiver(data, addr)

    def error_received(self, exc: Exception) -> None:
        """A channel could not be bound: that peer gets nothing, and its checks fail by themselves."""

    def opened(self, transport: turn.TurnTransport) -> None:
        self._transport = transport

    def send(self, data: bytes, address: Address) -> bool:
        """Send to a peer; the first datagram binds a channel for it."""
        if self._transport is None or self.lost.is_set():
            return False
        self._transport.sendto(data, address)
        return True

    async def close(self) -> None:
        """Delete the allocation, within a deadline of its own."""
        if self._transport is not None and not self.lost.is_set():
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DELETE_S):
                    await self.lost.wait()
        self._transport = None


async def open_turn(
    server: ServerAddress, credentials: IceServer, receiver: Callable[[bytes, Address], None]
) -> TurnEndpoint:
    """Make an allocation. Raises TurnError, OSError."""
    tcp = server.transport == "tcp" or server.scheme == "turns"
    host = (await asyncio.get_running_loop().getaddrinfo(server.host, server.port))[0][4][0]
    try:
        transport, endpoint = await turn.create_turn_endpoint(
            lambda: TurnEndpoint(receiver),
            (server.host if server.scheme == "turns" else str(host), server.port),
            username=credentials.username,
            password=credentials.credential,
            ssl=server.scheme == "turns",
            transport="tcp" if tcp else "udp",
        )
    except (stun.TransactionError, ConnectionError) as error:
        raise TurnError(str(error)) from None
    endpoint.opened(transport)
    return endpoint
