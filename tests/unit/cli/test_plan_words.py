"""What `steadycast plan` cannot do is refused in a few words; recorded plans are for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog
from typer.testing import CliRunner

from steadycast.cli.commands import app


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command sets up logging for its process, which here is that of all tests."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--codec mp3", "h264, h265, av1, vp8, vp9"),
        ("--size 12", "1280x720"),
        ("--size 99999x720", "7680"),
        ("--fps 0", "240"),
        ("--bitrate 1", "50"),
        ("--vendor nvidai", "nvidia"),
        ("--gstreamer 1.20", "1.22"),
        ("--device nope", "software"),
        ("--fragment nope", "encoders.fragments"),
        ("--vendor nvidia --device software", "--device"),
    ],
)
def test_what_cannot_be_is_refused_in_words(words: str, says: str) -> None:
    refused = CliRunner().invoke(app, ["plan", *words.split()])
    assert refused.exit_code == 2, refused.stdout
    assert not refused.stdout
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2


def test_a_recorded_plan_is_printed_whole() -> None:
    printed = CliRunner().invoke(app, ["plan", "--vendor", "nvidia", "--gstreamer", "1.26"])
    assert printed.exit_code == 0
    for text in ("nvh264enc", "memory:CUDAMemory", "gst-launch-1.0", "tune=ultra-low-latency", "1.26."):
        assert text in printed.stdout


def test_what_a_version_lacks_is_said() -> None:
    printed = CliRunner().invoke(app, ["plan", "--vendor", "nvidia", "--gstreamer", "1.22", "--codec", "av1"])
    assert printed.exit_code == 1
    assert "this version has no nvav1enc" in printed.stdout


def test_json_is_json() -> None:
    printed = CliRunner().invoke(app, ["plan", "--vendor", "va", "--codec", "h265", "--json"])
    plans = json.loads(printed.stdout)
    assert [one["plan"]["element"] for one in plans] == ["vah265enc", "vah265lpenc"]
