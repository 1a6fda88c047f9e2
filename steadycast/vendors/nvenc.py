"""What is known about NVIDIA's encoders without asking: chips that have none, names, fatal Xids. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from steadycast.model import Codec
from steadycast.vendors.protocol import EncoderChoice
from steadycast.vendors.table import Row, named, of_codec

FAMILY = "nvcodec"  # its rows in the table of encoders

# GA100, GH100, GB100 and GB200 have decoders only, and so have the smallest chips (GP108, GM108, GK208, TU117 as MX).
# Sources: developer.nvidia.com/video-encode-decode-support-matrix; an H200 (driver 580) has no session to give
# although NVML tells an encoder capacity of 100.
_WITHOUT = (
    (r"\b(A100X?|A30X?|A800)\b|CMP 170HX", "GA100"),
    (r"\b(H100|H200|H800|H20|GH200)\b", "GH100"),
    (r"\b(B100|B200|B300|GB200|GB300)\b", "Blackwell for data centres"),
    (r"\bGT 10[13]0\b|\bMX[1-5]\d0\b|\b9[123]0M[X]?\b|\bP5[02]0\b", "small chip"),
)

# What NVIDIA's catalogue (docs.nvidia.com/deploy/xid-errors) answers with a reset of the GPU or a reboot: 48 double bit
# ECC, 62 PMU halt, 64 row remapping failed, 74 NVLink, 79 fallen off the bus, 95 uncontained ECC, 119 GSP timeout,
# 120 GSP error, 140 unrecovered ECC, 143 initialisation. Not among them: 63 (a row was remapped) and 94 (contained:
# only the program that used the memory ends).
FATAL_XIDS = frozenset({48, 62, 64, 74, 79, 95, 119, 120, 140, 143})
_XIDS = {
    13: "graphics engine exception of a program",
    31: "memory page fault of a program",
    43: "the GPU stopped a program's channel",
    45: "a program's channel was removed, often after it was killed",
    47: "video encoder 0 failed",
    48: "double bit ECC error",
    62: "power management unit halted",
    63: "memory row remapped",
    64: "memory row could not be remapped",
    65: "video encoder 1 failed",
    73: "video encoder 2 failed",
    74: "NVLink error",
    79: "the GPU has fallen off the bus",
    94: "contained ECC error",
    95: "uncontained ECC error",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor failed",
    140: "unrecovered ECC error",
    143: "the GPU could not be initialised",
}


def no_encoder(name: str) -> str | None:
    """Why a GPU of this name cannot encode; None: it can, or its name is not known and a trial must tell."""
    for pattern, chip in _WITHOUT:
        if re.search(pattern, name):
            return f"{name} has no video encoder (NVENC): {chip}"
    return None


def xid_text(xid: int) -> str:
    """What an Xid means, for a person."""
    return f"Xid {xid}: {_XIDS.get(xid, 'see docs.nvidia.com/deploy/xid-errors')}"


def choices(number: int | None, is_first: bool) -> tuple[EncoderChoice, ...]:
    """Ways to encode of a GPU with this CUDA device number; None: CUDA does not show it, so there are none.

    GStreamer gives the plain names to the first GPU that has an encoder for the codec, and `nvh264device1enc` to others
    (gst-plugins-bad, sys/nvcodec). `nvautogpu...` takes device 0 for pictures in system memory.
    """
    if number is None:
        return ()
    node = "" if is_first else f"device{number}"
    rows = [row for codec in Codec for row in of_codec(codec, FAMILY)]
    return tuple(EncoderChoice(row.codec, row.entry, _elements(row, node, number)) for row in rows)


def _elements(row: Row, node: str, number: int) -> tuple[str, ...]:
    names = [name for name in row.elements if "{node}" in name or number == 0]
    return named(tuple(names), node)


def cuda_numbers(uuids: Sequence[str], visible: str | None) -> dict[str, int]:
    """CUDA's device numbers by UUID, for `uuids` in the order of the bus (CUDA_DEVICE_ORDER=PCI_BUS_ID).

    `visible` is CUDA_VISIBLE_DEVICES: numbers or beginnings of UUIDs; what follows the first wrong one does not count
    (CUDA C++ Programming Guide, environment variables). Without it all are visible.
    """
    if visible is None:
        return {uuid: number for number, uuid in enumerate(uuids)}
    found: dict[str, int] = {}
    for word in visible.split(","):
        uuid = _named(word.strip(), uuids)
        if uuid is None or uuid in found:
            break
        found[uuid] = len(found)
    return found


def _named(word: str, uuids: Sequence[str]) -> str | None:
    if word.isdecimal():
        return uuids[int(word)] if int(word) < len(uuids) else None
    fitting = [uuid for uuid in uuids if word.startswith("GPU-") and uuid.startswith(word)]
    return fitting[0] if len(fitting) == 1 else None
