"""What processes and GPUs hold on macOS: the physical footprint (what the system ends processes by), its graphics
parts, descriptors by kind, threads; and each GPU as a whole by ioreg.

NOT RUN ON REAL HARDWARE: tested on recorded outputs through a small interface of our own (`MacCalls`). No per-process
figure of a GPU exists: on Apple silicon its memory is in the footprint as IOAccelerator and IOSurface. Costs are not
measured; `footprint` is a program of its own and takes tens of milliseconds.
"""

from __future__ import annotations

import ctypes
import json
import plistlib
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from xml.parsers.expat import ExpatError

from steadycast.model import Resource
from steadycast.tracking.probes.reading import GONE, Reading
from steadycast.vendors.protocol import DeviceUse

NOT_RUN = "not run on real hardware"
PROGRAM_S = 5.0
GPUS = ("ioreg", "-r", "-d", "1", "-w", "0", "-a", "-c", "IOAccelerator")
# Parts of a footprint that are memory of graphics.
_GRAPHICS = ("IOAccelerator", "IOSurface", "IOKit", "CoreMedia", "CVPixelBuffer")
# sys/proc_info.h, PROX_FDTYPE_*.
_KINDS = {1: "file", 2: "socket", 3: "shm", 4: "semaphore", 5: "kqueue", 6: "pipe", 7: "fsevents", 10: "channel"}


@dataclass(frozen=True, slots=True)
class Usage:
    """proc_pid_rusage (RUSAGE_INFO_V4): bytes."""

    footprint: int
    resident: int
    wired: int


class MacCalls(Protocol):
    """The calls that are needed, with plain values. Each may raise OSError; ProcessLookupError: there is none."""

    def usage(self, pid: int) -> Usage:
        """Memory of a process of this user."""

    def descriptors(self, pid: int) -> Sequence[int]:
        """The kind of each open descriptor, as PROX_FDTYPE_*."""

    def threads(self, pid: int) -> int:
        """How many there are."""

    def footprint(self, pid: int) -> bytes:
        """What `footprint -j` wrote for a process."""

    def gpus(self) -> bytes:
        """What `ioreg -a` printed of IOAccelerator."""


class MacReader:
    """Of whichever process is asked for."""

    def __init__(self, calls: MacCalls) -> None:
        self._calls = calls

    def process(self, pid: int, *, parts: bool = False) -> Reading:
        """Of one process. `parts`: also what its footprint is made of, by a program that takes its time. Raises
        ProcessLookupError where there is none."""
        reading = Reading()
        try:
            usage = self._calls.usage(pid)
            reading.put(Resource.PRIVATE, usage.footprint)
            reading.put(Resource.RSS, usage.resident)
        except ProcessLookupError:
            raise ProcessLookupError(GONE) from None
        except OSError as error:
            reading.miss(_why("proc_pid_rusage", error), Resource.PRIVATE, Resource.RSS)
        try:
            kinds = Counter(_KINDS.get(kind, "other") for kind in self._calls.descriptors(pid))
            reading.split(Resource.DESCRIPTORS, dict(kinds))
            reading.put(Resource.THREADS, self._calls.threads(pid))
        except OSError as error:
            reading.miss(_why("proc_pidinfo", error), Resource.DESCRIPTORS, Resource.THREADS)
        if parts:
            self._parts(pid, reading)
        return reading

    def devices(self) -> tuple[DeviceUse, ...]:
        """GPUs as a whole. Raises OSError where ioreg does not answer."""
        return tuple(accelerators(self._calls.gpus()))

    def _parts(self, pid: int, reading: Reading) -> None:
        try:
            found = graphics(footprint(self._calls.footprint(pid), pid))
        except (OSError, ValueError) as error:
            reading.miss(f"footprint: {error}", Resource.SHARED_VRAM)
            return
        reading.split(Resource.SHARED_VRAM, found)


def accelerators(text: bytes) -> list[DeviceUse]:
    """From the property list of ioreg. Memory of Intel's and AMD's cards is VRAM, that of Apple's is the system's."""
    try:
        entries = plistlib.loads(text) if text.strip() else []
    except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
        raise OSError(f"ioreg printed no property list: {error}") from None
    found = []
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        values = entry.get("PerformanceStatistics") if isinstance(entry, dict) else None
        if not isinstance(values, dict):
            continue
        busy = _number(values, "Device Utilization %")
        total = _number(entry, "VRAM,totalMB")
        found.append(
            DeviceUse(
                f"apple:{entry.get('IOClass') or entry.get('CFBundleIdentifier') or number}",
                vram_total=None if total is None else total << 20,
                vram_used=_number(values, "vramUsedBytes", "VRAM In Use Bytes"),
                shared_used=_number(values, "In use system memory"),
                shared_total=_number(values, "Alloc system memory"),
                gpu_utilisation=None if busy is None else min(busy, 100) / 100,
            )
        )
    return found


def footprint(text: bytes, pid: int) -> Mapping[str, int]:
    """Bytes by category of one process, dirty and swapped. Raises ValueError where it has another shape."""
    try:
        whole = json.loads(text)
        scale = int(whole.get("bytes per unit", 1))
        process = next(one for one in whole["processes"] if one["pid"] == pid)
        categories: dict[str, dict[str, int]] = process["categories"]
        return {
            name: (int(sizes.get("dirty", 0)) + int(sizes.get("swapped", 0))) * scale
            for name, sizes in categories.items()
        }
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(f"its output has another shape ({type(error).__name__}: {error})") from None


def graphics(categories: Mapping[str, int]) -> dict[str, float]:
    """The categories that are memory of graphics, by their first word."""
    found: Counter[str] = Counter()
    for name, size in categories.items():
        word = name.split(" ")[0]
        if word.startswith(_GRAPHICS):
            found[word] += size
    return {name: float(size) for name, size in found.items()}


def _number(values: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if isinstance(values.get(name), int):
            return int(values[name])
    return None


def _why(what: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{what}: not ours to read; run as its user, or as root"
    return f"{what}: {error.strerror or error}"


class LibprocCalls:
    """Implements MacCalls by libproc and the programs of the system."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)

    def usage(self, pid: int) -> Usage:
        # rusage_info_v4: a UUID, then numbers: user, system, 2 wakeups, pageins, wired, resident, footprint, ...
        buffer = (ctypes.c_uint64 * 64)()
        if self._lib.proc_pid_rusage(pid, 4, ctypes.byref(buffer)) != 0:
            raise OSError(ctypes.get_errno(), "proc_pid_rusage")
        return Usage(footprint=buffer[9], resident=buffer[8], wired=buffer[7])

    def descriptors(self, pid: int) -> Sequence[int]:
        buffer = (ctypes.c_uint32 * (2 * 65_536))()  # proc_fdinfo: number, kind
        size = self._info(pid, 1, buffer)  # PROC_PIDLISTFDS
        return [buffer[2 * number + 1] for number in range(size // 8)]

    def threads(self, pid: int) -> int:
        buffer = (ctypes.c_int32 * 24)()  # proc_taskinfo: 6 numbers of 64 bits, then 12 of 32; the tenth is threads
        self._info(pid, 4, buffer)  # PROC_PIDTASKINFO
        return int(buffer[21])

    def footprint(self, pid: int) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "footprint.json"
            _program(("footprint", "-j", str(path), "-p", str(pid)))
            return path.read_bytes()

    def gpus(self) -> bytes:
        return _program(GPUS)

    def _info(self, pid: int, flavour: int, buffer: Any) -> int:
        size = self._lib.proc_pidinfo(pid, flavour, ctypes.c_uint64(0), ctypes.byref(buffer), ctypes.sizeof(buffer))
        if size <= 0:
            raise OSError(ctypes.get_errno(), "proc_pidinfo")
        return int(size)


def _program(words: Sequence[str]) -> bytes:
    try:
        return subprocess.run(words, capture_output=True, timeout=PROGRAM_S, check=True).stdout
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise OSError(f"{words[0]}: {error}") from None
