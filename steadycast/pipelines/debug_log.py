"""The last warnings of encoders in GStreamer's debug log: the only place where a driver's status is told.

Installed once a process, as GStreamer does not take Python's log functions off again. Called on streaming threads.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from steadycast.pipelines.gst import Gst

LINES = 200
LINE_CHARACTERS = 400
_CATEGORIES = ("nv", "cuda", "va", "steadycastsim")

_lines: deque[tuple[float, str]] = deque(maxlen=LINES)
_installed = False


def install() -> None:
    """Listen from now on; doing it twice is no error."""
    global _installed
    if _installed:
        return
    _installed = True
    Gst.debug_set_threshold_from_string(",".join(f"{name}*:2" for name in _CATEGORIES), False)
    Gst.debug_add_log_function(_heard, None)


def since(when: float) -> tuple[str, ...]:
    """Lines since this monotonic time."""
    return tuple(line for at, line in tuple(_lines) if at >= when)


def _heard(category: Any, level: Any, _file: str, function: str, _line: int, _item: Any, message: Any, *_: Any) -> None:
    if level > Gst.DebugLevel.WARNING or not category.get_name().startswith(_CATEGORIES):
        return
    _lines.append((time.monotonic(), f"{category.get_name()} {function}: {message.get()}"[:LINE_CHARACTERS]))
