"""The last warnings of encoders in GStreamer's debug log: the only place where a driver's status is told.

Installed once a process, as GStreamer does not take Python's log functions off again. Called on streaming threads.

Several encoders may be opened at the same moment, and what one's driver says must not count against another: a line is
of the bin around the element that wrote it, or else of whoever claimed the thread. Lines of neither are everybody's.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from steadycast.pipelines.gst import Gst

LINES = 200
LINE_CHARACTERS = 400
BRANCH = "track-"  # how the names of branches' bins begin
_CATEGORIES = ("nv", "cuda", "va", "steadycastsim")

_lines: deque[tuple[float, str | None, str]] = deque(maxlen=LINES)
_threads: dict[int, str] = {}  # by their ident: names of bins, as many as encoders are open
_installed = False


def install() -> None:
    """Listen from now on; doing it twice is no error."""
    global _installed
    if _installed:
        return
    _installed = True
    Gst.debug_set_threshold_from_string(",".join(f"{name}*:2" for name in _CATEGORIES), False)
    Gst.debug_add_log_function(_heard, None)


def claim(owner: str) -> None:
    """What is written on this thread from now on is of the bin of this name, where no element tells otherwise."""
    _threads[threading.get_ident()] = owner


def release(owner: str) -> None:
    """Its threads are nobody's again."""
    for thread in [one for one, name in tuple(_threads.items()) if name == owner]:
        _threads.pop(thread, None)


def since(when: float, owner: str | None = None) -> tuple[str, ...]:
    """Lines since this monotonic time; with `owner` without those of others."""
    return tuple(line for at, whose, line in tuple(_lines) if at >= when and (not owner or whose in (None, owner)))


def _heard(category: Any, level: Any, _file: str, function: str, _line: int, item: Any, message: Any, *_: Any) -> None:
    if level > Gst.DebugLevel.WARNING or not category.get_name().startswith(_CATEGORIES):
        return
    whose = _owner(item) or _threads.get(threading.get_ident())
    _lines.append((time.monotonic(), whose, f"{category.get_name()} {function}: {message.get()}"[:LINE_CHARACTERS]))


def _owner(item: Any) -> str | None:
    """The name of the bin of an encoder's branch that an item is part of."""
    while isinstance(item, Gst.Object):
        if isinstance(item, Gst.Bin) and item.get_name().startswith(BRANCH):
            return str(item.get_name())
        item = item.get_parent()
    return None
