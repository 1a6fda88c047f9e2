"""What people type and what doctor makes of what it saw."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.cli.findings import (
    apt_line,
    judge_canary,
    judge_descriptors,
    judge_gpus,
    judge_gstreamer,
    judge_port,
    judge_program,
    judge_python,
    worst,
)
from steadycast.cli.sources import rendition_of, source_of
from steadycast.errors import ConfigError
from steadycast.vendors.look import Gpu


@pytest.mark.parametrize(
    ("text", "size", "source"),
    [
        ("test", None, {"kind": "test"}),
        ("test", "640x360@25", {"kind": "test", "width": 640, "height": 360, "fps": 25}),
        ("app:ico", "640x360", {"kind": "desktop", "application": "ico", "width": 640, "height": 360}),
        ("run:xterm -e 'top -d 1'", None, {"kind": "desktop", "command": ["xterm", "-e", "top -d 1"]}),
        ("rtsp://cam/1", None, {"kind": "rtsp", "url": "rtsp://cam/1"}),
        ("/videos/a b.mp4", None, {"kind": "file", "path": "/videos/a b.mp4"}),
    ],
)
def test_sources(text: str, size: str | None, source: dict[str, Any]) -> None:
    assert source_of(text, size) == source


@pytest.mark.parametrize(
    ("text", "size", "code"),
    [
        ("http://cam/1", None, "source.scheme"),
        ("rtsp://cam/1", "640x360", "size.unused"),
        ("test", "640", "size.unclear"),
        ("test", "640x360@", "size.unclear"),
        ("run:", None, "source.command"),
        ("run:'open", None, "source.command"),
    ],
)
def test_unclear_sources(text: str, size: str | None, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source_of(text, size)
    assert caught.value.code == code


def test_renditions() -> None:
    whole = {"name": "small", "width": 640, "height": 360, "fps": 15, "bitrate_kbps": 800}
    assert rendition_of("small=640x360@15,800k") == whole
    assert rendition_of("cheap=,300k") == {"name": "cheap", "bitrate_kbps": 300}
    assert rendition_of("as-is=copy") == {"name": "as-is", "codec": "copy"}
    for unclear in ("small", "small=640", "=640x360", "a=640x360,800"):
        with pytest.raises(ConfigError):
            rendition_of(unclear)


@given(st.text(max_size=60), st.none() | st.text(max_size=20))
def test_any_text_is_a_source_or_explained(text: str, size: str | None) -> None:
    try:
        assert source_of(text, size)["kind"]
    except ConfigError as error:
        assert error.what


def test_gstreamer_that_is_missing_names_its_packages() -> None:
    gone = judge_gstreamer({"gstreamer": None}, "No module named 'gi'")
    assert gone.grade == "bad"
    assert "python3-gi" in gone.packages
    assert judge_gstreamer({}, "no answer within 30 s").grade == "bad"
    old = judge_gstreamer({"gstreamer": "1.20.3", "missing": []}, None)
    assert (old.grade, old.packages) == ("bad", ())
    holes = judge_gstreamer({"gstreamer": "1.22.0", "missing": ["x264enc", "rtspsrc", "avdec_h264"]}, None)
    assert set(holes.packages) == {"gstreamer1.0-plugins-ugly", "gstreamer1.0-plugins-good", "gstreamer1.0-libav"}
    assert judge_gstreamer({"gstreamer": "1.26.1", "missing": []}, None).grade == "good"


def test_the_line_to_type_holds_each_package_once() -> None:
    findings = [
        judge_gstreamer({"gstreamer": "1.22.0", "missing": ["h264parse", "h265parse"]}, None),
        judge_program("Xvfb", None, "xvfb", "a desktop"),
        judge_python((3, 11, 2)),
    ]
    assert apt_line(findings) == "sudo apt-get install -y --no-install-recommends gstreamer1.0-plugins-bad xvfb"
    assert worst(findings) == "bad"
    assert worst(findings[1:]) == "note"
    assert apt_line(findings[2:]) is None


def test_other_findings() -> None:
    assert judge_python((3, 10, 9)).grade == "bad"
    assert judge_canary(False, "no encoder", 0.1).grade == "bad"
    assert judge_port("HTTP", 80, "in use").grade == "note"
    assert judge_gpus((), ()).grade == "note"
    gpu = Gpu("0000:01:00.0", "NVIDIA", "A card", "/dev/dri/renderD128", "nvidia")
    assert judge_gpus((gpu,), ()).grade == "good"
    assert "render" in (judge_gpus((gpu,), ("/dev/dri/renderD128",)).hint or "")
    assert judge_descriptors(1024, 1_048_576).grade == "note"
    assert judge_descriptors(-1, -1).grade == "good"
