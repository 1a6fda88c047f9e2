"""The push source: pictures that a program on this machine writes into staging buffers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from steadycast.errors import CallerError, DeadlineError, WorkerError
from steadycast.frames import layout
from steadycast.model import PushSource
from steadycast.pipelines.build import put
from steadycast.pipelines.failures import Phase, Subject
from steadycast.pipelines.gst import Gst, log
from steadycast.pipelines.source_plan import PushPlace
from steadycast.pipelines.stage import Stage
from steadycast.pipelines.staging.door import inherit
from steadycast.pipelines.staging.output import pushed_pictures
from steadycast.pipelines.staging.pushing import Pushing
from steadycast.pipelines.teardown import in_thread

INHERIT_S = 2.0  # for the worker before to hand over its last picture; without it the lobby begins black


class PushParts:
    """Shows something from the beginning: the last picture of the worker before, or black."""

    can_end = True

    def __init__(self, source: PushSource, place: PushPlace | None) -> None:
        self._source = source
        self._place = place
        self._pushing: Pushing | None = None

    async def start(self, stage: Stage) -> None:
        source, place = self._source, self._place
        if place is None:
            raise WorkerError("push.no_place", "a push source has no place to listen at")
        picture = layout(source.format, source.width, source.height)
        hold = source.idle == "hold"
        try:
            pushing = Pushing(Path(place.path), picture, source.fps, source.buffers, hold=hold)
        except OSError as error:
            raise WorkerError("push.socket", "the socket for producers cannot be made", why=str(error)) from None
        self._pushing = pushing
        stage.disposer.add(pushing.close)
        stage.pushed = pushing.told
        stage.press = pushing.press
        first = await _inherited(place, picture.size)
        elements = put(pushed_pictures(picture, source.fps), stage.pipeline)
        stage.take_raw(elements[-1].get_static_pad("src"))
        stage.pipeline.set_state(Gst.State.PLAYING)
        pushing.begin(elements[0], first)

    def on_message(self, message: Any) -> bool:
        return False

    def subject(self) -> Subject:
        return Subject("push", "the pushed picture")

    def phase(self) -> Phase:
        return Phase.CONNECTED


async def _inherited(place: PushPlace, size: int) -> bytes | None:
    """The last picture of the worker before; None where there is none to be had."""
    if place.heir_of is None:
        return None
    found: list[bytes] = []

    def ask() -> None:
        got = inherit(str(place.heir_of), place.path, INHERIT_S)
        if got is None:
            return
        with os.fdopen(got[1], "rb") as file:
            file.seek(0)
            found.append(file.read(size + 1))

    try:
        await in_thread("the worker before", 2 * INHERIT_S, ask)
    except (OSError, CallerError, DeadlineError) as error:
        log.warning("push: the worker before hands over nothing: %s", error)
        return None
    return found[0] if found and len(found[0]) == size else None
