"""One lobby's producers from coming to gone, and their pictures from the slot to the pipeline. On the event loop."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

from steadycast.errors import CallerError
from steadycast.frames import Layout
from steadycast.frames.messages import VERSION, Bye, Come, Frame, Free, Heir, Legacy, Moved, Refused, Retire, Welcome
from steadycast.leases.pools import Pressure
from steadycast.pipelines.gst import Gst, log
from steadycast.pipelines.staging.buffers import NAME, StagingBuffer, allocator, black
from steadycast.pipelines.staging.clock import SECOND, Pace, Timeline
from steadycast.pipelines.staging.counts import Counts
from steadycast.pipelines.staging.door import Door, Visitor
from steadycast.pipelines.staging.output import Output
from steadycast.pipelines.staging.slots import LEAST, Back, Place, Slots

REPEAT_S = 0.2  # the last picture is shown again where no other came: encoders and new viewers need one to begin with
LOOK_S = 0.005  # between looks whether the pipeline still needs a slot
STALE_S = 30.0  # a producer that sent nothing for so long (it may be stopped) makes way for another that comes
ROOM_S = 0.5  # for what the pipeline still needs of the producer before
START_S = 0.02  # between looks whether the pipeline plays


class Pushing:
    """What a push source does while it plays. `count` buffers at most; `hold`: after its producer went, a lobby shows
    the last picture, else black. Raises OSError where the socket cannot be made."""

    def __init__(self, path: Path, picture: Layout, fps: int, count: int, *, hold: bool) -> None:
        self._layout = picture
        self._fps = fps
        self._hold = hold
        self._slots: Slots[StagingBuffer] = Slots(count)
        self._pace, self._timeline, self.counts = Pace(fps), Timeline(), Counts()
        self._waiting: deque[tuple[int, int | None]] = deque()  # slots with their time stamps, as they were sent
        self._producer: Visitor | None = None
        self._output: Output | None = None
        self._allocator = allocator()
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._shown_at = 0
        self._room_until = 0.0  # a producer that came waits so long for what is not back yet
        self._closed = False
        self._door = Door(path, self._heard, self._gone)

    def begin(self, element: Any, first: bytes | None) -> None:
        """Show pictures from now on; `first` until one comes, or black."""
        self._output = Output(element, self._fps, black(self._layout))
        if first is not None:
            self._output.forget(Gst.Buffer.new_wrapped(first))
        self._after("repeat", START_S, self._repeat)

    def close(self) -> None:
        """Everybody goes. Safe to call twice."""
        self._closed = True
        self._door.close()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._output = None
        self._slots.close(time.monotonic())
        self._slots.ended()

    def press(self, pressure: Pressure) -> None:
        """How short of memory the host is."""
        self._slots.press(pressure, time.monotonic())
        self._slots.ended()

    def told(self) -> dict[str, Any]:
        """For a heartbeat."""
        pool = self._slots.statistics()
        return {
            **self.counts.told(),
            "address": str(self._door.path),
            "producer": None if self._producer is None else self._producer.pid,
            "quiet_s": None if self._producer is None else self.counts.quiet(time.monotonic()),
            "waiting": len(self._waiting),
            "buffers": self._slots.count,
            "lent": pool.lent,
            "kept": pool.idle,
            "bytes": (pool.lent + pool.idle) * self._layout.size,
            "pool": {**dataclasses.asdict(pool), "evicted": dict(pool.evicted)},
        }

    # --- who comes and goes

    def _heard(self, visitor: Visitor, message: Come | Frame | Heir) -> None:
        match message:
            case Come():
                self._come(visitor, message)
            case Frame():
                self._frame(visitor, message)
            case Heir():
                self._hand_over(visitor, message)

    def _come(self, visitor: Visitor, come: Come) -> None:
        if come.version != VERSION:
            raise CallerError("push.version", f"The host speaks version {VERSION}.", hint="Use the host's steadycast.")
        if visitor is self._producer:
            raise CallerError("push.order", "You came already.", hint="Say `come` once.")
        if self._producer is not None:
            self._producer.read()  # it may be gone, and nobody saw that yet
        if self._producer is not None and self.counts.quiet(time.monotonic()) >= STALE_S:
            what = f"Process {visitor.pid} pushes here now: nothing had come from you for {STALE_S:g} s."
            self._producer.bye(Bye("push.replaced", what, "Connect again when the lobby is free."))
        if self._producer is not None:
            what = f"Process {self._producer.pid} pushes into this lobby already."
            raise CallerError("push.taken", what, hint="End it, or use another lobby: one producer a lobby.")
        self._producer = visitor
        self.counts.came()
        self._room_until = time.monotonic() + ROOM_S
        self._welcome()

    def _welcome(self) -> None:
        """With all buffers, once the pipeline needs none of the producer before; after a while with what there is."""
        if (visitor := self._producer) is None:
            return
        self._sweep()
        if self._slots.looked_at() and time.monotonic() < self._room_until:
            self._after("welcome", LOOK_S, self._welcome)
            return
        loans = self._lend(f"process {visitor.pid}")
        if len(loans) < LEAST:
            what = f"Only {len(loans)} of {self._slots.count} buffers are to be had now."
            visitor.bye(Bye("push.no_room", what, "Try again in a moment; if it stays so, memory is short."))
            return
        self._timeline.anew()
        log.info("push: process %d came, with %d buffers", visitor.pid, len(loans))
        one = self._layout
        strides = tuple(plane.stride for plane in one.planes)
        numbers = tuple(number for number, _ in loans)
        welcome = Welcome(VERSION, one.width, one.height, self._fps, one.format, one.size, numbers, strides)
        visitor.send(welcome, [buffer.fd for _, buffer in loans])

    def _lend(self, holder: str) -> list[tuple[int, StagingBuffer]]:
        now = time.monotonic()
        lent = []
        for loan in self._slots.begin(holder, now):
            buffer = loan.resource
            if buffer is None:
                try:
                    buffer = StagingBuffer(self._layout.size, self._allocator)
                except OSError as error:
                    log.warning("push: no buffer: %s", error)
                    self._slots.failed(loan, now)
                    continue
                self._slots.made(loan, buffer, now)
            lent.append((loan.number, buffer))
        return lent

    def _gone(self, visitor: Visitor) -> None:
        if visitor is not self._producer:
            return
        log.info("push: process %d went: %s", visitor.pid, visitor.ended)
        self._producer = None
        self.counts.went()
        self._show_rest()
        self._slots.leave(time.monotonic(), lives=not visitor.left)
        if self._output is not None:
            if self._hold:
                self._output.part()
            else:
                self._output.forget(black(self._layout))
        self._sweep()
        self._prune()

    def _show_rest(self) -> None:
        """The last picture that was sent counts, although its time had not come."""
        at = None if self._output is None else self._output.running()
        if self._waiting and at is not None and self._output is not None:
            slot, pts = self._waiting.pop()
            self._show(self._output, slot, self._timeline.place(pts, at), at)
        self._waiting.clear()

    def _hand_over(self, visitor: Visitor, heir: Heir) -> None:
        """Another worker takes over: it gets the last picture, and our producer is told where to go."""
        data = b"" if self._output is None else self._output.last.extract_dup(0, self._layout.size)
        fd = os.memfd_create(NAME, os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(fd), "wb") as file:
                file.write(data)
            visitor.send(Legacy(len(data)), [fd])
        finally:
            os.close(fd)
        visitor.end("it has all that there is")
        if self._producer is not None:
            self._producer.send(Moved(heir.path))

    # --- pictures

    def _frame(self, visitor: Visitor, frame: Frame) -> None:
        if visitor is not self._producer:
            raise CallerError("push.order", "Pictures come after `come`.", hint="See docs/push.md.")
        self.counts.heard(frame.dropped)
        try:
            self._slots.sent(frame.slot)
        except CallerError as error:  # nothing can be given back
            self.counts.refuse(error.code, error.what)
            raise
        try:
            self._check(frame)
            self._timeline.check(frame.pts)
        except CallerError as error:
            self.counts.refuse(error.code, error.what)
            self._slots.back(frame.slot, time.monotonic())
            self._slots.ended()
            visitor.send(Refused(frame.slot, error.code, error.what, error.hint))
            return
        self._waiting.append((frame.slot, frame.pts))
        self._pump()

    def _check(self, frame: Frame) -> None:
        one = self._layout
        shape = f"{one.width}x{one.height} {one.format}"
        if frame.size is not None and frame.size != one.size:
            what = f"The picture has {frame.size} bytes; {shape} has {one.size}."
            raise CallerError("push.size", what, hint="Push the size and format of the lobby, or make another lobby.")
        stride = one.planes[0].stride
        if frame.stride is not None and frame.stride != stride:
            what = f"The rows are {frame.stride} bytes apart; those of {shape} are {stride}."
            raise CallerError("push.stride", what, hint="Write rows at the `strides` of `welcome`.")

    def _pump(self) -> None:
        """Show what may be shown now; the rest when its time comes."""
        while self._waiting and not self._closed:
            at = None if self._output is None else self._output.running()
            if at is None or self._output is None:
                self._after("pump", START_S, self._pump)
                return
            if wait := self._pace.wait(at):
                self._after("pump", wait / SECOND, self._pump)
                return
            self._pace.passed(at)
            slot, pts = self._waiting.popleft()
            self._show(self._output, slot, self._timeline.place(pts, at), at)

    def _show(self, output: Output, slot: int, place: int, at: int) -> None:
        picture = self._slots.shown(slot).picture()
        if self._slots.at(Place.PIPELINE) >= self._slots.count - 1:  # else nothing is left to be written into
            picture = picture.copy_deep()
            self.counts.copied += 1
        output.show(picture, place)
        del picture
        self._shown_at = at
        self.counts.shown += 1
        self._sweep()

    def _repeat(self) -> None:
        """Show the last picture again where nothing came for a while."""
        at = None if self._output is None else self._output.running()
        if at is None or self._output is None:
            self._after("repeat", START_S, self._repeat)
            return
        if at - self._shown_at >= REPEAT_S * SECOND or not self._shown_at:
            self._output.again(self._timeline.place(None, at))
            self._shown_at = at
            self.counts.repeated += 1
        self._after("repeat", max(START_S, REPEAT_S - (at - self._shown_at) / SECOND), self._repeat)

    def _sweep(self) -> None:
        """Give back the slots that nothing looks at any more. One is always looked at: it is the last picture."""
        now = time.monotonic()
        left = 0
        for slot, buffer in self._slots.looked_at().items():
            if buffer.looked_at:
                left += 1
                continue
            back = self._slots.back(slot, now)
            if self._producer is not None and back is not Back.GONE:
                self._producer.send(Free(slot) if back is Back.FREE else Retire(slot))
        self._slots.ended()
        if left > (1 if self._producer is not None else 0):
            self._after("sweep", LOOK_S, self._sweep)

    def _prune(self) -> None:
        """Buffers that nobody came for go."""
        now = time.monotonic()
        self._slots.prune(now)
        self._slots.ended()
        if (due := self._slots.next_change()) is not None:
            self._after("prune", max(LOOK_S, due - now), self._prune)

    def _after(self, name: str, seconds: float, work: Any) -> None:
        """Call once, after the shorter of the times that are asked for: not twice."""
        if self._closed:
            return
        when = self._loop.time() + seconds
        timer = self._timers.get(name)
        if timer is not None and not timer.cancelled() and self._loop.time() < timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timers[name] = self._loop.call_at(when, work)
