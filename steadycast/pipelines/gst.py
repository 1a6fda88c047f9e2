"""GStreamer, imported and initialised once. All of this room gets it from here.

Importing this module is most of what a worker needs to start (about 0.1 s); `preload` loads the plugins as well, so
that a spare worker shows its source at once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstAllocators", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstVideo", "1.0")

from gi.repository import Gio, GLib, GObject, Gst, GstAllocators, GstRtsp, GstVideo  # noqa: E402

__all__ = [
    "TRACED", "GLib", "GObject", "Gio", "Gst", "GstAllocators", "GstRtsp", "GstVideo", "missing", "preload", "version",
]  # fmt: skip

log = logging.getLogger("pipelines")

# Types that `live_objects` counts. A tracer that a person asked for goes first, and then nothing is counted.
_TRACER = 'leaks(filters="GstElement,GstPad,GstBus,GstTask,GstBufferPool",stack-traces-flags=none)'
TRACED = "GST_TRACERS" not in os.environ
os.environ.setdefault("GST_TRACERS", _TRACER)
Gst.init(None)
if TRACED:
    del os.environ["GST_TRACERS"]  # not for processes that this one starts

# What a lobby of each kind needs; a spare worker does not know yet which it will be.
USUAL = (
    "queue", "tee", "capsfilter", "videorate", "videoscale", "videoconvert", "x264enc", "h264parse", "h265parse",
    "rtph264pay", "rtph265pay", "rtpopuspay", "rtpstreampay", "multisocketsink", "audioconvert", "audioresample",
    "opusenc", "videotestsrc", "audiotestsrc", "textoverlay", "ximagesrc", "rtspsrc", "rtph264depay", "rtph265depay",
    "filesrc", "parsebin", "qtdemux", "clocksync", "decodebin", "avdec_h264", "appsrc",
)  # fmt: skip


def preload(factories: Iterable[str] = USUAL) -> None:
    """Load the plugins of these elements."""
    for name in factories:
        factory = Gst.ElementFactory.find(name)
        if factory is not None:
            factory.load()


def missing(factories: Iterable[str] = USUAL) -> tuple[str, ...]:
    """Those of these elements that are not installed."""
    return tuple(name for name in factories if Gst.ElementFactory.find(name) is None)


def version() -> str:
    """Of GStreamer, as `1.22.0`."""
    return ".".join(str(part) for part in Gst.version()[:3])
