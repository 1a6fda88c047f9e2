"""The plan: sizes, rates and properties that follow from a rendition, a picture and the settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.errors import CallerError
from steadycast.model import Codec, DesktopSource, EncoderOrder, Rendition, RtspSource, TestSource
from steadycast.pipelines.parts import Chain, Limits, Part, packets
from steadycast.pipelines.plan import Picture, RenditionPlan, even
from steadycast.pipelines.plan import plan_rendition as plan_order
from steadycast.pipelines.recorded import RecordedElements
from steadycast.pipelines.source_plan import (
    desktop_picture,
    leads_away,
    only_names_others,
    pattern_picture,
    plan_camera,
)

HD = Picture(1280, 720, 30.0)
ELEMENTS = RecordedElements("1.22")
X264 = EncoderOrder("software", "software", Codec.H264, "x264", ("x264enc",))


def plan_rendition(rendition: Rendition, picture: Picture, limits: Limits) -> RenditionPlan:
    return plan_order(rendition, picture, limits, X264, ELEMENTS)


def part(chain: Chain, factory: str) -> Part:
    found = [one for one in chain if one.factory == factory]
    assert len(found) == 1, f"{factory}: {[one.factory for one in chain]}"
    return found[0]


def test_a_bare_rendition_follows_source_and_settings() -> None:
    plan = plan_rendition(Rendition("main"), HD, Limits(keyframe_s=2, bits_per_pixel=0.1))
    assert (plan.work.width, plan.work.height, plan.work.fps) == (1280, 720, 30)
    assert plan.work.bitrate_kbps == round(0.1 * 1280 * 720 * 30 / 1000)
    assert plan.wanted.keyframe_frames == 60
    assert part(plan.chain, "x264enc").properties == {
        "bitrate": str(plan.work.bitrate_kbps),
        "key-int-max": "60",
        "threads": "1",
        "tune": "zerolatency",
        "speed-preset": "superfast",
        "bframes": "0",
        "ref": "1",
        "byte-stream": "true",
        "vbv-buf-capacity": "400",
        "option-string": "scenecut=0",
    }
    assert (plan.memory, plan.notes) == (None, ())
    assert "videorate" not in [one.factory for one in plan.chain]


@pytest.mark.parametrize(
    ("rendition", "size"),
    [
        (Rendition("r", width=640), (640, 360)),
        (Rendition("r", height=360), (640, 360)),
        (Rendition("r", width=641, height=361), (640, 360)),
        (Rendition("r", height=101), (178, 100)),
    ],
)
def test_sizes_are_even_and_keep_the_shape(rendition: Rendition, size: tuple[int, int]) -> None:
    plan = plan_rendition(rendition, HD, Limits())
    assert (plan.work.width, plan.work.height) == size


def test_an_odd_source_is_rounded_down() -> None:
    plan = plan_rendition(Rendition("r"), Picture(1367, 769, 25), Limits())
    assert (plan.work.width, plan.work.height) == (1366, 768)


def test_a_source_without_a_size_needs_one() -> None:
    with pytest.raises(CallerError, match="size"):
        plan_rendition(Rendition("r"), Picture(), Limits())
    assert plan_rendition(Rendition("r", width=320, height=180), Picture(), Limits()).work.fps is None


def test_a_slower_rendition_only_drops_frames() -> None:
    plan = plan_rendition(Rendition("r", fps=10), HD, Limits())
    assert plan.work.fps == 10
    rate = part(plan.chain, "videorate").properties
    assert rate["drop-only"] == "true"
    assert rate["skip-to-first"] == "true"


def test_frames_that_the_source_has_not_are_not_made() -> None:
    assert plan_rendition(Rendition("r", fps=60), HD, Limits()).work.fps == 30
    assert plan_rendition(Rendition("r", fps=60), Picture(640, 480), Limits()).work.fps == 60


def test_ntsc_rates_stay_fractions() -> None:
    plan = plan_rendition(Rendition("r", fps=30), Picture(640, 480, 29.97), Limits())
    assert plan.work.fps == 29.97
    assert "videorate" not in [one.factory for one in plan.chain]


@given(
    st.builds(
        Rendition,
        name=st.just("r"),
        width=st.none() | st.integers(16, 7680),
        height=st.none() | st.integers(16, 4320),
        fps=st.none() | st.integers(1, 240),
        bitrate_kbps=st.none() | st.integers(50, 100_000),
        keyframe_s=st.none() | st.floats(0.1, 60),
    ),
    st.builds(
        Picture, st.integers(1, 10_000), st.integers(1, 10_000), st.none() | st.floats(0.1, 240, allow_nan=False)
    ),
    st.builds(
        Limits, mtu=st.integers(576, 1400), keyframe_s=st.floats(0.1, 60), bits_per_pixel=st.floats(0.001, 2),
        cpus=st.integers(1, 256), reference_mb=st.just(1e12),
    ),
)  # fmt: skip
def test_every_plan_is_within_bounds(rendition: Rendition, picture: Picture, limits: Limits) -> None:
    plan = plan_rendition(rendition, picture, limits)
    assert plan.work.width % 2 == 0
    assert plan.work.height % 2 == 0
    assert plan.work.width >= 2
    assert plan.work.height >= 2
    assert 50 <= plan.work.bitrate_kbps <= 100_000
    assert 1 <= plan.wanted.keyframe_frames <= 600
    assert 1 <= plan.wanted.threads <= min(4, limits.cpus)


@given(st.floats(0, 100_000))
def test_even_is_even_and_not_more(value: float) -> None:
    assert even(value) % 2 == 0
    assert even(value) <= max(2, value)


@pytest.mark.parametrize("codec", list(Codec))
def test_rtp_time_is_running_time_on_every_track(codec: Codec) -> None:
    chain = packets(codec, Limits(mtu=1111))
    payloader = chain[0].properties
    assert payloader["timestamp-offset"] == "0"
    assert payloader["perfect-rtptime"] == "false"
    assert payloader["mtu"] == "1111"
    sink = part(chain, "multisocketsink").properties
    assert int(sink["buffers-soft-max"]) < int(sink["buffers-max"]) <= 4000
    assert "timeout" not in sink


def test_camera_credentials_stay_out_of_what_is_shown() -> None:
    source = RtspSource("rtsp://ad%40min:p%3Aw@10.0.0.5:8554/live/1?token=abc")
    plan = plan_camera(source, 8)
    assert (plan.user, plan.password) == ("ad@min", "p:w")
    assert plan.location == "rtsp://10.0.0.5:8554/live/1?token=abc"
    assert plan.shown == "rtsp://10.0.0.5:8554/live/1"
    assert plan.host == "10.0.0.5:8554"
    assert "p:w" not in repr(plan)
    assert "abc" not in repr(plan)


def test_camera_transports() -> None:
    assert plan_camera(RtspSource("rtsp://h/x"), 8).transports == ("tcp", "udp")
    assert plan_camera(RtspSource("rtsp://h/x", transport="udp"), 8).transports == ("udp",)
    assert plan_camera(RtspSource("rtsp://h/x"), 8).user is None


def test_sources_have_the_asked_picture() -> None:
    picture = part(pattern_picture(TestSource(width=640, height=360, fps=50)), "capsfilter").properties["caps"]
    assert "width=640,height=360,framerate=50/1" in picture
    desktop = part(desktop_picture(DesktopSource(fps=15, cursor=False), ":7"), "ximagesrc").properties
    assert desktop["display-name"] == ":7"
    assert desktop["use-damage"] == "false"
    assert desktop["show-pointer"] == "false"


@pytest.mark.parametrize(
    ("location", "asked", "away"),
    [
        ("rtsp://h:8554/x", "rtsp://h:8554/y", False),
        ("rtsp://H/x", "rtsp://h:554/x", False),
        ("rtsps://h/x", "rtsp://h/x", False),  # GStreamer's spelling over TLS
        ("rtsps://h/x", "rtsp://h:322/x", False),
        ("rtsp://[::1]:8554/x", "rtsp://[::1]:8554/x", False),
        ("rtsp://h:8554/x", "rtsp://h:8555/x", True),
        ("rtsp://h/x", "rtsp://other/x", True),
        ("rtsp://h/x", "http://h:80/x", True),
        ("rtsp://h/x", "rtsp://h:0x/", True),
        ("rtsp://h/x", "rtsp://[h/", True),
        ("rtsp://h/x", "", True),
    ],
)
def test_what_leads_away_from_a_camera(location: str, asked: str, away: bool) -> None:
    assert leads_away(location, asked) is away


@pytest.mark.parametrize("name", ["application/x-hls", "application/dash+xml", "application/sdp", "text/uri-list"])
def test_lists_of_addresses_are_no_media(name: str) -> None:
    assert only_names_others(name)


@pytest.mark.parametrize("name", ["video/quicktime", "video/x-matroska", "application/ogg", "application/mxf"])
def test_containers_are_media(name: str) -> None:
    assert not only_names_others(name)


def test_reference_frames_are_as_many_as_the_budget_holds() -> None:
    asked = Rendition("main", references=8)
    assert plan_rendition(asked, HD, Limits()).wanted.references == 8
    small = plan_rendition(asked, HD, Limits(reference_mb=5))
    assert small.wanted.references == 3
    assert small.notes == ("references: 3 of 8 reference frames fit into 5 MB (encoders.reference_budget_mb)",)
    assert part(small.chain, "x264enc").properties["ref"] == "3"
    with pytest.raises(CallerError, match=r"1 reference frame of 1280x720 in h264 needs 1\.4 MB") as refused:
        plan_rendition(asked, HD, Limits(reference_mb=1))
    assert "encoders.reference_budget_mb" in (refused.value.hint or "")
