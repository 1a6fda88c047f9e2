"""GPUs as sysfs and /proc show them, on made-up trees; nothing there is no error."""

from __future__ import annotations

from pathlib import Path

from steadycast.vendors.look import find_gpus


def node(root: Path, name: str, address: str, vendor: str, driver: str) -> None:
    device = root / "sys/devices/pci" / address
    device.mkdir(parents=True)
    (device / "vendor").write_text(vendor + "\n")
    (root / "sys/drivers" / driver).mkdir(parents=True, exist_ok=True)
    (device / "driver").symlink_to(root / "sys/drivers" / driver)
    (root / "sys/class/drm" / name).mkdir(parents=True)
    (root / "sys/class/drm" / name / "device").symlink_to(device)


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert find_gpus(tmp_path) == ()


def test_render_nodes_and_nvidia_are_one_list(tmp_path: Path) -> None:
    node(tmp_path, "renderD128", "0000:00:02.0", "0x8086", "i915")
    node(tmp_path, "renderD129", "0000:01:00.0", "0x10de", "nvidia")
    node(tmp_path, "card0", "0000:02:00.0", "0x1002", "amdgpu")
    for address, model in (("0000:01:00.0", "NVIDIA L4"), ("0000:03:00.0", "NVIDIA T4")):
        folder = tmp_path / "proc/driver/nvidia/gpus" / address
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ: 5\n")
    texts = [gpu.text() for gpu in find_gpus(tmp_path)]
    assert texts == ["Intel (i915) at /dev/dri/renderD128", "NVIDIA L4 at /dev/dri/renderD129", "NVIDIA T4"]


def test_unknown_stays_unknown(tmp_path: Path) -> None:
    (tmp_path / "sys/class/drm/renderD128/device").mkdir(parents=True)
    (gpu,) = find_gpus(tmp_path)
    assert gpu.vendor is None and gpu.address is None and "unknown" in gpu.text()
