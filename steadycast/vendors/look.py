"""What sysfs and /proc show of this machine's GPUs. It opens no device and never raises; unknown is None."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# PCI vendor ids (pci-ids.ucw.cz).
_VENDORS = {"0x10de": "NVIDIA", "0x8086": "Intel", "0x1002": "AMD", "0x1af4": "virtio", "0x15ad": "VMware"}
GPUS = 64


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU: `vendor` for people, `model` as its driver names it, `node` in /dev/dri, the kernel's `driver`."""

    address: str | None  # PCI address
    vendor: str | None
    model: str | None = None
    node: str | None = None
    driver: str | None = None

    def text(self) -> str:
        """For a person."""
        name = self.model or " ".join(
            filter(None, (self.vendor or "unknown vendor", self.driver and f"({self.driver})"))
        )
        return f"{name} at {self.node}" if self.node else name


def find_gpus(root: Path = Path("/")) -> tuple[Gpu, ...]:
    """GPUs with a render node, and those that NVIDIA's driver lists. At most `GPUS`."""
    found = {gpu.address or str(number): gpu for number, gpu in enumerate(render_nodes(root))}
    for gpu in _nvidia(root):
        there = found.get(gpu.address or "")
        found[gpu.address or ""] = gpu if there is None else Gpu(gpu.address, "NVIDIA", gpu.model, there.node, "nvidia")
    return tuple(found.values())[:GPUS]


def render_nodes(root: Path = Path("/")) -> tuple[Gpu, ...]:
    """GPUs with a render node, by its number. At most `GPUS`."""
    entries = [entry for entry in _entries(root / "sys/class/drm") if entry.name.startswith("renderD")]
    return tuple(map(_render_node, entries[:GPUS]))


def device_folder(gpu: Gpu, root: Path = Path("/")) -> Path:
    """The device of a render node in sysfs."""
    return root / "sys/class/drm" / Path(gpu.node or "").name / "device"


def read(path: Path) -> str | None:
    """A short file, without the white space at its ends; None where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def _render_node(entry: Path) -> Gpu:
    device = entry / "device"
    vendor = read(device / "vendor")
    try:
        address, driver = device.resolve().name, (device / "driver").resolve().name
    except OSError:
        address = driver = ""
    is_pci = address.count(":") == 2
    known = _VENDORS.get(vendor or "", vendor)
    driver_name = driver if driver and driver != "driver" else None
    model = read(device / "product_name") or None  # amdgpu has it
    return Gpu(address.lower() if is_pci else None, known, model, f"/dev/dri/{entry.name}", driver_name)


def _nvidia(root: Path) -> Iterator[Gpu]:
    for entry in _entries(root / "proc/driver/nvidia/gpus"):
        lines = (read(entry / "information") or "").splitlines()
        values = dict(line.split(":", 1) for line in lines if ":" in line)
        yield Gpu(entry.name.lower(), "NVIDIA", values.get("Model", "").strip() or None, None, "nvidia")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
