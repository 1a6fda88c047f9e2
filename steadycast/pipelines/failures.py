"""From what GStreamer says to words of the source: one table. Pure; no gi.

GStreamer's own words and debug text never reach a person; they go to the worker's log. A URL shown has no credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Fault:
    """What GStreamer said: error domain (`gst-resource-error-quark`), code, text, debug text, the element's factory."""

    domain: str
    code: int
    text: str
    debug: str
    element: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source does not show, for a person. `retry`: whether trying again can help."""

    code: str
    what: str
    why: str | None = None
    hint: str | None = None
    retry: bool = False


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
    return Failure("source.failed", f"{subject.name} failed", why=fault.text, retry=True)


def ended(subject: Subject) -> Failure:
    return Failure("source.ended", f"{subject.name} ended")


def no_picture(subject: Subject, phase: Phase, timeout_s: float) -> Failure:
    return Failure("source.silent", f"{subject.name} sent no picture for {timeout_s:g} s", retry=True)


def stuck() -> Failure:
    return Failure("worker.stuck", "a part of the worker's pipeline does not end", retry=True)


def no_video(subject: Subject, offered: list[str]) -> Failure:
    return Failure("source.no_video", "no video", why=str(offered))


def empty_loop(subject: Subject) -> Failure:
    return Failure("source.empty", f"{subject.name} has no frames")


def display_gone() -> Failure:
    return Failure("desktop.display_gone", "display gone", retry=True)


def refuses_transport(fault: Fault) -> bool:
    return "461" in fault.debug
