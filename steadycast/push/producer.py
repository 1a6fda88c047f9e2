"""What a program has in hand: a lobby that shows its pictures.

with steadycast.Push("http://127.0.0.1:8800", key="sim", size=(640, 360), fps=30) as out:
    while True:
        out.frame(render())  # waits for its turn: never more than fps a second
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from steadycast.cli.client import Client, part
from steadycast.errors import CallerError, ConflictError, DeadlineError, NotFoundError, SteadycastError, WorkerError
from steadycast.frames import layout
from steadycast.frames.messages import Frame
from steadycast.lobbies.ids import LOBBY_ID
from steadycast.push.link import LOST, Link
from steadycast.push.pixels import fill
from steadycast.push.times import nanoseconds

READY_S = 30.0  # from asking for a lobby until its worker lets us in
ANSWER_S = 10.0  # of that, for one answer of the host
CONNECT_S = 5.0  # of that, for one connection
LOOK_S = 0.1  # between looks at a lobby that is not ready
_OF_PICTURES = ("width", "height", "fps", "format")  # what the lobby that is there must have
WAIT_S = 5.0  # for a free slot; a worker that is replaced takes about a second


class Push:
    """A lobby of a host on this machine, made where there is none of this key; it stays when the program ends.

    `key` may be the id of a lobby, too. `size` is (width, height), both even; `format` one of RGB, RGBA, BGRx, I420,
    NV12; `fps` the most pictures a second; `idle` what is shown when no program pushes: "hold" the last picture, or
    "black". `token`: of the host, where it has one; `STEADYCAST_TOKEN` where it is not given. For one thread at a time.
    All that goes wrong is an error of `steadycast.errors`: CallerError for what is to be changed, WorkerError for what
    may be tried again.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str,
        size: tuple[int, int],
        fps: int = 30,
        format: str = "RGB",
        **more: Any,
    ) -> None:
        known = {"name": key, "token": None, "buffers": 4, "idle": "hold"}
        if unknown := sorted(more.keys() - known.keys()):
            raise TypeError(f"Push has no argument {unknown[0]!r}: it knows {', '.join(known)}")
        told = {**known, **more}
        width, height = size
        try:
            self.layout = layout(format, width, height)
        except ValueError as error:
            raise CallerError("push.size", f"{error}.", hint="Like size=(1280, 720), format='RGB'.") from None
        self._client = Client(url, told["token"] or os.environ.get("STEADYCAST_TOKEN"), ANSWER_S)
        self._key = key
        self._source = {"kind": "push", "width": width, "height": height, "fps": fps, "format": format}
        self._source |= {"buffers": told["buffers"], "idle": told["idle"]}
        self._name = told["name"]
        self._link: Link | None = None
        self._pts: int | None = None  # of the last picture on this connection
        self._dropped = 0
        self.lobby = self._make()  # the lobby's id
        self._connect(time.monotonic() + READY_S)

    def frame(
        self,
        picture: Any,
        pts: float | None = None,
        *,
        stride: int | None = None,
        drop: bool = False,
        timeout_s: float = WAIT_S,
    ) -> bool:
        """Show a picture: see `pixels.fill` for what it may be. `pts` in seconds of any clock, rising; None: now.

        Waits until a slot is free, at most `timeout_s`; with `drop` it waits for nothing, and False says that the
        picture was thrown away. Nothing is kept of a picture for which an error is raised.
        """
        with self._slot(pts, drop, timeout_s) as view:
            if view is None:
                return False
            fill(view, self.layout, picture, stride)
        return True

    @contextlib.contextmanager
    def drawing(self, pts: float | None = None, *, timeout_s: float = WAIT_S) -> Iterator[memoryview]:
        """Draw into the shared memory itself: `layout` says where each row begins. It is shown when the block ends, and
        not where it ends with an error."""
        with self._slot(pts, False, timeout_s) as view:
            assert view is not None
            yield view

    @contextlib.contextmanager
    def _slot(self, pts: float | None, drop: bool, timeout_s: float) -> Iterator[memoryview | None]:
        stamp = nanoseconds(pts, self._pts)
        slot = self._take(drop, timeout_s)
        if slot is None:
            self._dropped += 1
            yield None
            return
        link = self._link
        assert link is not None
        with link.view(slot) as view:
            yield view
        try:
            link.send(Frame(slot, stamp, self.layout.size, dropped=self._dropped))
        except WorkerError:
            self._let_go()
            raise
        self._pts = stamp if stamp is not None else self._pts

    def _take(self, drop: bool, timeout_s: float) -> int | None:
        """A slot, on another connection where this one is lost. Raises DeadlineError, and what the host refused."""
        end = time.monotonic() + (0 if drop else timeout_s)
        while True:
            slot = self._try(end)
            if slot is not None or drop:
                return slot
            if time.monotonic() >= end:
                what = f"No slot was free within {timeout_s:g} s."
                hint = "The host is far too slow, or stopped; `drop=True` throws pictures away instead of waiting."
                raise DeadlineError("push.slow", what, hint=hint)

    def _try(self, end: float) -> int | None:
        if self._link is None:
            self._connect(max(end, time.monotonic() + LOOK_S))
        link = self._link
        assert link is not None
        try:
            slot = link.take(end)
        except WorkerError:
            self._let_go()
            return None
        if link.refused:
            said = link.refused.popleft()
            raise CallerError(said.code, said.what, hint=said.hint)
        if link.moved is not None:
            self._follow(link.moved)
            return None
        return slot

    # --- finding the worker

    def _make(self) -> str:
        """The lobby of this key, made where there is none. Raises ConflictError where it shows something else."""
        if LOBBY_ID.fullmatch(self._key):
            view = self._client.get(f"/api/v1/lobbies/{part(self._key)}")
        else:
            body = {"key": self._key, "name": self._name, "source": self._source}
            view = self._client.post("/api/v1/lobbies", body)
        there = view["source"]
        differs = [name for name in ("kind", *_OF_PICTURES) if there.get(name) != self._source[name]]
        if differs:
            words = ", ".join(f"{name} {there.get(name)!r} instead of {self._source[name]!r}" for name in differs)
            hint = "Use another key, or delete that lobby: `steadycast lobby delete KEY`."
            raise ConflictError("push.differs", f"The lobby {self._key!r} has {words}.", hint=hint)
        return str(view["id"])

    def _connect(self, end: float) -> None:
        """To the worker that shows the lobby now. Raises what it last said where that does not work until `end`."""
        self._let_go()
        pause = threading.Event()  # never set
        while True:
            try:
                self._join(self._address())
                return
            except SteadycastError as error:
                if isinstance(error, CallerError | ConflictError | NotFoundError) or time.monotonic() >= end:
                    raise
            pause.wait(LOOK_S)

    def _address(self) -> str:
        view = self._client.get(f"/api/v1/lobbies/{part(self.lobby)}")
        if view["push"] is None:
            why = view["why"] or f"it is {view['state']}"
            raise WorkerError(LOST, f"The lobby {self._key!r} takes no pictures now.", why=f"{why}.", hint=view["hint"])
        return str(view["push"]["address"])

    def _join(self, path: str) -> None:
        link = Link(path, CONNECT_S)
        if link.layout != self.layout:
            link.close()
            there = link.layout
            what = f"The lobby {self._key!r} is {there.width}x{there.height} {there.format} now."
            raise ConflictError("push.differs", what, hint="It was changed meanwhile: make another Push.")
        self._let_go()
        self._link, self._pts, self._dropped = link, None, 0

    def _follow(self, path: str) -> None:
        """Another worker takes over: go there; where it is gone already, the host knows who shows the lobby."""
        self._let_go()
        with contextlib.suppress(WorkerError):
            self._join(path)

    # --- the end

    def _let_go(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def close(self) -> None:
        """Let go of the slots. The lobby stays; safe to call twice."""
        self._let_go()

    def __enter__(self) -> Push:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
