"""The simulated vendor's element in processes of its own: where refusals show, real H.264, and nothing that stays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.encoder_settings import SimulatedSettings
from steadycast.tracking import proc
from steadycast.vendors.simulated.driver import ELEMENT
from steadycast.vendors.simulated.vendor import SimulatedVendor
from tests.support.outside import until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
STREAM, LIBRARY = "gst-stream-error-quark", "gst-library-error-quark"
REFUSED_21 = "NvEnc API call failed: 0x15, NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY"
REFUSED_10 = "NvEnc API call failed: 0xa, NV_ENC_ERR_OUT_OF_MEMORY"
IDLE_THREADS = 2  # GLib keeps up to two of its pool
LEGACY = [ELEMENT, LIBRARY, 3, "Could not initialize supporting library.", "Failed to open encoder"]
MODERN = [ELEMENT, STREAM, 8, "Could not encode stream.", "Failed to open session"]


class Worker:
    """A process with the element."""

    def __init__(self, options: dict[str, str]) -> None:
        self.child = subprocess.Popen(
            (sys.executable, "-m", "tests.process.simulated_element_child", json.dumps(options)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        self.complaints = b""

    def send(self, *command: Any) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(command).encode() + b"\n")
        self.child.stdin.flush()

    def ask(self, *command: Any) -> Any:
        assert self.child.stdout is not None
        self.send(*command)
        line = self.child.stdout.readline()
        return json.loads(line) if line else pytest.fail(f"{command} ended it: {self.end()!r}")

    def outside(self) -> tuple[int, int]:
        """Its descriptors and its threads."""
        threads = proc.threads_by_name(self.child.pid)
        assert threads is not None
        return len(list(Path(f"/proc/{self.child.pid}/fd").iterdir())), sum(threads.values())

    def end(self) -> bytes:
        if self.child.returncode is None:
            self.child.kill()
            self.complaints = self.child.communicate()[1]
        return self.complaints


class House:
    """The vendor, and workers that use it."""

    def __init__(self, runtime: Path, **settings: Any) -> None:
        self.vendor = SimulatedVendor(SimulatedSettings.model_validate({"enabled": True, **settings}), runtime)
        self.workers: list[Worker] = []

    def worker(self, load: bool = True) -> Worker:
        options = dict(self.vendor.look().devices[0].choices[0].options)
        self.workers.append(Worker(options))
        if load:
            assert self.workers[-1].ask("load")["found"]
        return self.workers[-1]

    def open_now(self) -> list[int | None]:
        return [one.pid for one in self.vendor.look().uses[0].sessions or ()]

    def end(self) -> None:
        for worker in self.workers:
            assert b"CRITICAL" not in worker.end()
            assert b"Traceback" not in worker.complaints
        self.vendor.close()


@pytest.fixture
def house_of(tmp_path: Path) -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(**settings: Any) -> House:
        made.append(House(tmp_path, **settings))
        return made[-1]

    yield make
    for house in made:
        house.end()


def frames_in(path: Path) -> str:
    """Codec, profile, and the frames that a decoder of somebody else counts."""
    words = "stream=codec_name,profile,width,nb_read_frames"
    command = ("ffprobe", "-v", "error", "-count_frames", "-show_entries", words, "-of", "csv=p=0", str(path))
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.parametrize(
    ("style", "code", "line", "state", "first"),
    [
        ("legacy", 21, REFUSED_21, "failure", LEGACY),
        ("legacy", 10, REFUSED_10, "failure", LEGACY),
        ("modern", 21, REFUSED_21, "async", MODERN),
    ],
)
def test_it_encodes_and_says_a_refusal_where_its_kind_does(
    house_of: Callable[..., House], tmp_path: Path, style: str, code: int, line: str, state: str, first: list[Any]
) -> None:
    house = house_of(style=style, refusal_code=code, sessions=1)
    worker = house.worker()
    played = worker.ask("play", 30, str(tmp_path / "out.h264"))
    assert (played["state"], played["errors"]) == ("async", [])
    assert frames_in(tmp_path / "out.h264") == "h264,Constrained Baseline,320,30"
    assert played["memory"] == "memory:SimulatedMemory"
    assert house.open_now() == []

    assert worker.ask("keep")["errors"] == []
    (use,) = house.vendor.look().uses
    assert [(one.pid, one.width, one.height) for one in use.sessions or ()] == [(worker.child.pid, 320, 240)]
    refused = house.worker().ask("play", 30, "")
    assert (refused["state"], refused["errors"][0]) == (state, first)
    assert len([one for one in refused["errors"] if one[0] == ELEMENT]) == 1  # said once
    assert refused["log"][0].endswith(line)
    assert refused["log"][1].endswith("NvEncOpenEncodeSessionEx failed")
    worker.ask("drop")
    assert house.open_now() == []


def test_an_element_that_is_missing_while_no_session_is_free(house_of: Callable[..., House]) -> None:
    house = house_of(style="missing", sessions=1)
    first, second = house.worker(), house.worker(load=False)
    assert house.open_now() == []  # loading gave it back
    assert first.ask("keep")["errors"] == []
    loaded = second.ask("load")
    assert not loaded["found"]
    assert [text.split(": ", 1)[1] for text in loaded["log"][:2]] == [REFUSED_21, "Failed to open session"]
    first.end()  # killed: the kernel takes the session back
    assert second.ask("load")["found"]
    assert second.ask("play", 10, "")["errors"] == []


def test_faults_strike_while_it_plays(house_of: Callable[..., House]) -> None:
    house = house_of(faults={"fail_after_frames": 12, "memory_copies": 1})
    worker = house.worker()
    failed = worker.ask("play", 100, "")
    assert failed["errors"][0][:4] == [ELEMENT, STREAM, 8, "Could not encode stream."]
    assert "NV_ENC_ERR_GENERIC" in failed["errors"][0][4]
    assert failed["memory"] == ""  # the pictures went through system memory
    house.vendor.set_faults({"fail_after_frames": 0, "memory_copies": 0})
    worker.send("play", 1_000_000, "")
    other = house.worker()
    assert other.ask("play", 10, "")["errors"] == []
    house.vendor.set_faults({"driver_lost": 1})
    assert other.ask("play", 10, "")["errors"][0] == MODERN
    assert worker.child.stdout is not None
    lost = json.loads(worker.child.stdout.readline())
    assert "NV_ENC_ERR_DEVICE_NOT_EXIST" in lost["errors"][0][4]
    house.vendor.set_faults({"driver_lost": 0, "hang_on_open": 1})
    other.send("play", 10, "")
    worker.send("play", 10, "")
    worker.end()  # what hangs ends with its process
    assert house.open_now() == []
    house.vendor.set_faults({"hang_on_open": 0})
    assert other.child.stdout is not None
    assert json.loads(other.child.stdout.readline())["errors"] == []


@pytest.mark.parametrize("style", ["legacy", "modern"])
def test_bitrate_and_size_change_while_it_plays(house_of: Callable[..., House], style: str) -> None:
    worker = house_of(style=style).worker()
    before, after = worker.ask("rate")["means"]
    assert after < before / 4
    assert worker.ask("resize") == {"widths": [160, 320], "errors": []}


@pytest.mark.parametrize("style", ["legacy", "modern"])
async def test_rounds_leave_nothing(house_of: Callable[..., House], style: str) -> None:
    house = house_of(style=style)
    worker = house.worker()
    loaded = worker.outside()
    worker.ask("rounds", 10)
    descriptors = worker.outside()[0]
    assert descriptors <= loaded[0] + 1
    assert worker.ask("rounds", 100) == {"played": 100, "failed": 0, "finalised": 100}
    house.vendor.set_faults({"refuse_next": 50})
    assert worker.ask("rounds", 50) == {"played": 50, "failed": 50, "finalised": 50}
    house.vendor.set_faults({"fail_after_frames": 2})
    assert worker.ask("rounds", 20) == {"played": 20, "failed": 20, "finalised": 20}
    assert house.open_now() == []
    await until(lambda: worker.outside()[1] <= loaded[1] + IDLE_THREADS)
    assert worker.outside()[0] <= descriptors
