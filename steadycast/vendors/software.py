"""The CPU as a device: the software encoders that GStreamer may have. Whether one works is found out by a trial."""

from __future__ import annotations

import platform
from pathlib import Path

from steadycast.vendors.protocol import Device, EncoderChoice, VendorLook
from steadycast.vendors.table import ROWS

CHOICES = tuple(EncoderChoice(row.codec, row.entry, row.elements) for row in ROWS if not row.hardware)
_NAMES = ("model name", "Model", "Hardware", "cpu model")  # x86; Arm boards; older Arm; MIPS
_HEAD_BYTES = 65_536


class SoftwareVendor:
    """Always there."""

    name = "software"

    def __init__(self, root: Path = Path("/")) -> None:
        self._device = Device(
            id="software", vendor="software", name=cpu_name(root), hardware=False, pool="software", choices=CHOICES
        )

    def look(self) -> VendorLook | None:
        """One device. What it does is counted by leases, not here."""
        return VendorLook((self._device,))

    def close(self) -> None:
        """It holds nothing."""


def cpu_name(root: Path = Path("/")) -> str:
    """What /proc/cpuinfo calls this CPU; the machine's architecture where it says nothing."""
    try:
        with (root / "proc/cpuinfo").open(errors="replace") as file:
            text = file.read(_HEAD_BYTES)
    except OSError:
        text = ""
    rows = (line.partition(":") for line in text.splitlines())
    values = {key.strip(): value.strip()[:100] for key, _, value in rows}
    name = next((values[key] for key in _NAMES if values.get(key)), None)
    return name or f"CPU ({platform.machine() or 'unknown'})"
