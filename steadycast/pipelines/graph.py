"""The graph of a pipeline and the states of its elements, written into a file when a signal asks for them.

By a thread of its own, so that it is answered while the event loop hangs. Reading a graph takes locks of GStreamer, one
of which may be what all wait for: so another thread reads, and after a deadline the file says that it hangs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steadycast.pipelines.gst import Gst

log = logging.getLogger(__name__)

READ_S = 0.5  # whoever asks waits a little longer
ELEMENTS = 400
# No parameters: reading them takes further locks, and the address of a camera is one.
_DETAILS = Gst.DebugGraphDetails.MEDIA_TYPE | Gst.DebugGraphDetails.CAPS_DETAILS | Gst.DebugGraphDetails.STATES


class GraphThread:
    """Waits for `number` as long as the process lives. The signal must be blocked before any thread is started.

    `pipeline` gives what is to be drawn, or None where there is nothing yet.
    """

    def __init__(self, path: Path, number: signal.Signals, pipeline: Callable[[], Any]) -> None:
        self._path = path
        self._number = number
        self._pipeline = pipeline
        self._reader: threading.Thread | None = None
        threading.Thread(target=self._wait, name="steadycast-graph", daemon=True).start()

    def _wait(self) -> None:
        while True:
            signal.sigwait({self._number})
            try:
                write(self._path, self._answer())
            except OSError as error:
                log.warning("the graph cannot be written: %s", error)

    def _answer(self) -> str:
        if self._reader is not None and self._reader.is_alive():
            return "// the graph cannot be read: an earlier look at it hangs in a lock of GStreamer\n"
        told: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(told,), name="steadycast-graph", daemon=True)
        self._reader.start()
        self._reader.join(READ_S)
        if told:
            return told[0]
        return f"// the graph could not be read within {READ_S:g} s: a lock of GStreamer is held\n"

    def _read(self, told: list[str]) -> None:
        pipeline = self._pipeline()
        told.append("// there is no pipeline\n" if pipeline is None else drawn(pipeline))


def drawn(pipeline: Any) -> str:
    """A graph in the language of Graphviz; before it, as comments, each element with its state and what it changes to.

    May block where a lock of an element is held.
    """
    lines = [_state(pipeline)]
    elements = pipeline.iterate_recurse()
    while len(lines) < ELEMENTS:
        found, element = elements.next()
        if found != Gst.IteratorResult.OK:
            break
        lines.append(_state(element))
    return "\n".join(lines) + "\n" + str(Gst.debug_bin_to_dot_data(pipeline, _DETAILS))


def _state(element: Any) -> str:
    result, state, pending = element.get_state(0)
    words = f"// {element.get_name()}: {Gst.Element.state_get_name(state)}"
    if pending != Gst.State.VOID_PENDING:
        words += f" -> {Gst.Element.state_get_name(pending)}"
    return words if result != Gst.StateChangeReturn.FAILURE else words + " (failed)"


def write(path: Path, text: str) -> None:
    """In one step, for this user only. Raises OSError."""
    partial = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
