"""What doctor makes of vendors, devices and encoders, and the fix that it names."""

from __future__ import annotations

import pytest

from steadycast.cli.doctor import print_findings
from steadycast.cli.findings import Finding
from steadycast.cli.findings_encoders import (
    EncoderRow,
    NvidiaSeen,
    judge_caps,
    judge_device,
    judge_encoders,
    judge_nvidia,
    judge_report,
)
from steadycast.model import Codec, EncoderFault
from steadycast.vendors.nvidia_files import NvidiaFiles
from steadycast.vendors.protocol import Device, DeviceUse, EncoderChoice, OpenSession, VendorReport, VendorState
from steadycast.vendors.software import CHOICES
from steadycast.workers.trials import TrialResult

DRIVER = NvidiaFiles(driver=True, nodes=("/dev/nvidia0",), control_node=True, nvml="/usr/lib/a", encode="/usr/lib/b")
NVENC = EncoderChoice(Codec.H264, "nvcodec-h264", ("nvh264enc",))
OK = TrialResult(True, element="x")


def gpu(key: str = "nvidia:GPU-1", **other: object) -> Device:
    values = {"name": "A GPU", "hardware": True, "pool": "geforce", "choices": (NVENC,), "driver": "580.1"}
    return Device(key, "nvidia", **{**values, **other})  # type: ignore[arg-type]


ABLE = NvidiaSeen(able=True)


def nvidia(files: NvidiaFiles, seen: NvidiaSeen = ABLE) -> dict[str, Finding]:
    return {finding.thing: finding for finding in judge_nvidia(files, seen)}


def test_no_sign_of_nvidia_is_nothing() -> None:
    assert nvidia(NvidiaFiles(driver=False, control_node=True)) == {}  # the node alone is left over from a look


def test_nvidia_that_is_well() -> None:
    assert {finding.grade for finding in nvidia(DRIVER).values()} == {"good"}


@pytest.mark.parametrize(
    ("changes", "thing", "grade", "fix"),
    [
        ({"driver": False, "container": True}, "NVIDIA driver", "bad", "--gpus all"),
        ({"driver": False}, "NVIDIA driver", "bad", "modprobe"),
        ({"driver": False, "nodes": (), "cards": ("0000:01:00.0",)}, "NVIDIA driver", "bad", "Install NVIDIA's driver"),
        ({"nodes": (), "container": True}, "NVIDIA driver", "note", "--gpus all"),
        ({"nodes": ()}, "NVIDIA driver", "note", "nvidia-modprobe"),
        ({"closed": ("/dev/nvidia0",)}, "NVIDIA rights", "bad", "usermod"),
        ({"nvml": None}, "NVML", "bad", "libnvidia-ml1"),
        ({"nvml": None, "container": True}, "NVML", "bad", "utility"),
        ({"encode": None}, "NVENC", "bad", "libnvidia-encode1"),
        ({"encode": None, "container": True}, "NVENC", "bad", "NVIDIA_DRIVER_CAPABILITIES=compute,video,utility"),
    ],
)
def test_nvidia_that_is_not(changes: dict[str, object], thing: str, grade: str, fix: str) -> None:
    values = {name: getattr(DRIVER, name) for name in DRIVER.__slots__}
    finding = nvidia(NvidiaFiles(**{**values, **changes}))[thing]
    assert finding.grade == grade and fix in (finding.hint or "")


def test_a_missing_package_of_python() -> None:
    assert "pip install nvidia-ml-py" in (nvidia(DRIVER, NvidiaSeen(has_bindings=False))["NVML"].hint or "")


def test_without_a_gpu_that_encodes_its_library_is_no_fault() -> None:
    values = {name: getattr(DRIVER, name) for name in DRIVER.__slots__}
    assert nvidia(NvidiaFiles(**{**values, "encode": None}), NvidiaSeen())["NVENC"].grade == "note"


def test_what_works_is_not_missing() -> None:
    """Libraries may lie where nobody looks for them."""
    values = {name: getattr(DRIVER, name) for name in DRIVER.__slots__}
    files = NvidiaFiles(**{**values, "nvml": None, "encode": None})
    found = nvidia(files, NvidiaSeen(answers=True, able=True, encodes=True))
    assert (found["NVML"].grade, found["NVENC"].grade) == ("good", "good")


def test_vendors() -> None:
    hung = judge_report(VendorReport("va", VendorState.HUNG, why="no answer for 9 s", hint="dmesg"))
    assert hung is not None and hung.grade == "bad" and hung.hint == "dmesg"
    off = judge_report(VendorReport("va", VendorState.OFF))
    assert off is not None and off.grade == "note"
    assert judge_report(VendorReport("simulated", VendorState.OFF)) is None
    assert judge_report(VendorReport("va", VendorState.ABSENT)) is None


def test_a_gpu_without_an_encoder_is_said_plainly() -> None:
    device = gpu(none_because="NVIDIA H200 has no video encoder (NVENC): GH100", hint="Its video goes to the CPU.")
    rows = judge_encoders(device, {})
    finding = judge_device(device, DeviceUse(device.id, vram_total=2 << 30, vram_used=1 << 30), rows)
    assert finding.grade == "note" and "NOT used: NVIDIA H200 has no video encoder" in finding.what
    assert "1.0 of 2.0 GiB" in finding.what
    assert [(row.used, row.why) for row in rows] == [(False, device.none_because)]


def test_a_long_name_leaves_the_column_narrow(capsys: pytest.CaptureFixture[str]) -> None:
    device = "nvidia:GPU-190c280b-d79d-d893-c095-c6ac645aeac3"
    print_findings([Finding("Python", "good", "3.11.2"), Finding(device, "note", "NOT used", "a fix")])
    python, *others = capsys.readouterr().out.splitlines()
    at = python.index("3.11.2")
    assert [others[0].split()[1], others[1][at:], others[2][at:]] == [device, "NOT used", "a fix"]


def test_a_fault_that_can_be_mended_is_bad() -> None:
    device = gpu(none_because="it does not answer: GPU is lost", broken=True)
    assert judge_device(device, None, judge_encoders(device, {})).grade == "bad"


def test_the_first_that_works_is_used() -> None:
    device = Device("software", "software", "CPU", False, "software", CHOICES)
    failed = TrialResult(False, EncoderFault.MISSING, "there is no x264enc")
    trials = {(choice.codec, choice.entry): OK for choice in CHOICES} | {(Codec.H264, "x264"): failed}
    rows = {row.entry: row for row in judge_encoders(device, trials)}
    assert (rows["x264"].used, rows["openh264"].used) == (False, True)
    assert rows["x264"].hint == "sudo apt-get install gstreamer1.0-plugins-ugly"
    assert (rows["aom"].used, rows["svtav1"].used, rows["svtav1"].works) == (True, False, True)
    assert "aom comes first" in rows["svtav1"].why
    assert "h264" in judge_device(device, None, tuple(rows.values())).what


@pytest.mark.parametrize(
    ("fault", "grade", "fix"),
    [
        (EncoderFault.CLIENT_KEY, "bad", "end other programs"),
        (EncoderFault.VERSION, "bad", "newer"),
        (EncoderFault.HUNG, "bad", "dmesg"),
        (EncoderFault.MISSING, "bad", "libnvidia-encode"),
        (EncoderFault.UNSUPPORTED, "note", "another device"),
    ],
)
def test_a_gpu_whose_encoders_all_fail(fault: EncoderFault, grade: str, fix: str) -> None:
    device = gpu()
    rows = judge_encoders(device, {(Codec.H264, NVENC.entry): TrialResult(False, fault, "it did not open", "code 21")})
    finding = judge_device(device, None, rows)
    assert finding.grade == grade and fix in (finding.hint or "") and "it did not open: code 21" in finding.what


def test_a_gpu_that_is_fully_in_use_is_well() -> None:
    device = gpu()
    full = TrialResult(False, EncoderFault.CLIENT_KEY, "the driver gives no more sessions")
    rows = judge_encoders(device, {(Codec.H264, NVENC.entry): full})
    assert judge_device(device, DeviceUse(device.id, session_count=8), rows).grade == "note"
    assert judge_device(device, DeviceUse(device.id, session_count=0), rows).grade == "bad"


def test_encoders_that_were_not_tried_are_no_fault() -> None:
    device = gpu()
    (row,) = judge_encoders(device, {})
    assert row == EncoderRow(device.id, "h264", "nvcodec-h264", False, "not tried")
    assert judge_device(device, None, (row,)).grade == "note"


def test_caps_and_their_origin() -> None:
    cards = [gpu("nvidia:GPU-1", session_cap=8), gpu("nvidia:GPU-2", session_cap=8), gpu("nvidia:T4", pool="nvidia:T4")]
    uses = {
        "nvidia:GPU-1": DeviceUse("nvidia:GPU-1", (OpenSession(7, "obs"),), 1),
        "nvidia:GPU-2": DeviceUse("nvidia:GPU-2", (OpenSession(None), OpenSession(9)), 2),
    }
    shared, own = judge_caps(cards, uses, {})
    assert shared.what.startswith("8 by the table of drivers (580.1)") and "3 taken now (obs pid 7" in shared.what
    assert "no limit is documented" in own.what and "not known" in own.what
    full, _, nobody = judge_caps(cards, uses, {"geforce": 3, "geforec": 5})
    assert full.what.startswith("3 by the config") and full.grade == "note" and "End one" in (full.hint or "")
    assert nobody.thing == "Sessions geforec" and nobody.grade == "note"
