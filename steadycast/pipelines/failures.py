"""From what GStreamer says to words of the source: one table for each kind of source. Pure; no gi.

GStreamer's own words and debug text never reach a person; they go to the worker's log. A URL shown has no credentials.
Codes are those of `GstResourceError`, `GstStreamError` and `GstCoreError` (gst/gsterror.h), the same from 1.22 to 1.28.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

RESOURCE = "gst-resource-error-quark"
STREAM = "gst-stream-error-quark"
CORE = "gst-core-error-quark"
NOT_FOUND, OPEN_READ, OPEN_READ_WRITE, READ, NOT_AUTHORIZED = 3, 5, 7, 9, 15  # of RESOURCE
TYPE_NOT_FOUND, WRONG_TYPE, CODEC_NOT_FOUND, DECODE, DEMUX = 4, 5, 6, 7, 9  # of STREAM
MISSING_PLUGIN = 12  # of CORE
_STATUS = re.compile(r"\((\d{3})\)")  # RTSP status in rtspsrc's debug text: `Unauthorized (401)`


@dataclass(frozen=True, slots=True)
class Fault:
    """What GStreamer said: error domain, code, text, debug text, and the factory of the element that said it."""

    domain: str
    code: int
    text: str = ""
    debug: str = ""
    element: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source does not show, for a person. `retry`: whether trying again can help; `hung`: something in this
    process or on this host hangs, and the source did not say why."""

    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    retry: bool = False
    hung: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is spoken of: the kind of source, and its name as it may be shown (`the camera at 10.0.0.5:554`)."""

    kind: str
    name: str


class Phase(StrEnum):
    """How far a source came before it went silent."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    SHOWN = "shown"


def explain(subject: Subject, fault: Fault) -> Failure:
    """An error of an element that belongs to the source."""
    if fault.element in ENCODERS:
        return _encoder(fault)
    table = {"rtsp": _camera, "file": _file, "desktop": _desktop}
    found = table[subject.kind](subject.name, fault) if subject.kind in table else None
    return found or Failure(
        "source.failed",
        f"{subject.name} failed",
        why="the pipeline stopped with an error; the worker's log has the details",
        retry=True,
    )


ENCODERS = ("x264enc", "opusenc", "multisocketsink", "rtph264pay", "rtph265pay", "rtpopuspay")


def _encoder(fault: Fault) -> Failure:
    return Failure(
        "encoder.failed",
        "the host's own encoder failed",
        why=f"the element {fault.element} stopped with an error; the worker's log has the details",
        retry=True,
    )


def _camera(name: str, fault: Fault) -> Failure | None:
    status = _status(fault)
    if status is not None:
        return _camera_status(name, status)
    kind = (fault.domain, fault.code)
    if kind in ((RESOURCE, OPEN_READ), (RESOURCE, OPEN_READ_WRITE)):
        return Failure(
            "camera.unreachable",
            f"{name} cannot be reached",
            why="nothing accepts connections there, or the name is not known",
            hint="is the camera on, and are address and port right?",
            retry=True,
        )
    if kind in ((RESOURCE, READ), (RESOURCE, 10)):  # 10: WRITE
        return camera_closed(name)
    if kind in ((STREAM, CODEC_NOT_FOUND), (STREAM, TYPE_NOT_FOUND), (CORE, MISSING_PLUGIN), (STREAM, WRONG_TYPE)):
        return Failure(
            "camera.codec",
            f"{name} sends something that cannot be shown",
            why="no decoder for its codec is installed, or it refuses the transport",
            hint="set the camera to H.264 or H.265; if `transport` is set, try another",
        )
    if kind == (STREAM, DECODE):
        return Failure("camera.broken", f"{name} sends pictures that cannot be decoded", retry=True)
    return None


def _camera_status(name: str, status: int) -> Failure:
    """An RTSP status code (RFC 2326, 7.1.1) as the camera answered."""
    if status == 401:
        return Failure(
            "camera.unauthorized",
            f"401 from {name}",
            why="it wants a login, and the one in the address is missing or wrong",
            hint="put user and password into the address: rtsp://user:password@host/path",
            retry=True,
        )
    if status == 403:
        return Failure("camera.forbidden", f"403 from {name}", why="the login may not see this stream", retry=True)
    if status == 404:
        return Failure(
            "camera.not_found",
            f"404 from {name}",
            why="it has no stream of this path",
            hint="look up the stream's path in the camera's manual or pages",
            retry=True,
        )
    if status in (453, 503):
        return Failure(
            "camera.busy",
            f"{status} from {name}",
            why="it has no room for one more client",
            hint="close other clients of the camera, or use its second stream",
            retry=True,
        )
    if status == 461:
        return transport_refused(name)
    return Failure("camera.refused", f"{status} from {name}", why="it refused the request", retry=True)


def transport_refused(name: str) -> Failure:
    return Failure(
        "camera.transport",
        f"{name} refuses the transport",
        why="it does not send over the transport that was asked for (461)",
        hint="leave `transport` at `auto`, or choose the other one",
    )


def camera_redirects(name: str) -> Failure:
    return Failure(
        "camera.redirect",
        f"{name} sends its clients elsewhere",
        why="it answers with another address, and redirects are not followed",
        hint="find out that address and make a lobby of it",
        retry=True,
    )


def camera_closed(name: str) -> Failure:
    return Failure("camera.closed", f"{name} closed the connection", retry=True)


def _file(name: str, fault: Fault) -> Failure | None:
    kind = (fault.domain, fault.code)
    if kind == (RESOURCE, NOT_FOUND):
        return Failure("file.missing", f"{name} does not exist", hint="is the path right, and is the disk mounted?")
    if fault.domain == RESOURCE and fault.code in (OPEN_READ, NOT_AUTHORIZED):
        return Failure(
            "file.unreadable",
            f"{name} cannot be opened",
            why="it is a folder, or the host may not read it",
            hint="the user that runs the host must be able to read the file",
        )
    if kind == (RESOURCE, READ):
        return Failure("file.unreadable", f"{name} cannot be read", why="the disk gave an error", retry=True)
    if fault.domain == STREAM and fault.code in (TYPE_NOT_FOUND, WRONG_TYPE):
        return Failure(
            "file.no_media",
            f"{name} is no media file, or a broken one",
            why="nothing in it looks like a video format that is known here",
            hint="does `ffprobe` know the file?",
        )
    if kind in ((STREAM, CODEC_NOT_FOUND), (CORE, MISSING_PLUGIN)):
        return Failure("file.codec", f"{name} has a codec that nothing here decodes")
    if fault.domain == STREAM:  # demultiplexers and decoders: DEMUX, DECODE, FAILED
        return Failure(
            "file.truncated",
            f"{name} is truncated or broken",
            why="its index or part of its data is missing",
            hint="was the copy complete? `ffmpeg -i FILE -c copy NEW` repairs some files",
        )
    return None


def _desktop(name: str, fault: Fault) -> Failure | None:
    if fault.domain == RESOURCE or fault.element == "ximagesrc":
        return display_gone()
    return None


def display_gone() -> Failure:
    return Failure(
        "desktop.display_gone",
        "the desktop's display is gone",
        why="its X server ended or refuses the connection",
        retry=True,
    )


def ended(subject: Subject) -> Failure:
    """The stream ended without an error."""
    if subject.kind == "rtsp":
        return camera_closed(subject.name)
    if subject.kind == "file":
        return Failure("file.ended", f"{subject.name} was played to its end", hint="set `loop` to play it for ever")
    return Failure("source.ended", f"{subject.name} ended", retry=True)


def no_picture(subject: Subject, phase: Phase, timeout_s: float) -> Failure:
    """No frame for `timeout_s` seconds. A camera may be away; what is on this host hangs."""
    hung = subject.kind != "rtsp"
    within = f"within {timeout_s:g} s"
    if subject.kind == "rtsp" and phase is Phase.CONNECTING:
        return Failure(
            "camera.no_answer",
            f"{subject.name} does not answer",
            why=f"it gave no description of its streams {within}",
            hint="is it a camera that listens there, and can this host reach it?",
            retry=True,
        )
    if phase is Phase.SHOWN:
        what = f"{subject.name} sent no picture for {timeout_s:g} s"
        return Failure(f"{_prefix(subject)}.silent", what, retry=True, hung=hung)
    return Failure(f"{_prefix(subject)}.no_picture", f"{subject.name} sent no picture {within}", retry=True, hung=hung)


def no_video(subject: Subject, offered: Sequence[str]) -> Failure:
    """Streams were found, but no video among them; `offered` are their kinds."""
    kinds = ", ".join(sorted({name.split("/")[0] or "unknown" for name in offered})) or "nothing"
    return Failure(f"{_prefix(subject)}.no_video", f"{subject.name} has no video", why=f"it offers only: {kinds}")


def empty_loop(subject: Subject) -> Failure:
    return Failure("file.empty", f"{subject.name} has no pictures", why="it ends as soon as it begins")


def stuck() -> Failure:
    return Failure("worker.stuck", "a part of the worker's pipeline does not end", retry=True, hung=True)


def broken(error: BaseException) -> Failure:
    """Something nobody foresaw; its text goes to the log alone, as it may name anything."""
    why = f"{type(error).__name__}; the worker's log tells more"
    return Failure("worker.broken", "a part of the worker failed", why=why, retry=True)


def _prefix(subject: Subject) -> str:
    return "camera" if subject.kind == "rtsp" else subject.kind


def _status(fault: Fault) -> int | None:
    """The RTSP status that the camera answered with; only rtspsrc writes it so."""
    found = _STATUS.search(fault.debug.rpartition("\n")[2]) if fault.element == "rtspsrc" else None
    return int(found.group(1)) if found and 300 <= int(found.group(1)) <= 599 else None
