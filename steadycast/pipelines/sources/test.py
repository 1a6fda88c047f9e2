"""The test source: a picture with a frame counter and a clock, and a tick each second."""

from __future__ import annotations

import time
from typing import Any

from steadycast.model import TestSource
from steadycast.pipelines.build import put
from steadycast.pipelines.failures import Phase, Subject
from steadycast.pipelines.gst import Gst
from steadycast.pipelines.source_plan import pattern_picture, pattern_sound
from steadycast.pipelines.stage import Stage

MARKS = 12


class TestParts:
    """Everything is made here, so there is little that can fail."""

    __test__ = False  # pytest: not a test class
    can_end = True

    def __init__(self, source: TestSource) -> None:
        self._source = source

    async def start(self, stage: Stage) -> None:
        picture = put(pattern_picture(self._source), stage.pipeline)
        overlay = stage.pipeline.get_by_name("counter")
        caption = _Caption(overlay, self._source.fps)
        stage.disposer.probe(overlay.get_static_pad("video_sink"), Gst.PadProbeType.BUFFER, caption.next)
        sound = put(pattern_sound(), stage.pipeline)
        stage.sound_taken = True
        stage.take_raw(picture[-1].get_static_pad("src"))
        stage.take_raw_sound(sound[-1].get_static_pad("src"))
        stage.pipeline.set_state(Gst.State.PLAYING)

    def on_message(self, message: Any) -> bool:
        return False

    def subject(self) -> Subject:
        return Subject("test", "the test picture")

    def phase(self) -> Phase:
        return Phase.CONNECTED


class _Caption:
    """Writes into each picture when it was made, its number, and a mark that runs across once a second."""

    def __init__(self, overlay: Any, fps: int) -> None:
        self._overlay = overlay
        self._fps = fps
        self._frame = 0

    def next(self, _pad: Any, _info: Any) -> Any:
        now = time.time()
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        place = self._frame % self._fps * MARKS // self._fps
        marks = "·" * place + "■" + "·" * (MARKS - 1 - place)
        self._overlay.set_property("text", f"{clock}.{int(now * 10) % 10}\n{self._frame:08d}\n{marks}")
        self._frame += 1
        return Gst.PadProbeReturn.OK
