"""Undoing: handlers and probes, and states with a deadline.

Python's collector cannot see through GObject closures: a handler or a probe that holds its pipeline keeps it for ever
(measured on 1.22), and NULL does not remove it. So each is noted here and taken off by name.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from steadycast.errors import DeadlineError
from steadycast.patience import patience
from steadycast.pipelines.gst import Gst


class Disposer:
    """What must be undone at the end, last first. Safe to dispose of twice, and to add to from any thread."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def connect(self, item: Any, signal: str, handler: Callable[..., Any]) -> None:
        number = item.connect(signal, handler)

        def disconnect() -> None:
            if item.handler_is_connected(number):
                item.disconnect(number)

        self._undo.append(disconnect)

    def probe(self, pad: Any, mask: Any, callback: Callable[..., Any]) -> None:
        number = pad.add_probe(mask, callback)
        self._undo.append(lambda: pad.remove_probe(number))

    def add(self, undo: Callable[[], None]) -> None:
        self._undo.append(undo)

    def dispose(self) -> None:
        while self._undo:
            self._undo.pop()()


def tell(loop: asyncio.AbstractEventLoop, callback: Callable[..., Any], *values: Any) -> None:
    """Call on the loop from a streaming thread; a loop that is closed has no use for it any more."""
    try:
        loop.call_soon_threadsafe(callback, *values)
    except RuntimeError:
        if not loop.is_closed():
            raise


async def in_thread(what: str, deadline: float, work: Callable[[], None]) -> None:
    """Do something that may block in a thread of its own. Raises DeadlineError after `deadline` seconds
    in which this process ran.

    The thread is then left behind: only the end of the process ends it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:  # noqa: BLE001 - handed to the waiting task, whatever it is
            error = caught
        tell(loop, finish, error)
        error = None  # or this frame and the error hold each other, and all that the work held

    threading.Thread(target=run, name="steadycast-end", daemon=True).start()
    try:
        async with patience(deadline):
            await done
    except TimeoutError:
        raise DeadlineError("gstreamer.stuck", f"{what} took longer than {deadline:g} s") from None


async def to_null(element: Any, deadline: float) -> None:
    """End an element or a bin: never from one of its own threads, and without a lock held. Raises DeadlineError."""
    await in_thread(f"the end of {element.get_name()}", deadline, lambda: element.set_state(Gst.State.NULL))


async def unlink_from_tee(tee: Any, pad: Any, deadline: float) -> None:
    """Take a request pad off a playing tee: at a moment when no buffer is passing. Raises DeadlineError."""
    loop = asyncio.get_running_loop()
    idle: asyncio.Future[None] = loop.create_future()

    def unlink(probed: Any, _info: Any) -> Any:
        peer = probed.get_peer()
        if peer is not None:
            probed.unlink(peer)
        tell(loop, _settle, idle)
        return Gst.PadProbeReturn.REMOVE

    number = pad.add_probe(Gst.PadProbeType.IDLE, unlink)
    try:
        async with patience(deadline):
            await idle
    except TimeoutError:
        pad.remove_probe(number)
        raise DeadlineError("gstreamer.stuck", f"a branch of {tee.get_name()} did not come to rest") from None
    tee.release_request_pad(pad)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
