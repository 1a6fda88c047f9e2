"""GPUs of AMD and Intel by their render nodes; what is used comes from sysfs and fdinfo. NVIDIA's are another's.

DRM counts no encoder sessions, so their number is unknown here.
"""

from __future__ import annotations

import grp
import os
from collections.abc import Callable
from pathlib import Path

from steadycast.model import Codec
from steadycast.vendors.fdinfo import vram_by_pid
from steadycast.vendors.look import Gpu, device_folder, read, render_nodes
from steadycast.vendors.protocol import Device, DeviceUse, EncoderChoice, VendorLook
from steadycast.vendors.table import named, of_codec

VENDORS = ("AMD", "Intel")
# Families of the table of encoders, the best first; qsv is Intel's own way to the same hardware.
_FAMILIES = {"AMD": ("va",), "Intel": ("va", "qsv")}
_LOW_POWER = "-lp"  # rows for Intel's fixed-function encoder; from Gen12 on often the only one
# Which drivers VA encodes through. Others of these makers (radeon, vfio-pci, gma500) have no encoder to give.
_DRIVERS = ("amdgpu", "i915", "xe")

CanOpen = Callable[[Path], bool]


def may_open(node: Path) -> bool:
    """Whether this user may read and write a device node; it is not opened."""
    return os.access(node, os.R_OK | os.W_OK)


class VaVendor:
    """Looks below `root`; holds nothing open."""

    name = "va"

    def __init__(self, root: Path = Path("/"), can_open: CanOpen = may_open) -> None:
        self._root = root
        self._can_open = can_open

    def look(self) -> VendorLook | None:
        """None without a render node of AMD or Intel."""
        gpus = [gpu for gpu in render_nodes(self._root) if gpu.vendor in VENDORS]
        if not gpus:
            return None
        open_nodes = [gpu.node for gpu in gpus if self._can_open(self._path(gpu)) and gpu.driver in _DRIVERS]
        memory = vram_by_pid(self._root)
        return VendorLook(
            tuple(self._device(gpu, is_first=gpu.node == next(iter(open_nodes), None)) for gpu in gpus),
            tuple(use_of(gpu, self._root, memory.get(gpu.address or "")) for gpu in gpus),
        )

    def close(self) -> None:
        """It holds nothing."""

    def _device(self, gpu: Gpu, *, is_first: bool) -> Device:
        none_because, hint = self._obstacle(gpu)
        driver_fits = gpu.driver in _DRIVERS
        return Device(
            id=_id(gpu),
            vendor="va",
            name=gpu.model or f"{gpu.vendor} GPU ({gpu.driver or 'no driver'})",
            hardware=True,
            pool=_id(gpu),
            choices=choices(gpu.vendor or "", "" if is_first else Path(gpu.node or "").name),
            driver=gpu.driver,
            node=gpu.node,
            none_because=none_because,
            hint=hint,
            broken=none_because is not None and driver_fits,
        )

    def _obstacle(self, gpu: Gpu) -> tuple[str | None, str | None]:
        """Why it cannot encode, and what to do."""
        if gpu.driver not in _DRIVERS:
            why = f"its kernel driver {gpu.driver} has no encoder" if gpu.driver else "it has no kernel driver"
            return why, f"Video encoding by VA needs one of {', '.join(_DRIVERS)}."
        path = self._path(gpu)
        if not path.exists():
            return f"{gpu.node} is not here", container_hint(gpu.node or "")
        if not self._can_open(path):
            return f"this user may not open {gpu.node}", rights_hint(_group(path), gpu.node or "")
        return None, None

    def _path(self, gpu: Gpu) -> Path:
        return self._root / (gpu.node or "").lstrip("/")


def use_of(gpu: Gpu, root: Path = Path("/"), memory: dict[int, int] | None = None) -> DeviceUse:
    """What sysfs tells of a device (Linux: gpu/amdgpu/driver-misc.rst), and for xe the table of its memory in debugfs,
    which only root may read."""
    folder = device_folder(gpu, root)
    busy, encodes = _number(folder / "gpu_busy_percent"), _number(folder / "vcn_busy_percent")
    table = _table(root / "sys/kernel/debug/dri" / (gpu.address or "none") / "vram0_mm")
    total, used = _number(folder / "mem_info_vram_total"), _number(folder / "mem_info_vram_used")
    return DeviceUse(
        _id(gpu),
        vram_total=table.get("size") if total is None else total,
        vram_used=table.get("usage") if used is None else used,
        shared_total=_number(folder / "mem_info_gtt_total"),
        shared_used=_number(folder / "mem_info_gtt_used"),
        gpu_utilisation=None if busy is None else min(busy, 100) / 100,
        encoder_utilisation=None if encodes is None else min(encodes, 100) / 100,
        memory_by_pid=memory,
    )


def choices(maker: str, node: str) -> tuple[EncoderChoice, ...]:
    """Ways to encode. `node` is `renderD129`, and empty for the first GPU that GStreamer can open: that one has the
    plain names (gst-plugins-bad, sys/va). qsv numbers its devices otherwise, so only the first is named."""
    families = _FAMILIES.get(maker, ())[: 1 if node else None]
    rows = [row for codec in Codec for family in families for row in of_codec(codec, family)]
    return tuple(
        EncoderChoice(row.codec, row.entry, named(row.elements, node))
        for row in rows
        if maker == "Intel" or not row.entry.endswith(_LOW_POWER)
    )


def container_hint(node: str) -> str:
    """What maps a node into a container; the group's number is the host's business."""
    return f"In a container: --device {node} --group-add $(stat -c %g {node}), both as the host sees it."


def rights_hint(gid: int, node: str) -> str:
    """What gives this user the right to a node of this group. Nobody is told to join root's."""
    if gid == 0:
        return f"sudo setfacl -m u:$USER:rw {node}, or have udev give it to the group render."
    try:
        name = grp.getgrgid(gid).gr_name
    except KeyError:
        name = str(gid)
    return f"sudo usermod -aG {name} $USER, then log in again; in a container: --group-add {gid}"


def _group(path: Path) -> int:
    try:
        return path.stat().st_gid
    except OSError:
        return 0


def _id(gpu: Gpu) -> str:
    return f"va:{gpu.address or Path(gpu.node or '').name}"


def _table(path: Path) -> dict[str, int]:
    """Numbers of a manager of memory: `size: 8522825728`, `usage: 54525952`; those of its regions are left out."""
    rows = [line.split() for line in (read(path) or "").splitlines()]
    return {row[0].rstrip(":"): int(row[1]) for row in rows[:16] if len(row) == 2 and row[1].isdecimal()}


def _number(path: Path) -> int | None:
    text = read(path)
    return int(text) if text is not None and text.isdecimal() else None
