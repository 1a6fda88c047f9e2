"""Windows and macOS readers over recorded counters and outputs, and fakes of our own call interfaces."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from steadycast.model import Measured, Resource
from steadycast.tracking.probes import windows
from steadycast.tracking.probes.macos import MacReader, Usage, accelerators, footprint
from steadycast.tracking.probes.windows import VideoMemory, WindowsError, WindowsReader, instance

LUID = "luid_0x00000000_0x0000D1C4_phys_0"
ADAPTER = LUID.lower()


@dataclass
class RecordedWindows:
    """Implements WindowsCalls. `fails` holds codes by the name of the call."""

    values: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    fails: dict[str, int] = field(default_factory=dict)

    def counters(self, path: str) -> Sequence[tuple[str, float]]:
        self._check("counters")
        return self.values.get(path, [])

    def private_bytes(self, pid: int) -> int:
        self._check("private_bytes")
        return 500 + pid

    def working_set(self, pid: int) -> int:
        return 300

    def handles(self, pid: int) -> int:
        self._check("handles")
        return 40

    def gui_handles(self, pid: int) -> tuple[int, int]:
        return 2, 3

    def threads(self, pid: int) -> int:
        return 7

    def own_video_memory(self) -> Sequence[VideoMemory]:
        self._check("own")
        return [VideoMemory(ADAPTER, 8 << 30, 1 << 30), VideoMemory("software", 0, 0)]

    def _check(self, name: str) -> None:
        if name in self.fails:
            raise WindowsError(self.fails[name], f"{name} failed with {self.fails[name]}")


def recorded() -> RecordedWindows:
    """Two processes on one adapter."""
    return RecordedWindows({
        windows.DEDICATED: [(f"pid_100_{LUID}", 1000.0), (f"pid_200_{LUID}", 50.0), ("_total", 1050.0)],
        windows.SHARED: [(f"pid_100_{LUID}", 10.0)],
        windows.ENGINES: [
            (f"pid_100_{LUID}_eng_0_engtype_3D", 30.0),
            (f"pid_100_{LUID}_eng_5_engtype_VideoEncode", 40.0),
            (f"pid_100_{LUID}_eng_6_engtype_VideoEncode", 20.0),
            (f"pid_100_{LUID}_eng_1_engtype_Copy", 5.0),
        ],
        windows.ADAPTER_DEDICATED: [(LUID, 1100.0), ("odd", 1.0)],
        windows.ADAPTER_SHARED: [(LUID, 20.0)],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"pid_4242_{LUID}", (4242, ADAPTER, None)),
        (f"pid_4242_{LUID}_eng_3_engtype_VideoEncode", (4242, ADAPTER, "VideoEncode")),
        (f"pid_4242_{LUID}_eng_3_engtype_Compute_0", (4242, ADAPTER, "Compute_0")),
        (f"pid_4242_{LUID}#1", (4242, ADAPTER, None)),
        ("_Total", None),
        ("pid_x_luid_0x0_0x0_phys_0", None),
    ],
)
def test_instances_of_counters(name: str, expected: tuple[int, str, str | None] | None) -> None:
    found = instance(name)
    assert (None if found is None else (found.pid, found.adapter, found.engine)) == expected


def test_a_process_on_windows() -> None:
    reader = WindowsReader(recorded())
    assert reader.process(100).unknown[Resource.VRAM] == "not read yet"
    reader.refresh()
    values = reader.process(100).values
    assert values[Measured(Resource.VRAM, ADAPTER)] == 1000
    assert values[Measured(Resource.SHARED_VRAM, ADAPTER)] == 10
    assert values[Measured(Resource.ENCODER_BUSY, ADAPTER)] == pytest.approx(0.6)
    assert values[Measured(Resource.GPU_BUSY, ADAPTER)] == pytest.approx(0.3)
    assert values[Measured(Resource.PRIVATE)] == 600
    assert (values[Measured(Resource.HANDLES)], values[Measured(Resource.HANDLES, "gdi")]) == (45, 2)
    (use,) = reader.devices()
    assert (use.device, use.vram_used, use.shared_used) == (ADAPTER, 1100, 20)
    assert use.memory_by_pid == {100: 1000, 200: 50}
    (bound,) = reader.own_bounds()
    assert (bound.limit, bound.used) == (8 << 30, 1 << 30)


def test_what_windows_does_not_tell_has_a_reason() -> None:
    calls = recorded()
    calls.fails = {"counters": 0xC0000BB8, "handles": windows.DENIED_CODE, "own": 1}
    reader = WindowsReader(calls)
    reader.refresh()
    reading = reader.process(100)
    assert "performance counters" in reading.unknown[Resource.VRAM]
    assert "administrator" in reading.unknown[Resource.HANDLES]
    assert reading.values[Measured(Resource.PRIVATE)] == 600
    assert Resource.PRIVATE not in reading.unknown
    assert reader.own_bounds() == ()
    with pytest.raises(OSError, match="performance counters"):
        reader.devices()
    calls.fails = {"private_bytes": windows.GONE_CODE}
    with pytest.raises(ProcessLookupError):
        reader.process(100)


FOOTPRINT = json.dumps({
    "bytes per unit": 1024,
    "processes": [{
        "name": "server", "pid": 70, "footprint": 900,
        "categories": {
            "MALLOC_SMALL": {"dirty": 500, "swapped": 20, "clean": 1, "regions": 4},
            "IOAccelerator (graphics)": {"dirty": 300, "swapped": 0},
            "IOSurface": {"dirty": 80},
        },
    }],
}).encode()  # fmt: skip
IOREG = plistlib.dumps([
    {
        "IOClass": "AGXAcceleratorG13X",
        "PerformanceStatistics": {
            "Device Utilization %": 37, "In use system memory": 123_456_789, "Alloc system memory": 987_654_321,
            "recoveryCount": 0,
        },
    },
    {
        "IOClass": "AMDRadeonX6000_AmdNavi21GraphicsAccelerator", "VRAM,totalMB": 16_384,
        "PerformanceStatistics": {"Device Utilization %": 101, "vramUsedBytes": 4096},
    },
    {"IOClass": "odd"},
])  # fmt: skip


@dataclass
class RecordedMac:
    """Implements MacCalls; `fails` is raised by whatever reads a process."""

    fails: OSError | None = None
    text: bytes = FOOTPRINT

    def usage(self, pid: int) -> Usage:
        self._check()
        return Usage(footprint=900, resident=1000, wired=1)

    def descriptors(self, pid: int) -> Sequence[int]:
        self._check()
        return [1, 1, 2, 5, 99]

    def threads(self, pid: int) -> int:
        return 6

    def footprint(self, pid: int) -> bytes:
        return self.text

    def gpus(self) -> bytes:
        return IOREG

    def _check(self) -> None:
        if self.fails is not None:
            raise self.fails


def test_a_process_on_macos() -> None:
    values = MacReader(RecordedMac()).process(70, parts=True).values
    assert values[Measured(Resource.PRIVATE)] == 900
    assert values[Measured(Resource.DESCRIPTORS)] == 5
    assert values[Measured(Resource.DESCRIPTORS, "file")] == 2
    assert values[Measured(Resource.SHARED_VRAM, "IOAccelerator")] == 300 * 1024
    assert values[Measured(Resource.SHARED_VRAM)] == 380 * 1024


def test_gpus_of_a_mac() -> None:
    apple, amd = MacReader(RecordedMac()).devices()
    assert (apple.device, apple.shared_used, apple.vram_used) == ("apple:AGXAcceleratorG13X", 123_456_789, None)
    assert apple.gpu_utilisation == pytest.approx(0.37)
    assert (amd.vram_used, amd.vram_total, amd.gpu_utilisation) == (4096, 16_384 << 20, 1.0)
    assert accelerators(b"") == []
    with pytest.raises(OSError, match="no property list"):
        accelerators(b"ioreg: error")


def test_what_macos_does_not_tell_has_a_reason() -> None:
    reading = MacReader(RecordedMac(PermissionError(1, "Operation not permitted"))).process(70)
    assert "not ours to read" in reading.unknown[Resource.PRIVATE]
    assert "not ours to read" in reading.unknown[Resource.DESCRIPTORS]
    with pytest.raises(ProcessLookupError):
        MacReader(RecordedMac(ProcessLookupError(3, "No such process"))).process(70)
    for text in (b"{", b"[]", b'{"processes": []}', b'{"processes": [{"pid": 70}]}'):
        with pytest.raises(ValueError, match=r"shape|Expecting"):
            footprint(text, 70)
        assert Resource.SHARED_VRAM in MacReader(RecordedMac(text=text)).process(70, parts=True).unknown
