"""The element that makes RTP packets of AV1, for GStreamers without `rtpav1pay` (it is in gst-plugins-rs, which Debian
12 does not have). The base class of payloaders is of no use to Python: it writes into buffers that bindings still hold.
"""

from __future__ import annotations

import random
import struct
from typing import Any

from steadycast.pipelines.gst import GObject, Gst
from steadycast.pipelines.obu import Av1Error, parameters, payloads

FACTORY = "steadycastrtpav1pay"
CLOCK = 90_000
_HEADER = 12  # bytes of RTP


class Av1Payloader(Gst.Element):  # type: ignore[misc]  # gi has no types
    """Temporal units in, RTP packets out; timestamps are the running time, as those of all payloaders here."""

    __gstmetadata__ = ("AV1 RTP payloader", "Codec/Payloader/Network/RTP", "Cuts AV1 into RTP packets", "Steadycast")
    __gsttemplates__ = (
        Gst.PadTemplate.new(
            "sink",
            Gst.PadDirection.SINK,
            Gst.PadPresence.ALWAYS,
            Gst.Caps.from_string("video/x-av1,stream-format=obu-stream,alignment=tu"),
        ),
        Gst.PadTemplate.new(
            "src",
            Gst.PadDirection.SRC,
            Gst.PadPresence.ALWAYS,
            Gst.Caps.from_string(f"application/x-rtp,media=video,clock-rate={CLOCK},encoding-name=AV1"),
        ),
    )
    mtu = GObject.Property(type=int, default=1200, minimum=64, maximum=65_507)
    pt = GObject.Property(type=int, default=96, minimum=0, maximum=127)

    def __init__(self) -> None:
        super().__init__()
        self.sequence = 0
        self.ssrc = random.getrandbits(32)
        self.known: dict[str, str] = {}  # what the stream says of itself
        sink = Gst.Pad.new_from_template(self.get_pad_template("sink"), "sink")
        # Plain functions: a bound method would keep the element alive for ever.
        sink.set_chain_function_full(_chain)
        sink.set_event_function_full(_event)
        self.add_pad(sink)
        self.add_pad(Gst.Pad.new_from_template(self.get_pad_template("src"), "src"))

    def caps(self) -> Any:
        """Of the packets: profile, level and tier stand in them as soon as they are known."""
        named = "".join(f",{name}=(string){value}" for name, value in self.known.items())
        text = f"application/x-rtp,media=video,clock-rate={CLOCK},encoding-name=AV1,payload={self.pt}{named}"
        return Gst.Caps.from_string(text)

    def packets(self, buffer: Any, running_ns: int) -> Any:
        """A buffer list for one temporal unit; raises Av1Error. New caps go out where a keyframe brings such."""
        keyframe = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        data = buffer.extract_dup(0, buffer.get_size())
        if keyframe and (known := parameters(data)) is not None and known != self.known:
            self.known = known
            self.get_static_pad("src").push_event(Gst.Event.new_caps(self.caps()))
        cut = payloads(data, self.mtu - _HEADER, keyframe)
        stamp = running_ns * CLOCK // Gst.SECOND & 0xFFFFFFFF
        made = Gst.BufferList.new_sized(max(1, len(cut)))
        for index, payload in enumerate(cut):
            marker = 0x80 if index == len(cut) - 1 else 0
            head = struct.pack(">BBHII", 0x80, marker | self.pt, self.sequence, stamp, self.ssrc)
            self.sequence = (self.sequence + 1) & 0xFFFF
            packet = Gst.Buffer.new_wrapped(head + payload)
            packet.pts, packet.dts = buffer.pts, buffer.dts
            if not keyframe:
                packet.set_flags(Gst.BufferFlags.DELTA_UNIT)
            made.insert(-1, packet)
        return made


def _chain(pad: Any, element: Any, buffer: Any) -> Any:
    segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0)
    if segment is None or buffer.pts == Gst.CLOCK_TIME_NONE:
        return Gst.FlowReturn.OK  # it belongs to no time
    running = segment.parse_segment().to_running_time(Gst.Format.TIME, buffer.pts)
    if running == Gst.CLOCK_TIME_NONE:
        return Gst.FlowReturn.OK  # outside of the segment
    try:
        made = element.packets(buffer, running)
    except Av1Error as error:
        element.message_full(
            Gst.MessageType.ERROR, Gst.StreamError.quark(), int(Gst.StreamError.FORMAT), "No AV1 stream.", str(error),
            __file__, "_chain", 0,
        )  # fmt: skip
        return Gst.FlowReturn.ERROR
    return element.get_static_pad("src").push_list(made)


def _event(pad: Any, element: Any, event: Any) -> bool:
    if event.type == Gst.EventType.CAPS:
        return bool(element.get_static_pad("src").push_event(Gst.Event.new_caps(element.caps())))
    return bool(pad.event_default(element, event))


GObject.type_register(Av1Payloader)
