"""Which GPUs this machine shows, by looking at /dev and /sys alone: nothing is opened and no driver is woken."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

# PCI vendor ids (pcisig.com).
_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU as this machine shows it. `usable`: this user may open `node`."""

    vendor: str
    node: str
    usable: bool


def look(root: Path = Path("/")) -> tuple[Device, ...]:
    """GPUs by their device nodes, empty where there are none."""
    nvidia = [node for node in _nodes(root / "dev") if re.fullmatch(r"nvidia\d+", node.name)]
    found = [_device(root, node, "nvidia") for node in nvidia]
    for node in _nodes(root / "dev/dri"):
        if not node.name.startswith("renderD"):
            continue
        vendor = _vendor(root / f"sys/class/drm/{node.name}/device/vendor")
        if vendor == "nvidia" and nvidia:
            continue  # the same card, told already
        found.append(_device(root, node, vendor))
    return tuple(found)


def _nodes(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _vendor(path: Path) -> str:
    try:
        return _VENDORS.get(path.read_text().strip(), "unknown")
    except OSError:
        return "unknown"


def _device(root: Path, node: Path, vendor: str) -> Device:
    return Device(vendor, f"/{node.relative_to(root)}", os.access(node, os.R_OK | os.W_OK))
