"""Encoders that nobody watches: kept open and fed nothing, and taken over by whoever watches next.

What was on its way when an encoder went to rest is never seen by the next viewer (`renewal`), and an encoder that is
not what is asked for, or not what it was, is closed instead (`reuse`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from steadycast.errors import ConflictError, NotFoundError, SteadycastError
from steadycast.model import Rendition
from steadycast.pipelines import reuse
from steadycast.pipelines.caps import first_of
from steadycast.pipelines.encoder import Attempt
from steadycast.pipelines.gst import log
from steadycast.pipelines.held import Opened
from steadycast.pipelines.renditions import Renditions
from steadycast.pipelines.renewal import Renewal, passed
from steadycast.pipelines.reuse import InForce, Made
from steadycast.pipelines.stage import Stage
from steadycast.pipelines.work import wanted, work

_FIELDS = ("width", "height", "framerate", "format", "profile", "level")


@dataclass(frozen=True, slots=True)
class _Rest:
    """An encoder as it went to rest."""

    attempt: Attempt
    was: InForce


class Parking:
    """Of one stage. `parked` says of each whether it rests."""

    def __init__(self, stage: Stage, renditions: Renditions) -> None:
        self._stage = stage
        self._renditions = renditions
        self._rests: dict[str, _Rest] = {}
        self._taking: dict[str, asyncio.Task[Opened]] = {}

    async def park(self, instance: str) -> None:
        """Let its readers go and feed it nothing. Parking twice is no error. Raises NotFoundError; DeadlineError, then
        the process must end."""
        if (task := self._taking.get(instance)) is not None:
            await asyncio.wait({task})
        attempt = self._attempt(instance)
        if attempt.track.parked:
            return
        attempt.track.park()
        self._forget_closed()
        self._rests[instance] = _Rest(attempt, _in_force(attempt))
        await self._renditions.feed(instance, fed=False)

    async def take_over(self, rendition: Rendition, instance: str) -> Opened:
        """Feed it again; answers when a keyframe that can be decoded, of a picture from now, is there for readers. Of
        one that does not rest it only says what it is. Raises SteadycastError; then nothing of it stays."""
        task = self._taking.get(instance)
        if task is None:
            task = self._stage.loop.create_task(self._take_over(rendition, instance))
            self._taking[instance] = task
            task.add_done_callback(lambda done: self._taking.pop(instance, None))
        try:
            return await asyncio.shield(task)
        finally:
            del task  # its error would hold it, and so itself

    async def _take_over(self, rendition: Rendition, instance: str) -> Opened:
        attempt = self._attempt(instance)
        try:
            was = await self._checked(attempt, rendition, instance)
            if attempt.track.parked:
                await self._renew(attempt, instance, was)
        except SteadycastError as error:
            log.info("the instance %s is not taken over: %s", instance, error.why or error.what)
            await self._renditions.end_failed(instance, error)
            raise
        if not attempt.closed:
            attempt.track.rename(rendition.name)
            self._renditions.give(instance, rendition)
        return attempt.track.info(), attempt.report()

    async def _checked(self, attempt: Attempt, rendition: Rendition, instance: str) -> InForce:
        """What is asked for against what it makes, and that against what it made; another bitrate is set."""
        limits, codec = self._stage.limits, attempt.order.codec
        if rendition.codec != codec.value:
            raise _not_reusable(instance, f"it makes {codec.value.upper()}, and {rendition.codec.upper()} is asked for")
        made = work(rendition, self._stage.picture(), limits)
        asked = Made(made, wanted(rendition, made, limits))
        held = Made(attempt.plan.work, attempt.plan.wanted)
        rest = self._rests.get(instance)
        why = reuse.other_work(asked, held)
        if why is None and rest is not None and rest.attempt is attempt:
            why = reuse.changed(rest.was, _in_force(attempt))
        if why is None and asked.work.bitrate_kbps != held.work.bitrate_kbps:
            why = (await self._renditions.retune(instance, rendition, None)).why
        if why is not None:
            raise _not_reusable(instance, why)
        return _in_force(attempt)

    async def _renew(self, attempt: Attempt, instance: str, was: InForce) -> None:
        attempt.intake.restart()
        renewal = Renewal(self._stage.loop, attempt.order.codec, attempt.branch)
        try:
            await self._renditions.feed(instance, fed=True)
            await attempt.first_again(renewal.fresh)
            if (why := renewal.fresh.result() or reuse.changed(was, _in_force(attempt))) is not None:
                raise _not_reusable(instance, why)
            await passed(attempt.branch)
        finally:
            renewal.dispose()
        attempt.track.parked = False
        self._rests.pop(instance, None)

    def _attempt(self, instance: str) -> Attempt:
        attempt = self._renditions.attempt(instance)
        if attempt is None:
            raise NotFoundError("track.unknown", f"there is no encoder '{instance}' here")
        return attempt

    def _forget_closed(self) -> None:
        self._rests = {name: one for name, one in self._rests.items() if self._renditions.attempt(name) is one.attempt}

    def forget(self) -> None:
        """Drop what Python holds of the elements."""
        self._rests.clear()


def _not_reusable(instance: str, why: str) -> ConflictError:
    what = f"the encoder '{instance}' cannot be taken over"
    return ConflictError("rendition.not_reusable", what, why=why, hint="open another one")


def _in_force(attempt: Attempt) -> InForce:
    encoder = attempt.branch.element("encoder")
    part = next((one for one in attempt.plan.chain if one.name == "encoder"), None)
    names = part.properties if part is not None else {}
    set_to = {name: str(encoder.get_property(name)) for name in names if encoder.find_property(name) is not None}
    return InForce(_told(encoder.get_static_pad("sink")), _told(encoder.get_static_pad("src")), set_to)


def _told(pad: Any) -> dict[str, str]:
    caps = pad.get_current_caps()
    if caps is None:
        return {}
    found = first_of(caps)
    return {"media": found.get_name(), **{name: _value(found, name) for name in _FIELDS if found.has_field(name)}}


def _value(structure: Any, name: str) -> str:
    """`get_value` cannot give a fraction in some versions of the bindings."""
    known, numerator, denominator = structure.get_fraction(name)
    return f"{numerator}/{denominator}" if known else str(structure.get_value(name))
