"""The readers of a track: sockets that its sink writes packets into."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

from steadycast.errors import CallerError, ConflictError
from steadycast.pipelines.gst import Gio, GLib, Gst
from steadycast.pipelines.teardown import Disposer, tell

_NEXT_KEYFRAME = 1  # GstMultiHandleSinkSyncMethod
READERS_MAX = 64  # one for each egress worker, two while one is replaced


class Readers:
    """Sockets by the reader's name. A reader whose other end closed, or that was too slow, is forgotten by itself."""

    def __init__(self, sink: Any, loop: asyncio.AbstractEventLoop, disposer: Disposer) -> None:
        self._sink = sink
        self._sockets: dict[str, Any] = {}
        self._lost = 0
        forget = self._forget

        def removed(_sink: Any, socket: Any) -> None:  # on the sink's own thread
            tell(loop, forget, socket)

        disposer.connect(sink, "client-socket-removed", removed)

    def __len__(self) -> int:
        return len(self._sockets)

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that are attached now."""
        return tuple(self._sockets)

    def add(self, reader: str, fd: int, *, from_latest: bool) -> None:
        """Owns `fd` from now on, also where it fails. Begins at the latest keyframe, or at the next one."""
        try:
            if reader in self._sockets:
                raise ConflictError("reader.exists", f"the reader {reader} is attached already")
            if len(self._sockets) >= READERS_MAX:
                raise ConflictError("reader.too_many", f"a track has at most {READERS_MAX} readers")
        except ConflictError:
            os.close(fd)
            raise
        try:
            socket = Gio.Socket.new_from_fd(fd)
        except GLib.Error as error:
            os.close(fd)
            raise CallerError("reader.no_socket", "the descriptor is no socket", why=error.message) from None
        self._sockets[reader] = socket
        method = self._sink.get_property("sync-method") if from_latest else _NEXT_KEYFRAME
        self._sink.emit("add-full", socket, method, Gst.Format.UNDEFINED, 0, Gst.Format.UNDEFINED, 0)

    def remove(self, reader: str) -> bool:
        """Stop sending and close; False where there is no such reader (it may have gone by itself)."""
        socket = self._sockets.pop(reader, None)
        if socket is None:
            return False
        self._sink.emit("remove", socket)
        _close(socket)
        return True

    def clear(self) -> None:
        for reader in tuple(self._sockets):
            self.remove(reader)

    def statistics(self) -> dict[str, Any]:
        """Counted by the sink itself, in packets and bytes."""
        return {
            "readers": len(self._sockets),
            "readers_lost": self._lost,
            "bytes_made": self._sink.get_property("bytes-to-serve"),
            "bytes_sent": self._sink.get_property("bytes-served"),
            "packets_dropped": sum(self._dropped(socket) for socket in self._sockets.values()),
        }

    def _dropped(self, socket: Any) -> int:
        found = self._sink.emit("get-stats", socket)
        if found is None:
            return 0
        known, value = found.get_uint64("buffers-dropped")
        return int(value) if known else 0

    def _forget(self, socket: Any) -> None:
        for reader, held in self._sockets.items():
            if held is socket:
                del self._sockets[reader]
                self._lost += 1
                _close(socket)
                return


def _close(socket: Any) -> None:
    with contextlib.suppress(GLib.Error):  # it is closed already, which is all that is wanted
        socket.close()
