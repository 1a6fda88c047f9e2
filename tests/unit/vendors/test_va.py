"""GPUs of AMD and Intel on a made-up tree."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from steadycast.model import Codec
from steadycast.vendors.fdinfo import parsed, vram_by_pid, vram_of
from steadycast.vendors.protocol import Device
from steadycast.vendors.software import SoftwareVendor, cpu_name
from steadycast.vendors.va import VaVendor, rights_hint
from tests.support.machine_tree import render_node, va_machine


def elements(device: Device, codec: Codec) -> list[str]:
    return [name for choice in device.choices if choice.codec is codec for name in choice.elements]


def test_intel_and_amd_and_what_is_used(tmp_path: Path) -> None:
    va_machine(tmp_path)
    found = VaVendor(tmp_path).look()
    assert found is not None
    intel, amd = found.devices  # the third one is NVIDIA's
    assert (intel.id, intel.name, intel.node) == ("va:0000:00:02.0", "Intel GPU (i915)", "/dev/dri/renderD128")
    assert (amd.id, amd.name, amd.driver) == ("va:0000:03:00.0", "Radeon PRO W6600", "amdgpu")
    assert elements(intel, Codec.H264) == ["vah264enc", "vah264lpenc", "qsvh264enc"]
    assert elements(amd, Codec.H264) == ["varenderD129h264enc"]  # AMD has no low-power entry point
    assert (intel.none_because, amd.none_because) == (None, None)
    quiet, busy = found.uses
    assert (busy.vram_total, busy.vram_used, busy.gpu_utilisation) == (8_573_157_376, 1 << 30, 0.25)
    assert busy.memory_by_pid == {500: (200 << 20) + (10 << 20)}  # 501 shares a client of 500
    assert (busy.session_count, busy.sessions) == (None, None)  # DRM counts none
    assert (quiet.vram_total, quiet.gpu_utilisation, quiet.memory_by_pid) == (None, None, None)


def test_a_node_that_may_not_be_opened(tmp_path: Path) -> None:
    va_machine(tmp_path)
    found = VaVendor(tmp_path, lambda node: node.name != "renderD128").look()
    assert found is not None
    intel, amd = found.devices
    assert "may not open /dev/dri/renderD128" in (intel.none_because or "")
    assert "/dev/dri/renderD128" in (intel.hint or "") or "--group-add" in (intel.hint or "")
    assert elements(amd, Codec.H264) == ["vah264enc"]  # now it is the first that GStreamer can open


def test_the_hint_names_the_group_of_the_node() -> None:
    hint = rights_hint(54_321, "/dev/dri/renderD128")
    assert "usermod -aG 54321 " in hint and "--group-add 54321" in hint
    assert "usermod" not in rights_hint(0, "/dev/dri/renderD128")  # root's group is nobody's to join
    assert "setfacl -m u:$USER:rw /dev/dri/renderD128" in rights_hint(0, "/dev/dri/renderD128")


def test_a_container_without_the_node(tmp_path: Path) -> None:
    render_node(tmp_path, 128, "0000:03:00.0", "0x1002", "amdgpu", device=False)
    render_node(tmp_path, 129, "0000:04:00.0", "0x1002", "vfio-pci")
    found = VaVendor(tmp_path).look()
    assert found is not None
    gone, lent = found.devices
    assert "--device /dev/dri/renderD128" in (gone.hint or "")
    assert "vfio-pci has no encoder" in (lent.none_because or "")


def test_only_nvidia_is_nothing(tmp_path: Path) -> None:
    render_node(tmp_path, 128, "0000:01:00.0", "0x10de", "nvidia")
    assert VaVendor(tmp_path).look() is None
    assert vram_by_pid(tmp_path) == {}


def test_one_spelling_of_memory_counts() -> None:
    keys = parsed(["drm-resident-vram0:\t1 MiB", "drm-resident-vram1:\t2 MiB", "drm-total-vram0:\t9 MiB", "pos:\t0"])
    assert vram_of(keys) == 3 << 20
    assert vram_of({"drm-total-local0": "512"}) == 512
    assert vram_of({"drm-resident-system0": "5 KiB"}) is None
    assert vram_of({"drm-memory-vram": "5 parsec"}) is None


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    size = vram_of(parsed(text.splitlines()))
    assert size is None or size >= 0


def test_the_cpu(tmp_path: Path) -> None:
    assert cpu_name(tmp_path).startswith("CPU (")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nflags\t: fpu\n")
    found = SoftwareVendor(tmp_path).look()
    assert found is not None
    (device,) = found.devices
    assert (device.id, device.name, device.hardware) == ("software", "A CPU @ 2 GHz", False)
    assert {choice.codec for choice in device.choices} == set(Codec) - {Codec.OPUS}
