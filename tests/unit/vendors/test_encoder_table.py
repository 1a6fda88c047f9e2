"""The table of encoders holds what it promises: known quantities, one row a name, no settings of other programs."""

from __future__ import annotations

import re

import pytest

from steadycast.model import Codec
from steadycast.pipelines.fit import Wanted
from steadycast.vendors.table import ROWS, Row, Want, named, of_codec, row, works_on

QUANTITIES = set(Wanted(640, 360, 25, 500, 50).quantities())
FFMPEG_PRESETS = {"ll", "llhp", "llhq"}


def entry(one: Row) -> str:
    return one.entry


@pytest.mark.parametrize("one", ROWS, ids=entry)
def test_a_row_is_whole(one: Row) -> None:
    values = [value for setting in one.settings for way in setting.tries for value in way.values]
    assert all(setting.tries and all(way.values for way in setting.tries) for setting in one.settings)
    assert {name for value in values for name in re.findall(r"\{(\w+)\}", value)} <= QUANTITIES
    assert not FFMPEG_PRESETS & set(values)
    assert one.elements
    assert one.paths
    assert one.caps.startswith("video/x-")
    wants = {setting.want for setting in one.settings}
    assert wants & {Want.BITRATE, Want.EXTRA}
    assert row(one.entry) is one


def test_names_are_unique() -> None:
    assert len({one.entry for one in ROWS}) == len(ROWS)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.AV1, Codec.VP8, Codec.VP9])
def test_every_codec_has_software_behind_hardware(codec: Codec) -> None:
    kinds = [one.hardware for one in of_codec(codec)]
    assert False in kinds
    assert kinds == sorted(kinds, reverse=True)


@pytest.mark.parametrize(
    ("name", "node", "element"),
    [
        ("nvcodec-h264", "", "nvh264enc"),
        ("nvcodec-h265", "device1", "nvh265device1enc"),
        ("va-h264", "renderD129", "varenderD129h264enc"),
        ("va-h264-lp", "renderD129", "varenderD129h264lpenc"),
        ("x264", "renderD129", "x264enc"),
    ],
)
def test_the_second_device_has_its_own_elements(name: str, node: str, element: str) -> None:
    one = row(name)
    assert one is not None
    assert named(one.elements, node)[0] == element
    assert works_on(one, element) == (node if "{node}" in one.elements[0] else "")


def test_an_element_of_another_row_names_no_device() -> None:
    one = row("nvcodec-h264")
    assert one is not None
    assert works_on(one, "x264enc") == ""
    assert works_on(one, "nvcudah264device2enc") == "device2"
