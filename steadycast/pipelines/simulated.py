"""The encoder of the simulated vendor: x264 that opens a session of the pretended driver before it encodes.

`register` adds it to this process, as loading a plugin adds a real one. Where a refusal shows is a matter of its
property `style`, after NVENC's elements: `legacy` (GStreamer 1.22) opens from NULL to READY, `modern` (1.26) at the
first caps in a streaming thread, and `missing` is not even registered while no session is free.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gi

from steadycast.errors import EncoderError
from steadycast.model import EncoderFault
from steadycast.pipelines.caps import first_of
from steadycast.pipelines.gst import GLib, Gst
from steadycast.vendors.simulated.driver import (
    CODES,
    ELEMENT,
    SimulatedDriver,
    SimulatedFailure,
    SimulatedRefusal,
    SimulatedSession,
)

gi.require_version("GstBase", "1.0")

from gi.repository import GObject, GstBase  # noqa: E402

log = logging.getLogger("pipelines")

CATEGORY = "nvsimulated"  # of the debug log; found by whoever listens to `nv*`, as NVENC's own are
MEMORY = "memory:SimulatedMemory"  # what pictures are said to be in; none of it exists

_CODEC = "h264"
_RAW = Gst.Caps.from_string("video/x-raw,format={NV12,I420}")
_H264 = Gst.Caps.from_string("video/x-h264,stream-format={byte-stream,avc},alignment=au")
_READ_WRITE = GObject.ParamFlags.READWRITE
_PLAYING = _READ_WRITE | GObject.ParamFlags(int(Gst.PARAM_MUTABLE_PLAYING))
_DROPPED = Gst.FlowReturn.CUSTOM_SUCCESS  # GST_BASE_TRANSFORM_FLOW_DROPPED, which the bindings do not have
_ZEROLATENCY = 4  # x264enc's `tune`
_VBV_MS = 600  # x264enc's own
# Cheap, because no GPU helps; no B-frames and no keyframes at scene cuts, because nobody can ask for them here.
_X264 = {"speed-preset": "ultrafast", "bframes": 0, "option-string": "scenecut=0", "bitrate": 2048, "key-int-max": 75}
_DEFAULTS: dict[str, Any] = {
    "bitrate": 2048, "vbv-buffer-size": 0, "gop-size": 75, "zerolatency": False, "driver-folder": "", "gpu": 0,
    "style": "modern",
}  # fmt: skip


def _template(name: str, direction: Any, caps: Any) -> Any:
    return Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, caps)


_SINK = _template("sink", Gst.PadDirection.SINK, _RAW)
_SRC = _template("src", Gst.PadDirection.SRC, _H264)


class SimulatedGate(GstBase.BaseTransform):  # type: ignore[misc]
    """Stands before x264 and asks the encoder around it at caps and at each frame, in the streaming thread.

    These are virtual methods, not probes: a probe would hold the encoder for ever.
    """

    __gtype_name__ = "SteadycastSimulatedGate"
    __gstmetadata__ = ("Simulated encoder's gate", "Filter/Video", "Asks the simulated driver", "Steadycast")
    __gsttemplates__ = (_SINK, _template("src", Gst.PadDirection.SRC, _RAW))

    def __init__(self) -> None:
        super().__init__()
        self.set_passthrough(True)

    def do_set_caps(self, caps: Any, _out: Any) -> bool:
        parent = self.get_parent()
        return parent is not None and parent.begin(caps)

    def do_transform_ip(self, _buffer: Any) -> Any:
        parent = self.get_parent()
        return parent.frame() if parent is not None else Gst.FlowReturn.ERROR


class SimulatedEncoder(Gst.Bin):  # type: ignore[misc]
    """The element. `bitrate` is in kbit/s and may change while PLAYING, `gop-size` in frames (-1: x264's choice)."""

    __gtype_name__ = "SteadycastSimulatedH264Encoder"
    __gstmetadata__ = (
        "Simulated H.264 encoder (not real)",
        "Codec/Encoder/Video/Hardware",
        "x264 behind the session cap of a pretended GPU",
        "Steadycast",
    )
    __gsttemplates__ = (_SINK, _SRC)
    __gproperties__ = {  # noqa: RUF012 - PyGObject reads it from the class
        "bitrate": (GObject.TYPE_UINT, "Bitrate", "kbit/s", 1, 2_048_000, 2048, _PLAYING),
        "vbv-buffer-size": (
            GObject.TYPE_UINT,
            "VBV",
            "kbit that the decoder buffers, 0: 600 ms",
            0,
            2_048_000,
            0,
            _PLAYING,
        ),
        "gop-size": (int, "GOP size", "Frames from keyframe to keyframe, -1: automatic", -1, 1 << 30, 75, _READ_WRITE),
        "zerolatency": (bool, "Zero latency", "No frame waits for a later one", False, _READ_WRITE),
        "driver-folder": (str, "Driver", "Folder of the simulated driver", "", _READ_WRITE),
        "gpu": (GObject.TYPE_UINT, "GPU", "Number of the simulated GPU", 0, 15, 0, _READ_WRITE),
        "style": (str, "Style", "Where a refusal shows: legacy, modern or missing", "modern", _READ_WRITE),
        "memory": (
            str,
            "Memory",
            "Where pictures are said to be; empty: system memory",
            "",
            GObject.ParamFlags.READABLE,
        ),
    }

    def __init__(self) -> None:
        super().__init__()
        self._values = dict(_DEFAULTS)
        self._session: SimulatedSession | None = None
        self._size: tuple[int, int] | None = None
        self._broken = False  # refused or failed: said once, until READY or NULL
        gate = SimulatedGate()
        self._codec = Gst.ElementFactory.make("x264enc", None)
        if self._codec is None:
            raise EncoderError(EncoderFault.MISSING, "GStreamer's element x264enc is not installed")
        for name, value in _X264.items():
            self._codec.set_property(name, value)
        self.add(gate)
        self.add(self._codec)
        gate.link(self._codec)
        self.add_pad(Gst.GhostPad.new_from_template("sink", gate.get_static_pad("sink"), _SINK))
        self.add_pad(Gst.GhostPad.new_from_template("src", self._codec.get_static_pad("src"), _SRC))

    def do_get_property(self, spec: Any) -> Any:
        if spec.name == "memory":
            session = self._session
            return MEMORY if session is not None and not session.memory_copies else ""
        return self._values[spec.name]

    def do_set_property(self, spec: Any, value: Any) -> None:
        self._values[spec.name] = value
        if spec.name in ("bitrate", "vbv-buffer-size"):
            self._rate()
        elif spec.name == "gop-size":
            self._codec.set_property("key-int-max", max(value, 0))  # 0 is x264enc's word for automatic
        elif spec.name == "zerolatency":
            self._codec.set_property("tune", _ZEROLATENCY if value else 0)

    def _rate(self) -> None:
        kbps, kbit = self._values["bitrate"], self._values["vbv-buffer-size"]
        self._codec.set_property("bitrate", kbps)
        self._codec.set_property("vbv-buf-capacity", min(kbit * 1000 // kbps, 10_000) or _VBV_MS)  # it takes ms

    def do_change_state(self, change: Any) -> Any:
        legacy = self._values["style"] == "legacy"
        if change == Gst.StateChange.NULL_TO_READY and legacy and not self._open(None):
            self._post(Gst.LibraryError.quark(), Gst.LibraryError.INIT, "Failed to open encoder")
            return Gst.StateChangeReturn.FAILURE
        result = Gst.Bin.do_change_state(self, change)
        if change == (Gst.StateChange.READY_TO_NULL if legacy else Gst.StateChange.PAUSED_TO_READY):
            self._close()
        if change in (Gst.StateChange.PAUSED_TO_READY, Gst.StateChange.READY_TO_NULL):
            self._broken = False
        return result

    def begin(self, caps: Any) -> bool:
        """New caps came, in a streaming thread: open, or open again for another size. False: refused, and said so."""
        if self._broken:
            return False
        picture = first_of(caps)
        size = (picture.get_int("width").value, picture.get_int("height").value)
        if self._values["style"] == "legacy":
            return self._resize(size)
        if self._session is not None and self._size == size:
            return True
        self._close()
        if not self._open(size):
            self._break("Failed to open session")
            return False
        self._size = size
        return True

    def frame(self) -> Any:
        """A frame is about to be encoded, in a streaming thread. ERROR: the session failed, and it was said."""
        session = self._session
        if session is None or self._broken:
            return Gst.FlowReturn.ERROR
        copied = session.memory_copies
        try:
            taken = session.frame()
        except SimulatedFailure as failure:
            self._fail(failure)
            return Gst.FlowReturn.ERROR
        if session.memory_copies != copied:
            self.notify("memory")
        return Gst.FlowReturn.OK if taken else _DROPPED

    def _resize(self, size: tuple[int, int]) -> bool:
        """The session of a legacy encoder learns its size late, and keeps it."""
        if self._session is None:
            return False
        try:
            self._session.resize(*size)
        except SimulatedFailure as failure:
            self._fail(failure)
            return False
        return True

    def _open(self, size: tuple[int, int] | None) -> bool:
        width, height = size or (None, None)
        try:
            driver = SimulatedDriver(Path(self._values["driver-folder"]))
            self._session = driver.open_session(self._values["gpu"], _CODEC, width, height)
        except SimulatedRefusal as refusal:
            _say(Gst.DebugLevel.ERROR, _call_failed(refusal.code), self)
            _say(Gst.DebugLevel.ERROR, "NvEncOpenEncodeSessionEx failed", self)
            return False
        return True

    def _close(self) -> None:
        session, self._session, self._size = self._session, None, None
        if session is not None:
            session.close()

    def _fail(self, failure: SimulatedFailure) -> None:
        _say(Gst.DebugLevel.ERROR, _call_failed(failure.code), self)
        self._break(f"Failed to encode frame, status: {CODES[failure.code]} ({failure.code})")

    def _break(self, debug: str) -> None:
        self._broken = True
        self._post(Gst.StreamError.quark(), Gst.StreamError.ENCODE, debug)

    def _post(self, domain: Any, code: Any, debug: str) -> None:
        """GStreamer's own words for this error, and what the encoder adds."""
        self.message_full(Gst.MessageType.ERROR, domain, code, None, debug, "simulated.py", type(self).__name__, 0)


def register(options: Mapping[str, str]) -> None:
    """Make the element known in this process; twice is no error. `options` are those of the encoder's order.

    In the style `missing` it stays unknown while no session is free: it is there only after a later call. Raises
    EncoderError where GStreamer does not take it.
    """
    if Gst.ElementFactory.find(ELEMENT) is not None:
        return
    if options.get("style") == "missing" and not _may_load(options):
        return
    GLib.log_set_handler("GStreamer", GLib.LogLevelFlags.LEVEL_CRITICAL, _filter_floating, None)
    if not Gst.Element.register(None, ELEMENT, Gst.Rank.NONE, SimulatedEncoder):
        raise EncoderError(EncoderFault.OPEN, f"GStreamer does not take the element {ELEMENT}")


def _may_load(options: Mapping[str, str]) -> bool:
    """As NVENC's plugin: it opens a session when it is loaded, and has no encoder if that fails."""
    try:
        SimulatedDriver(Path(options["driver-folder"])).open_session(int(options.get("gpu", "0")), _CODEC).close()
    except SimulatedRefusal as refusal:
        _say(Gst.DebugLevel.ERROR, _call_failed(refusal.code), None)
        _say(Gst.DebugLevel.WARNING, "Failed to open session", None)
        return False
    return True


def _filter_floating(domain: str, level: Any, message: str, _data: Any) -> None:
    """GStreamer complains of each element that Python made, and takes it all the same; the rest is passed on."""
    if "should be floating" not in message:
        GLib.log_default_handler(domain, level, message, None)


def _call_failed(code: int) -> str:
    return f"NvEnc API call failed: {code:#x}, {CODES[code]}"


def _say(level: Any, text: str, source: Any) -> None:
    """Into GStreamer's debug log, where the threshold of the category lets it."""
    category = _category()
    if level <= category.get_threshold():
        Gst.debug_log_literal(category, level, "simulated.py", "open", 0, source, text)


def _category() -> Any:
    """The debug category; the bindings can only find one, so it is made in C the first time."""
    for known in Gst.debug_get_all_categories():
        if known.get_name() == CATEGORY:
            return known
    make = ctypes.CDLL("libgstreamer-1.0.so.0")._gst_debug_category_new
    make.restype = ctypes.c_void_p
    make.argtypes = (ctypes.c_char_p, ctypes.c_uint, ctypes.c_char_p)
    make(CATEGORY.encode(), 0, b"Simulated encoder")
    return _category()
