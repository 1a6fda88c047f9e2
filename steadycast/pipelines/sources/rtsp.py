"""The camera source: an RTSP server that sends H.264 or H.265, which is passed on and decoded only where needed."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from steadycast.model import Codec, RtspSource
from steadycast.pipelines.build import make
from steadycast.pipelines.caps import first_of
from steadycast.pipelines.failures import (
    CODEC_NOT_FOUND,
    STREAM,
    Fault,
    Phase,
    Subject,
    camera_redirects,
    no_video,
    transport_refused,
)
from steadycast.pipelines.faults import fault_of
from steadycast.pipelines.gst import Gst, GstRtsp, log
from steadycast.pipelines.parts import Part
from steadycast.pipelines.source_plan import leads_away, plan_camera
from steadycast.pipelines.stage import Stage
from steadycast.pipelines.teardown import to_null

DEPAYLOADERS = {"H264": ("rtph264depay", Codec.H264), "H265": ("rtph265depay", Codec.H265)}
DESCRIBES = (
    10  # of one attempt: twice with a login, for two transports, and some to spare; more are redirects in a ring
)
NULL_S = 2.0  # for the camera's element, before it tries another transport


class RtspParts:
    """One camera, over TCP, or over UDP where it refuses TCP and the choice is left open."""

    can_end = True

    def __init__(self, source: RtspSource, timeout_s: float) -> None:
        self._plan = plan_camera(source, timeout_s)
        self._transports = list(self._plan.transports)
        self._streams = _Streams(self.subject())
        self._element: Any = None
        self._stage: Stage | None = None
        self._again: asyncio.Task[None] | None = None

    async def start(self, stage: Stage) -> None:
        plan = self._plan
        element = make(Part("rtspsrc", plan.properties, name="camera"))
        element.set_property("location", plan.location)
        if plan.user is not None:
            element.set_property("user-id", plan.user)
            element.set_property("user-pw", plan.password or "")
        Gst.util_set_object_arg(element, "protocols", self._transports.pop(0))
        self._streams.listen(element, stage)
        _Requests(plan.location, self.subject()).listen(element, stage)
        stage.pipeline.add(element)
        self._element = element
        self._stage = stage
        stage.pipeline.set_state(Gst.State.PLAYING)

    def on_message(self, message: Any) -> bool:
        """A camera that refuses the transport is tried with the next one."""
        if message.type != Gst.MessageType.ERROR or self._stage is None:
            return False
        if not self._streams.is_refused(fault_of(message)):
            return self._again is not None and not self._again.done()  # what the refused attempt still says
        if not self._transports:
            self._stage.fail(transport_refused(self.subject().name))
            return True
        transport = self._transports.pop(0)
        log.info("%s refuses the transport, now over %s", self._plan.shown, transport)
        self._again = self._stage.run(self._try(transport))
        return True

    async def _try(self, transport: str) -> None:
        await to_null(self._element, NULL_S)
        Gst.util_set_object_arg(self._element, "protocols", transport)
        self._element.sync_state_with_parent()

    def subject(self) -> Subject:
        return Subject("rtsp", f"the camera at {self._plan.host}")

    def phase(self) -> Phase:
        return Phase.CONNECTED if self._streams.described else Phase.CONNECTING


class _Requests:
    """Looks at each request before it is sent, and sends none to another place than the camera.

    A redirect shows in the requests that begin a conversation. Later ones name whatever address the description has,
    which behind a NAT is often another one, but go over the same connection.
    """

    def __init__(self, location: str, subject: Subject) -> None:
        self._location = location
        self._subject = subject
        self._describes = 0

    def listen(self, element: Any, stage: Stage) -> None:
        here = weakref.ref(stage)

        def before_send(_element: Any, message: Any) -> bool:
            if self._fits(message):
                return True
            if (found := here()) is not None:
                found.fail(camera_redirects(self._subject.name))
            return False

        # For as long as the element lives, not until the stage is disposed of: a refused request is skipped, and the
        # next one of the same attempt may come while everything ends. The handler holds neither.
        element.connect("before-send", before_send)

    def _fits(self, message: Any) -> bool:
        _, method, asked, _ = message.parse_request()
        if method not in (GstRtsp.RTSPMethod.OPTIONS, GstRtsp.RTSPMethod.DESCRIBE):
            return True
        self._describes += method == GstRtsp.RTSPMethod.DESCRIBE
        return self._describes <= DESCRIBES and not leads_away(self._location, asked)


class _Streams:
    """Chooses the first video and the first sound of what the camera offers, and hands them to the stage.

    Holds no element: it is held by the handlers of one.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.described = False
        self._offered: list[str] = []
        self._chosen: dict[str, int] = {}

    def listen(self, element: Any, stage: Stage) -> None:
        here = weakref.ref(stage)

        def added(_element: Any, pad: Any) -> None:
            if (found := here()) is not None:
                self._take(found, pad)

        def all_added(_element: Any) -> None:
            if (found := here()) is not None and "video" not in self._chosen:
                found.fail(no_video(self._subject, self._offered))

        stage.disposer.connect(element, "on-sdp", self._on_sdp)
        stage.disposer.connect(element, "select-stream", lambda _, number, caps: self._select(here, number, caps))
        stage.disposer.connect(element, "pad-added", added)
        stage.disposer.connect(element, "no-more-pads", all_added)

    def is_refused(self, fault: Fault) -> bool:
        """Whether the camera refused the transport (461): rtspsrc says the same where no stream is supported at all."""
        unsupported = fault.domain == STREAM and fault.code == CODEC_NOT_FOUND and fault.element == "rtspsrc"
        return unsupported and "video" in self._chosen

    def _on_sdp(self, _element: Any, _sdp: Any) -> None:
        self.described = True
        self._offered.clear()
        self._chosen.clear()

    def _select(self, stage: weakref.ref[Stage], number: int, caps: Any) -> bool:
        """False: the camera is not asked for this stream at all."""
        media = first_of(caps).get_string("media") or ""
        self._offered.append(media)
        if media not in ("video", "audio"):
            return False
        if media == "audio" and (found := stage()) is not None:
            found.sound_taken = True
        return self._chosen.setdefault(media, number) == number

    def _take(self, stage: Stage, pad: Any) -> None:
        caps = pad.get_current_caps() or pad.query_caps(None)
        structure = first_of(caps)
        encoding = structure.get_string("encoding-name") or ""
        video = structure.get_string("media") == "video"
        with stage.failing():
            if video and encoding in DEPAYLOADERS:
                depayloader, codec = DEPAYLOADERS[encoding]
                stage.take_encoded(pad, codec, (Part(depayloader),))
            elif video:
                stage.take_decoded(pad, sound=False)
            elif encoding == "OPUS":
                stage.take_opus(pad, (Part("rtpopusdepay"),))
            else:
                stage.take_decoded(pad, sound=True)
