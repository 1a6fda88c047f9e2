"""NVIDIA's GPUs as recorded NVML answers show them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import Codec
from steadycast.vendors.geforce import table_cap
from steadycast.vendors.nvenc import cuda_numbers, no_encoder
from steadycast.vendors.nvidia import NvidiaVendor, memory_by_pid
from steadycast.vendors.nvidia_files import look_at_files
from steadycast.vendors.nvml import NvmlError
from steadycast.vendors.pids import HostPids
from steadycast.vendors.protocol import DeviceFault, VendorError, VendorLook
from tests.support.machine_tree import library, nvidia_card, nvidia_driver, pid_namespace, process
from tests.support.recorded_nvml import LOST, MIB, RecordedNvml, geforce, h200, mig, t4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    nvidia_driver(tmp_path)
    pid_namespace(tmp_path)
    process(tmp_path, 4242, "obs", {3: "/dev/nvidia0"})
    return tmp_path


def look(vendor: NvidiaVendor) -> VendorLook:
    found = vendor.look()
    assert found is not None
    return found


def test_a_geforce_and_who_encodes_on_it(root: Path) -> None:
    found = look(NvidiaVendor(root, RecordedNvml(geforce()).open, None))
    (device,), (use,) = found.devices, found.uses
    assert device.id == "nvidia:GPU-6d3f0000-0000-0000-0000-000000000000"
    assert (device.pool, device.session_cap, device.driver) == ("geforce", 8, "580.159.04")
    assert (device.node, device.none_because, device.opens_alone) == ("/dev/nvidia0", None, True)
    h264 = next(choice for choice in device.choices if choice.codec is Codec.H264)
    assert h264.elements[0] == "nvh264enc"
    assert use.sessions is not None and use.session_count == 2
    mine, foreign = use.sessions
    assert (mine.pid, mine.name, mine.codec, mine.width, mine.fps) == (4242, "obs", Codec.H264, 1920, 60)
    assert (foreign.pid, foreign.name, foreign.fps) == (None, None, None)  # not seen from here
    assert use.busy_by_pid == {4242: (0.3, 1.0)}  # drivers tell more than all of an encoder
    assert use.memory_by_pid == {4242: 310 * MIB}  # in two lists: the larger figure, not the sum
    assert (use.encoder_utilisation, use.gpu_utilisation) == (0.37, 1.0)
    assert (use.vram_total, use.vram_used) == (12_288 * MIB, 1500 * MIB)


def test_a_pid_of_the_host_may_be_somebody_else_in_a_container(tmp_path: Path) -> None:
    pid_namespace(tmp_path, "pid:[4026532633]")
    process(tmp_path, 7, "encoder", {3: "/dev/nvidia0"})
    process(tmp_path, 8, "postgres", {3: "socket:[1]"})
    pids = HostPids(tmp_path, "/dev/nvidia")
    assert [pids.local(pid) for pid in (7, 8, 9, 0)] == [7, None, None, None]
    assert memory_by_pid([(7, 5), (8, 5)], pids) == {7: 5}
    assert memory_by_pid([(8, 5)], pids) is None  # somebody uses some, and nobody knows who
    assert memory_by_pid([], pids) == {}


def test_a_chip_without_an_encoder_is_said_so(root: Path) -> None:
    found = look(NvidiaVendor(root, RecordedNvml(h200()).open, None))
    (device,) = found.devices
    assert device.none_because is not None and "no video encoder" in device.none_because and device.hint
    assert (device.pool, device.session_cap) == (device.id, None)
    assert found.uses[0].session_count == 0 and found.uses[0].vram_total == 143_771 * MIB


def test_the_first_gpu_with_an_encoder_has_the_plain_names(root: Path) -> None:
    found = look(NvidiaVendor(root, RecordedNvml(h200(), geforce(1), t4()).open, None))
    names = {device.name: device.choices[0].elements for device in found.devices}
    assert names["NVIDIA GeForce RTX 3060"] == ("nvh264enc", "nvcudah264enc")
    assert names["Tesla T4"] == ("nvh264device2enc", "nvcudah264device2enc")


def test_a_partitioned_gpu_tells_no_sessions(root: Path) -> None:
    (use,) = look(NvidiaVendor(root, RecordedNvml(mig()).open, None)).uses
    assert (use.sessions, use.session_count, use.encoder_utilisation) == (None, None, None)
    assert use.vram_total == 97_887 * MIB


@pytest.mark.parametrize("call", ["identity", "memory", "sessions", "processes"])
def test_a_lost_gpu_takes_nothing_else_away(root: Path, call: str) -> None:
    nvml = RecordedNvml(geforce(0), geforce(1))
    vendor = NvidiaVendor(root, nvml.open, None)
    before = look(vendor).devices
    nvml.gpus[0].fails[call] = LOST
    found = look(vendor)
    assert [device.id for device in found.devices] == [device.id for device in before]
    assert [bool(device.none_because) for device in found.devices] == [True, False]
    assert "lost" in (found.devices[0].none_because or "") and "reset" in (found.devices[0].hint or "")
    assert (found.uses[0].vram_total, found.uses[0].session_count) == (None, None)
    assert found.uses[1].session_count == 2
    nvml.gpus[0].fails.clear()
    assert look(vendor).devices == before


def test_one_value_that_is_not_told_is_unknown(root: Path) -> None:
    gpu = geforce()
    gpu.fails = {name: NvmlError(3, "Not Supported") for name in ("memory", "bar1", "sessions", "processes")}
    (use,) = look(NvidiaVendor(root, RecordedNvml(gpu).open, None)).uses
    assert (use.vram_total, use.bar1_used, use.session_count, use.memory_by_pid) == (None, None, None, None)
    assert use.gpu_utilisation == 1.0


@pytest.mark.parametrize(
    ("code", "hint"), [(9, "modprobe"), (18, "upgraded under a running system"), (15, "reboot"), (999, None)]
)
def test_nvml_that_fails_and_comes_back(root: Path, code: int, hint: str | None) -> None:
    nvidia_card(root, "0000:01:00.0", "nvidia")
    nvml = RecordedNvml(geforce())
    vendor = NvidiaVendor(root, nvml.open, None)
    look(vendor)
    nvml.fails = NvmlError(code, "what the driver said")
    for _ in range(3):
        with pytest.raises(VendorError) as caught:
            vendor.look()
        assert "what the driver said" in caught.value.what
        assert hint is None or hint in (caught.value.hint or "")
    assert nvml.closed == 1  # given back, so that a new driver can be loaded
    nvml.fails = None
    assert len(look(vendor).devices) == 1 and nvml.opened == 2


def test_nvml_is_not_asked_where_that_would_leave_a_node(tmp_path: Path) -> None:
    nvml = RecordedNvml(geforce())
    vendor = NvidiaVendor(tmp_path, nvml.open, None)
    assert vendor.look() is None
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()  # left behind by somebody else's look
    assert vendor.look() is None
    nvidia_card(tmp_path, "0000:02:00.0", "vfio-pci")  # given to a virtual machine
    assert vendor.look() is None
    nvidia_card(tmp_path, "0000:01:00.0")
    with pytest.raises(VendorError, match=r"0000:01:00\.0.*not loaded"):
        vendor.look()
    assert nvml.opened == 0


def test_nothing_without_the_library(root: Path) -> None:
    assert NvidiaVendor(root, lambda: None, None).look() is None


def test_faults_are_told_once(root: Path) -> None:
    nvml = RecordedNvml(geforce(0), geforce(1))
    vendor = NvidiaVendor(root, nvml.open, None)
    nvml.events = [(1, 79), (1, 43), (None, 13)]
    uses = look(vendor).uses
    assert uses[0].faults == ()
    assert [(fault.code, fault.fatal) for fault in uses[1].faults] == [("xid.79", True), ("xid.43", False)]
    assert isinstance(uses[1].faults[0], DeviceFault) and "fallen off the bus" in uses[1].faults[0].what
    assert look(vendor).uses[1].faults == ()


def test_hidden_from_cuda(root: Path) -> None:
    vendor = NvidiaVendor(root, RecordedNvml(geforce(0), geforce(1)).open, "1")
    hidden, seen = look(vendor).devices
    assert "CUDA_VISIBLE_DEVICES" in (hidden.none_because or "") and hidden.choices == ()
    assert seen.none_because is None and seen.choices[0].elements[0] == "nvh264enc"


def test_cuda_numbers() -> None:
    uuids = ["GPU-aa", "GPU-ab", "GPU-b"]
    assert cuda_numbers(uuids, None) == {"GPU-aa": 0, "GPU-ab": 1, "GPU-b": 2}
    assert cuda_numbers(uuids, "2,0") == {"GPU-b": 0, "GPU-aa": 1}
    assert cuda_numbers(uuids, "GPU-b,GPU-a,1") == {"GPU-b": 0}  # GPU-a fits two: it ends the list
    assert cuda_numbers(uuids, "") == cuda_numbers(uuids, "-1") == {}


@given(st.lists(st.text("abGPU-", min_size=1), unique=True), st.text("0123,GPU-ab ", max_size=30))
def test_cuda_numbers_are_distinct_and_dense(uuids: list[str], visible: str) -> None:
    numbers = cuda_numbers(uuids, visible)
    assert set(numbers) <= set(uuids) and sorted(numbers.values()) == list(range(len(numbers)))


@pytest.mark.parametrize(
    ("driver", "cap"),
    [
        ("460.67", 3), ("529.99", 3), ("530.41.03", 5), ("545.23", 5), ("550.67", 8), ("580.159.04", 8),
        ("590.48", 8), ("591.44", 12), ("616.56", 12), ("", None), ("unknown", None), (None, None),
    ],
)  # fmt: skip
def test_the_table_of_caps(driver: str | None, cap: int | None) -> None:
    assert table_cap(driver) == cap


@given(st.text(max_size=20))
def test_any_version_has_a_cap_or_none(driver: str) -> None:
    assert table_cap(driver) in (None, 3, 5, 8, 12)


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA A100-SXM4-80GB", "NVIDIA A30", "NVIDIA A800 80GB PCIe", "NVIDIA H100 80GB HBM3", "NVIDIA H200",
        "NVIDIA H800", "NVIDIA GH200 480GB", "NVIDIA B200", "NVIDIA GB200", "NVIDIA GeForce GT 1030",
        "NVIDIA GeForce MX450", "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
    ],
)  # fmt: skip
def test_chips_without_an_encoder(name: str) -> None:
    assert no_encoder(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "Tesla T4", "NVIDIA A10", "NVIDIA A16", "NVIDIA A40", "NVIDIA L4", "NVIDIA L40S", "Tesla V100-SXM2-16GB",
        "NVIDIA GeForce GTX 1650", "NVIDIA GeForce RTX 3090", "NVIDIA RTX A2000", "NVIDIA RTX PRO 6000 Blackwell",
        "NVIDIA A2", "NVIDIA Graphics Device",
    ],
)  # fmt: skip
def test_all_others_are_left_to_a_trial(name: str) -> None:
    assert no_encoder(name) is None


def test_files(tmp_path: Path) -> None:
    nothing = look_at_files(tmp_path)
    assert not nothing.answers and (nothing.driver, nothing.nodes, nothing.nvml, nothing.cards) == (False, (), None, ())
    nvidia_driver(tmp_path, 2)
    library(tmp_path, "libnvidia-ml.so.1")
    (tmp_path / ".dockerenv").touch()
    found = look_at_files(tmp_path)
    assert found.answers and found.nodes == ("/dev/nvidia0", "/dev/nvidia1") and found.container
    assert found.nvml is not None and found.encode is None
