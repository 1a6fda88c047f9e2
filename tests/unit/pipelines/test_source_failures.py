"""Every way a source fails, in words of the source and never of GStreamer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.pipelines.failures import (
    CORE,
    RESOURCE,
    STREAM,
    Fault,
    Phase,
    Subject,
    empty_loop,
    ended,
    explain,
    no_picture,
    no_video,
    transport_refused,
)

CAMERA = Subject("rtsp", "the camera at 10.0.0.5:554")
FILE = Subject("file", "the file film.mp4")
DESKTOP = Subject("desktop", "the desktop")
GSTREAMERS_WORDS = ("gst", "pipeline:", "/Gst", "Internal data", "element", "plug-in", "quark")


def rtspsrc(code: int, reason: str) -> Fault:
    """As GStreamer 1.22.0 says it."""
    place = "../gst/rtsp/gstrtspsrc.c(8336): gst_rtspsrc_retrieve_sdp (): /GstPipeline:lobby/GstRTSPSrc:camera:"
    return Fault(RESOURCE, code, "Unauthorized", f"{place}\n{reason}", "rtspsrc")


@pytest.mark.parametrize(
    ("subject", "fault", "code", "retry"),
    [
        (CAMERA, rtspsrc(15, "Unauthorized (401)"), "camera.unauthorized", True),
        (CAMERA, rtspsrc(3, "Not Found (404)"), "camera.not_found", True),
        (CAMERA, rtspsrc(9, "Forbidden (403)"), "camera.forbidden", True),
        (CAMERA, rtspsrc(9, "Not Enough Bandwidth (453)"), "camera.busy", True),
        (CAMERA, rtspsrc(9, "Unsupported transport (461)"), "camera.transport", False),
        (CAMERA, rtspsrc(9, "Internal Server Error (500)"), "camera.refused", True),
        (CAMERA, rtspsrc(7, "Failed to connect. (Generic error)"), "camera.unreachable", True),
        (CAMERA, rtspsrc(9, "Could not receive message."), "camera.closed", True),
        (CAMERA, Fault(STREAM, 6, "x", "missing decoder", "decodebin"), "camera.codec", False),
        (CAMERA, Fault(STREAM, 1, "Internal data stream error.", "stopped (-5)", "udpsrc"), "source.failed", True),
        (CAMERA, Fault(STREAM, 8, "x", "", "x264enc"), "encoder.failed", True),
        (FILE, Fault(RESOURCE, 3, "Resource not found.", "", "filesrc"), "file.missing", False),
        (FILE, Fault(RESOURCE, 5, "is a directory", "", "filesrc"), "file.unreadable", False),
        (FILE, Fault(STREAM, 4, "Could not determine type of stream.", "", "typefind"), "file.no_media", False),
        (FILE, Fault(STREAM, 5, "Stream contains no data.", "", "typefind"), "file.no_media", False),
        (FILE, Fault(STREAM, 9, "This file contains no playable streams.", "", "qtdemux"), "file.truncated", False),
        (FILE, Fault(CORE, 12, "missing plug-in", "", "decodebin"), "file.codec", False),
        (DESKTOP, Fault(RESOURCE, 5, "Could not open X display", "", "ximagesrc"), "desktop.display_gone", True),
    ],
)  # fmt: skip
def test_faults_are_told_in_words_of_the_source(subject: Subject, fault: Fault, code: str, retry: bool) -> None:
    failure = explain(subject, fault)
    assert (failure.code, failure.retry) == (code, retry)
    assert fault.text not in failure.what


def test_the_status_of_the_camera_is_named() -> None:
    failure = explain(CAMERA, Fault(RESOURCE, 15, "Unauthorized", "Unauthorized (401)", "rtspsrc"))
    assert failure.what == "401 from the camera at 10.0.0.5:554"


def test_a_line_number_is_no_status() -> None:
    fault = Fault(
        RESOURCE, 7, "x", "../gst/rtsp/gstrtspsrc.c(404): f (): /GstRTSPSrc:camera:\nFailed to connect.", "rtspsrc"
    )
    assert explain(CAMERA, fault).code == "camera.unreachable"


@given(
    st.sampled_from([CAMERA, FILE, DESKTOP, Subject("test", "the test picture")]),
    st.builds(
        Fault,
        st.sampled_from([RESOURCE, STREAM, CORE, "gst-library-error-quark"]),
        st.integers(0, 30),
        st.just("Internal data stream error."),
        st.just("../gst/x.c(5): gst_x (): /GstPipeline:lobby/GstQTDemux:qtdemux0:\nrtsp://user:secret@host"),
        st.sampled_from(["rtspsrc", "filesrc", "qtdemux", "ximagesrc", ""]),
    ),
)
def test_no_fault_lets_gstreamers_words_or_addresses_through(subject: Subject, fault: Fault) -> None:
    failure = explain(subject, fault)
    text = f"{failure.what} {failure.why} {failure.hint}"
    assert "secret" not in text
    assert not any(word in text for word in GSTREAMERS_WORDS[1:4])
    assert failure.what


def test_silence_is_told_by_how_far_it_came() -> None:
    assert no_picture(CAMERA, Phase.CONNECTING, 8).what == "the camera at 10.0.0.5:554 does not answer"
    assert no_picture(CAMERA, Phase.CONNECTED, 8).code == "camera.no_picture"
    shown = no_picture(CAMERA, Phase.SHOWN, 8)
    assert shown.what == "the camera at 10.0.0.5:554 sent no picture for 8 s"
    assert shown.retry and not shown.hung, "it may be away"
    assert no_picture(DESKTOP, Phase.SHOWN, 8).hung, "it is on this host"


def test_ends() -> None:
    assert ended(CAMERA).retry
    assert not ended(FILE).retry
    assert "closed" in ended(CAMERA).what


def test_what_is_offered_instead_of_video_is_named() -> None:
    assert no_video(FILE, ["audio/mpeg", "audio/x-ac3"]).why == "it offers only: audio"
    assert no_video(CAMERA, []).why == "it offers only: nothing"
    assert empty_loop(FILE).code == "file.empty"
    assert "461" in (transport_refused(CAMERA.name).why or "")
