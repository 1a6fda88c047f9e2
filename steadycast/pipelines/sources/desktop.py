"""The desktop source: capture of an X display that a display worker keeps."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any

from steadycast.errors import WorkerError
from steadycast.model import DesktopSource
from steadycast.pipelines.build import put
from steadycast.pipelines.failures import Phase, Subject, display_gone
from steadycast.pipelines.gst import Gst, log
from steadycast.pipelines.source_plan import desktop_picture
from steadycast.pipelines.stage import Stage

_HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class DesktopParts:
    """Captures the whole display with its cursor."""

    def __init__(self, source: DesktopSource, display: str | None, xauthority: str | None) -> None:
        self._source = source
        self._display = display
        self._xauthority = xauthority
        self._lost: _DisplayLost | None = None

    @property
    def can_end(self) -> bool:
        return self._lost is None or not self._lost.happened

    async def start(self, stage: Stage) -> None:
        if self._display is None:
            raise WorkerError("desktop.no_display", "the desktop has no display to be captured from")
        if self._xauthority is not None:
            os.environ["XAUTHORITY"] = self._xauthority  # Xlib reads it when the element opens the display
        self._lost = _DisplayLost(lambda: stage.fail(display_gone()))
        elements = put(desktop_picture(self._source, self._display), stage.pipeline)
        stage.take_raw(elements[-1].get_static_pad("src"))
        stage.pipeline.set_state(Gst.State.PLAYING)

    def on_message(self, message: Any) -> bool:
        return False

    def subject(self) -> Subject:
        return Subject("desktop", "the desktop")

    def phase(self) -> Phase:
        return Phase.CONNECTED


class _DisplayLost:
    """Xlib ends the process when the X server goes, unless its handler does not return.

    So the handler tells, and keeps the capturing thread for good: the process then has to be left without NULL.
    """

    def __init__(self, tell: Any) -> None:
        self.happened = False
        self._tell = tell
        self._handler = _HANDLER(self._on_error)  # kept: Xlib holds only its address
        try:
            ctypes.CDLL("libX11.so.6").XSetIOErrorHandler(self._handler)
        except OSError as error:  # then ximagesrc, which links it, is missing too, and says so
            log.warning("Xlib: %s", error)

    def _on_error(self, _display: Any) -> int:
        self.happened = True
        self._tell()
        threading.Event().wait()
        return 0
