"""An operator's own encoder: what is filled in, and how a wrong word is told."""

from __future__ import annotations

import pytest

from steadycast.errors import EncoderError
from steadycast.model import Codec, EncoderFault, EncoderOrder, Rendition
from steadycast.pipelines import fragment
from steadycast.pipelines.fit import Wanted
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.plan import Picture, RenditionPlan, plan_rendition
from steadycast.pipelines.recorded import RecordedElements

ELEMENTS = RecordedElements("1.26")
QUANTITIES = Wanted(1280, 720, 30.0, 4000, 60, 2).quantities()


def test_placeholders_are_filled_in_and_lists_of_caps_stay() -> None:
    text = "videoconvert ! video/x-raw,format={NV12,I420} ! x264enc bitrate={bitrate_kbps} threads={threads}"
    expected = "videoconvert ! video/x-raw,format={NV12,I420} ! x264enc bitrate=4000 threads=2"
    assert fragment.render(text, QUANTITIES) == expected
    every = "{bitrate_kbps} {bitrate_bps} {keyframe_frames} {width} {height} {fps} {threads}"
    assert fragment.render(every, QUANTITIES) == "4000 4000000 60 1280 720 30 2"


def refused(text: str) -> EncoderError:
    with pytest.raises(EncoderError) as caught:
        fragment.check(fragment.render(text, QUANTITIES), ELEMENTS)
    assert caught.value.code == EncoderFault.SETTINGS
    return caught.value


@pytest.mark.parametrize(
    ("text", "named", "near"),
    [
        ("x264enc bitrate={bitrate_kbs}", "bitrate_kbs", "bitrate_kbps"),
        ("x264encc bitrate=5", "x264encc", "x264enc"),
        ("x264enc bitrat=5", "bitrat", "bitrate"),
        ("nvh264enc preset=llhp", "llhp", None),
        ("x264enc speed-preset=superfst", "superfst", "superfast"),
        ("videoconvert ! x264enc bitrate=100 ! h264pars", "h264pars", None),
    ],
)
def test_a_wrong_word_is_named_with_the_nearest(text: str, named: str, near: str | None) -> None:
    error = refused(text)
    assert named in error.what
    if near is not None:
        assert error.hint == f"did you mean {near}?"


def test_caps_in_quotes_as_a_shell_has_them() -> None:
    error = refused("videoscale ! 'video/x-raw,width=160' ! x264enc")
    assert error.hint == "write video/x-raw,width=160"


@pytest.mark.parametrize("text", ["", "  ", "! !", 'x264enc option-string="scenecut=0', "x264enc bitrate=99999999"])
def test_texts_that_are_none(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "text",
    [
        'x264enc option-string="a=1:b=2" name=mine',
        "x264enc tune=zerolatency+fastdecode speed-preset=2",
        'video/x-raw(memory:CUDAMemory), format="NV12" ! nvh264enc bitrate=100',
        "videoconvert n-threads=1 ! x264enc option-string='a ! b' ! mine.",
    ],
)
def test_good_texts(text: str) -> None:
    fragment.check(text, ELEMENTS)


def planned(text: str, memory: str | None = None) -> RenditionPlan:
    order = EncoderOrder("mine", "software", Codec.H264, "fragment", fragment=text, memory=memory)
    return plan_rendition(Rendition("main"), Picture(1280, 720, 30.0), Limits(), order, ELEMENTS)


def test_a_fragment_stands_where_the_encoder_would() -> None:
    plan = planned("x264enc bitrate={bitrate_kbps}")
    encoder = next(part for part in plan.chain if part.name == "encoder")
    assert encoder.launch == f"x264enc bitrate={plan.work.bitrate_kbps}"
    assert (plan.element, plan.memory, plan.chain[-1].factory) == ("x264enc", None, "h264parse")


def test_promised_memory_is_brought_there() -> None:
    plan = planned("nvh264enc", "memory:CUDAMemory")
    assert plan.memory == "memory:CUDAMemory"
    assert "cudaupload" in [part.factory for part in plan.chain]
    with pytest.raises(EncoderError, match="memory:Nowhere"):
        planned("nvh264enc", "memory:Nowhere")
