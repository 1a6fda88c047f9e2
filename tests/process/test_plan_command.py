"""`steadycast plan` on this machine: its line plays, and records are true of what is installed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from steadycast.cli.commands import app
from steadycast.model import EncoderOrder, Rendition
from steadycast.pipelines.describe import InstalledElements
from steadycast.pipelines.explain import explain
from steadycast.pipelines.gst import Gst, version
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.recorded import RecordedElements, versions
from steadycast.pipelines.work import Picture
from steadycast.vendors.table import ROWS, Row


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command sets up logging for its process, which here is that of all tests."""
    yield
    structlog.reset_defaults()


pytestmark = pytest.mark.process
CONFIG = """
[encoders.fragments.mine]
codec = "h264"
launch = "x264enc bitrate={bitrate_kbps} key-int-max={keyframe_frames} tune=zerolatency speed-preset=ultrafast"
[encoders.fragments.wrong]
codec = "h264"
launch = "x264enc bitrat={bitrate_kbps}"
"""


def plan(*words: str) -> Result:
    return CliRunner().invoke(app, ["plan", *words])


def test_the_line_of_this_machine_plays() -> None:
    printed = plan("--device", "software", "--size", "160x96", "--bitrate", "300")
    assert printed.exit_code == 0, printed.stderr
    _, _, line = printed.stdout.partition("gst-launch-1.0 ")
    words = shlex.split(line.partition("\n\n")[0])
    pipeline = Gst.parse_launchv(words)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None
    assert message.type == Gst.MessageType.EOS
    assert "bitrate=300" in printed.stdout
    assert "may change while it plays" in printed.stdout


@pytest.mark.parametrize("row", [row for row in ROWS if row.family == "software"], ids=lambda row: row.entry)
def test_records_agree_with_what_is_installed(row: Row) -> None:
    series = version().rpartition(".")[0]
    installed = InstalledElements()
    if series not in versions() or not installed.has(row.elements[0]):
        pytest.skip("not in this distribution: this encoder, of a GStreamer that was recorded")
    order = EncoderOrder("software", "software", row.codec, row.entry, row.elements)
    rendition, picture = Rendition("plan", row.codec.value), Picture(1280, 720, 30)  # type: ignore[arg-type]
    real, recorded = (
        explain(rendition, picture, Limits(), order, elements) for elements in (installed, RecordedElements(series))
    )
    assert real == recorded


def test_an_encoder_of_the_operator(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    path.write_text(CONFIG)
    good = plan("--config", str(path), "--fragment", "mine", "--json")
    assert good.exit_code == 0, good.stderr
    assert "x264enc bitrate=2488 key-int-max=60" in " ".join(json.loads(good.stdout)[0]["plan"]["launch"])
    wrong = plan("--config", str(path), "--fragment", "wrong")
    assert wrong.exit_code == 1
    assert "no property 'bitrat'" in wrong.stdout
    assert "bitrate?" in wrong.stdout
