"""One HTTP connection: what uvicorn leaves without a bound gets one here.

uvicorn waits for ever for the rest of a request's head and keeps whatever of it has come. Here a head has a deadline
and a size, a whole request has a size, and connections that wait for a request have places: when all are taken, the one
that waits longest goes, so that somebody who opens many and says nothing keeps nobody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0  # from a connection, or the first byte of a further request, until the head of the request is here
HEAD_BYTES = 65_536
REQUEST_BYTES = 20 * 1024 * 1024  # head, body, what its encoding adds; over the largest body that a setting allows
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
PLACES = 512  # connections that wait for a request, or for the next one


class Places:
    """Connections that wait for a request, the longest waiting first; at most `size` of them."""

    def __init__(self, size: int = PLACES, head_s: float = HEAD_S) -> None:
        self.head_s = head_s
        self._size = size
        self._waiting: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, connection: Connection) -> None:
        """It begins to wait."""
        self._waiting[connection] = None
        if len(self._waiting) > self._size:
            longest = next(iter(self._waiting))
            self.leave(longest)
            longest.transport.abort()

    def leave(self, connection: Connection) -> None:
        """It waits no more, or is gone."""
        self._waiting.pop(connection, None)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with bounds."""

    def __init__(self, places: Places, **given: Any) -> None:
        super().__init__(**given)
        self._places = places
        self._deadline: asyncio.TimerHandle | None = None  # while a head is waited for
        self._in_head = True  # no head is here whose request still has to be answered
        self._taken = 0  # bytes of this request, without those that came together with its first one

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._places.take(self)
        self._begin_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._places.leave(self)
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._taken += len(data)
        super().data_received(data)
        if self._taken > (HEAD_BYTES if self._in_head else REQUEST_BYTES):
            self._refuse()
        elif self._in_head:
            self._begin_deadline()

    def _refuse(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()
        else:  # something was answered already, or is being answered
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._taken = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._places.leave(self)
        self._end_deadline()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():  # and no other request came meanwhile
            self._in_head = True
            self._taken = 0
            self._places.take(self)

    def _unsupported_upgrade_warning(self) -> None:
        """uvicorn tells the operator to install something; there are no web sockets here, and clients may ask."""

    def _begin_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._places.head_s, self.transport.abort)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
