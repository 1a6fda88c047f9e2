"""Whether an encoder that rested may be given to somebody."""

from __future__ import annotations

import dataclasses

import pytest

from steadycast.pipelines.fit import Wanted
from steadycast.pipelines.reuse import InForce, Made, changed, other_work
from steadycast.pipelines.work import Work

HELD = Made(Work(1280, 720, 30.0, 2500), Wanted(1280, 720, 30.0, 2500, 60))
WAS = InForce(
    {"width": "1280", "format": "I420"}, {"width": "1280", "profile": "constrained-baseline"}, {"bitrate": "2500"}
)


def test_the_same_work_at_any_bitrate() -> None:
    assert other_work(HELD, HELD) is None
    cheaper = Made(dataclasses.replace(HELD.work, bitrate_kbps=400), dataclasses.replace(HELD.wanted, bitrate_kbps=400))
    assert other_work(cheaper, HELD) is None


@pytest.mark.parametrize(
    ("work", "wanted", "words"),
    [
        ({"width": 640}, {}, "it makes 1280x720, and 640x720 is asked for"),
        ({"height": 360}, {}, "it makes 1280x720, and 1280x360 is asked for"),
        ({"fps": None}, {}, "it makes 30 frames a second, and the source's frame rate is asked for"),
        ({"fps": 29.97}, {}, "it makes 30 frames a second, and 29.97 frames a second is asked for"),
        ({}, {"keyframe_frames": 30}, "it makes a keyframe every 60 frames, and one every 30 is asked for"),
    ],
)
def test_other_work_is_named(work: dict[str, object], wanted: dict[str, object], words: str) -> None:
    asked = Made(
        dataclasses.replace(HELD.work, **work),  # type: ignore[arg-type]
        dataclasses.replace(HELD.wanted, **wanted),  # type: ignore[arg-type]
    )
    assert other_work(asked, HELD) == words


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("raw", {"width": "1280", "format": "NV12"}, "what it takes changed: format was I420 and is NV12"),
        ("encoded", {"width": "1280"}, "what it makes changed: profile was constrained-baseline and is not told"),
        ("properties", {"bitrate": "900"}, "what it is set to changed: bitrate was 2500 and is 900"),
    ],
)
def test_what_changed_while_it_rested_is_named(part: str, value: dict[str, str], words: str) -> None:
    assert changed(WAS, WAS) is None
    assert changed(WAS, dataclasses.replace(WAS, **{part: value})) == words
