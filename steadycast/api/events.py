"""`/api/v1/events`: what happens, as server-sent events (WHATWG HTML 9.2).

Each event has the id to come back with, its kind as event name (`lobby`, `viewer`, `worker`, `receipt`, `encoder`,
`host`) and the whole event as JSON. `missed` says that events between the asked id and the first one sent are lost;
`dropped` that the listener was too slow and should come back.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from steadycast.errors import CallerError
from steadycast.lobbies.events import EventLog, Subscription
from steadycast.lobbies.lobbies import Lobbies
from steadycast.lobbies.views import Event
from steadycast.workers.codec import to_plain

KEEPALIVE_S = 15.0
RETRY_MS = 2000
_HIGHEST = 2**63 - 1


def encode(event: Event) -> bytes:
    """An event as it goes over the wire."""
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(to_plain(event))}\n\n".encode()


class EventStream(Response):
    """Sends events until the client goes, the host closes or the client is too slow."""

    media_type = "text/event-stream"

    def __init__(self, events: EventLog, after: int | None, keepalive_s: float = KEEPALIVE_S) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._after = after
        self._keepalive_s = keepalive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._events.subscribe(self._after) as subscription:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            sending = asyncio.create_task(self._send(subscription, send))
            leaving = asyncio.create_task(_gone(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                results = await asyncio.gather(sending, leaving, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    async def _send(self, subscription: Subscription, send: Send) -> None:
        async def write(data: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        await write(f"retry: {RETRY_MS}\n: listening\n\n".encode())
        if subscription.missed:
            await write(b"event: missed\ndata: {}\n\n")
        following = asyncio.ensure_future(anext(subscription, None))
        try:
            while True:
                await asyncio.wait({following}, timeout=self._keepalive_s)
                if not following.done():
                    await write(b": alive\n\n")
                    continue
                if (event := following.result()) is None:
                    break
                following = asyncio.ensure_future(anext(subscription, None))
                await write(encode(event))
        finally:
            following.cancel()
        await write(b"event: dropped\ndata: {}\n\n" if subscription.dropped else b"", more=False)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def router(lobbies: Lobbies) -> APIRouter:
    """The event stream."""
    api = APIRouter(prefix="/api/v1/events", tags=["events"])

    @api.get("", response_class=Response, responses={200: {"content": {EventStream.media_type: {}}}})
    async def stream(
        after: Annotated[
            int | None, Query(ge=0, le=_HIGHEST, description="Id of the last event seen; 0: all that are kept.")
        ] = None,
        last_event_id: Annotated[str | None, Header(max_length=20)] = None,
    ) -> EventStream:
        """Events after the given one, then new ones as they happen. `Last-Event-ID` does the same as `after`."""
        return EventStream(lobbies.events, _last(last_event_id) if after is None else after)

    return api


def _last(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) > _HIGHEST:
        raise CallerError("events.id", "Last-Event-ID is no event id.", why="It is a number that an event came with.")
    return int(text)
