"""The plans for devices that are not here, against files that were looked at by eye.

After a change of the table of encoders that is meant, write them anew and read the difference:

    REFRESH_GOLDEN=1 python -m pytest tests/unit/pipelines/test_golden_plans.py && git diff tests/unit/pipelines/golden
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from steadycast.cli.planning import recorded
from steadycast.model import Rendition
from steadycast.pipelines.recorded import RecordedElements, versions
from steadycast.pipelines.work import Picture

GOLDEN = Path(__file__).parent / "golden"
EVERYWHERE = ("nvcodec", "va", "qsv", "software")
NEWEST = ("amf", "mediafoundation", "videotoolbox", "v4l2", "vulkan")
CASES = [*((family, version) for family in EVERYWHERE for version in versions()), *((one, "1.28") for one in NEWEST)]
CODECS: tuple[Literal["h264", "h265", "av1", "vp8", "vp9"], ...] = ("h264", "h265", "av1", "vp8", "vp9")


def shown(family: str, version: str) -> str:
    """All that this family makes, in a text that a person can compare."""
    lines = []
    for codec in CODECS:
        for one in recorded(family, version, Rendition("golden", codec), Picture(1280, 720, 30.0)):
            lines.append(f"{one.name.split(',')[0]} {codec} {one.gstreamer}")
            if one.plan is None:
                lines += [f"  no plan: {why}" for why in one.refused]
                continue
            lines += [f"  {part}" for part in one.plan.launch[2:-1]]
            lines.append(f"  memory: {one.plan.memory or 'system memory'}")
            lines += [f"  live: {choice.property}" for choice in one.plan.choices if choice.live]
            lines += [f"  left out: {text}" for text in one.plan.left_out]
            lines += [f"  note: {text}" for text in one.plan.notes]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("family", "version"), CASES, ids=lambda value: value)
def test_plan_is_as_it_was_reviewed(family: str, version: str) -> None:
    path = GOLDEN / f"{family}-{version}.txt"
    made = shown(family, version)
    if os.environ.get("REFRESH_GOLDEN"):
        path.write_text(made)
    assert made == path.read_text(), f"{path.name} differs: read the docstring of this file"


def test_every_golden_file_is_of_a_case() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(f"{f}-{v}.txt" for f, v in CASES)


@pytest.mark.parametrize("version", versions())
def test_records_are_whole(version: str) -> None:
    elements = RecordedElements(version)
    for name in elements.names():
        assert elements.has(name)
        described = elements.describe(name)
        if described is None:
            continue  # only its presence is recorded
        assert described.sinks, name
        for property_name, one in described.properties.items():
            assert one.nicks or one.kind != "enum", f"{name}.{property_name}"
            assert one.low is None or one.high is None or one.low <= one.high, f"{name}.{property_name}"


def test_any_release_of_a_version_is_known_and_others_are_not() -> None:
    assert RecordedElements("1.26.3").version.startswith("1.26.")
    with pytest.raises(Exception, match="not recorded"):
        RecordedElements("1.20")
