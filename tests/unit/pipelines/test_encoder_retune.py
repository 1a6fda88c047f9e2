"""Which encoders take another bitrate while they play, and what is set on them for it."""

from __future__ import annotations

import dataclasses

import pytest

from steadycast.model import EncoderOrder, Rendition
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.plan import Picture, RenditionPlan, plan_rendition
from steadycast.pipelines.recorded import RecordedElements
from steadycast.pipelines.retune import Retuning, retuning
from steadycast.vendors.table import ROWS, named, row

HD = Picture(1280, 720, 30.0)


def plan_of(entry: str, version: str, rendition: Rendition) -> RenditionPlan:
    found = row(entry)
    assert found is not None
    order = EncoderOrder("device", found.family, found.codec, entry, named(found.elements))
    named_so = dataclasses.replace(rendition, codec=found.codec.value)  # type: ignore[arg-type]
    return plan_rendition(named_so, HD, Limits(), order, RecordedElements(version))


def retuned(entry: str, version: str, before: int, after: int) -> Retuning | str:
    plans = [plan_of(entry, version, Rendition("main", bitrate_kbps=kbps)) for kbps in (before, after)]
    return retuning(row(entry), plans[0], plans[1])


@pytest.mark.parametrize("version", ["1.22", "1.24", "1.26", "1.28"])
def test_nvenc_gets_nothing_but_its_bitrate(version: str) -> None:
    """Its buffer follows the bitrate when it opens; set while it plays, the session would be opened anew."""
    lower = retuned("nvcodec-h264", version, 4000, 1000)
    assert lower == Retuning((("bitrate", "1000"), ("max-bitrate", "1000")), "bitrate")
    higher = retuned("nvcodec-h264", version, 1000, 4000)
    assert higher == Retuning((("max-bitrate", "4000"), ("bitrate", "4000")), "bitrate")


def test_each_in_its_own_units() -> None:
    assert retuned("x264", "1.22", 4000, 900) == Retuning((("bitrate", "900"),), "bitrate")
    assert retuned("vp8", "1.26", 4000, 900) == Retuning((("target-bitrate", "900000"),), "target-bitrate", 1000)
    openh264 = retuned("openh264", "1.22", 4000, 900)
    assert openh264 == Retuning((("bitrate", "900000"), ("max-bitrate", "900000")), "bitrate", 1000)
    va = retuned("va-h264", "1.26", 4000, 1000)
    assert isinstance(va, Retuning) and ("cpb-size", "400") in va.properties


@pytest.mark.parametrize("entry", ["x265", "aom"])
def test_what_is_said_only_at_the_start_takes_another_encoder(entry: str) -> None:
    why = retuned(entry, "1.26", 4000, 900)
    assert isinstance(why, str) and "only before it plays" in why


def test_more_than_a_bitrate_takes_another_encoder() -> None:
    before = plan_of("x264", "1.26", Rendition("main", bitrate_kbps=900))
    for other in (Rendition("main", bitrate_kbps=900, height=360), Rendition("main", bitrate_kbps=900, fps=10)):
        assert isinstance(retuning(row("x264"), before, plan_of("x264", "1.26", other)), str)
    keyframes = retuning(row("x264"), before, plan_of("x264", "1.26", Rendition("main", keyframe_s=7)))
    assert isinstance(keyframes, str) and "key-int-max" in keyframes
    assert isinstance(retuning(None, before, before), str)
    other_row = plan_of("openh264", "1.26", Rendition("main", bitrate_kbps=900))
    assert isinstance(retuning(row("openh264"), before, other_row), str)


@pytest.mark.parametrize("version", ["1.22", "1.28"])
def test_nothing_is_set_that_the_table_does_not_call_live(version: str) -> None:
    elements, known = RecordedElements(version), 0
    for one in ROWS:
        if not any(elements.describe(name) for name in named(one.elements)):
            continue
        live = {way.property for setting in one.settings for way in setting.tries if way.live}
        for before, after in ((4000, 500), (500, 4000)):
            found = retuned(one.entry, version, before, after)
            if isinstance(found, Retuning):
                known += 1
                assert found.properties and {name for name, _ in found.properties} <= live, one.entry
    assert known > 10
