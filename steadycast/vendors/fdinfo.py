"""Who has video memory of a DRM device: /proc/*/fdinfo (kernel: Documentation/gpu/drm-usage-stats.rst).

Only what this user may read is seen, and a driver that prints no memory keys (i915 before 6.8) tells nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# About 10 ms for 3,000 descriptors; a machine with more than these is looked at in part.
PROCESSES = 8192
DESCRIPTORS = 32_768
_INFO_BYTES = 8192
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# Memory of the device itself: amdgpu, xe (one or two tiles), i915 with a card of its own.
_REGIONS = ("vram", "vram0", "vram1", "local0")
# Memory of the system that the device reaches.
_SYSTEM = ("gtt", "system", "system0")
_ENCODERS = ("enc", "video", "vcs")  # amdgpu, i915, xe: how their engines that encode begin; i915's decode too
# One spelling is used for a client, the first that it has; `memory` is amdgpu's older word for `resident`.
_SPELLINGS = ("resident", "memory", "total")


def vram_by_pid(root: Path = Path("/")) -> dict[str, dict[int, int]]:
    """Bytes by process for each PCI address. A client that several descriptors or processes share counts once, for the
    process with the lowest pid."""
    found: dict[str, dict[int, int]] = {}
    seen: set[tuple[str, str]] = set()
    for pid, text in _infos(root / "proc"):
        keys = parsed(text.splitlines())
        address, client, size = keys.get("drm-pdev", ""), keys.get("drm-client-id", ""), vram_of(keys)
        if not address or size is None or (address, client) in seen:
            continue
        seen.add((address, client))
        pids = found.setdefault(address, {})
        pids[pid] = pids.get(pid, 0) + size
    return found


def parsed(lines: Iterable[str]) -> dict[str, str]:
    """The `drm-` keys of one fdinfo."""
    rows = (line.partition(":") for line in lines if line.startswith("drm-"))
    return {key.strip(): value.strip() for key, _, value in rows}


def vram_of(keys: dict[str, str]) -> int | None:
    """Bytes of video memory of one client; None where its driver does not tell."""
    return _memory(keys, _REGIONS)


def shared_of(keys: dict[str, str]) -> int | None:
    """Bytes of system memory that one client has for the device."""
    return _memory(keys, _SYSTEM)


@dataclass(frozen=True, slots=True)
class Engine:
    """Work of one client on one kind of engine so far: nanoseconds, or cycles of `total` cycles (xe). `capacity` is the
    number of such engines."""

    used: int
    total: int | None
    capacity: int
    encodes: bool


def engines_of(keys: dict[str, str]) -> dict[str, Engine]:
    """Engines of one client by name."""
    found = {}
    for key, value in keys.items():
        beginning = next((one for one in ("drm-engine-", "drm-cycles-") if key.startswith(one)), None)
        name = key[len(beginning or "") :]
        number = value.partition(" ")[0]
        if beginning is None or name.startswith("capacity-") or not number.isdecimal():
            continue
        total, capacity = keys.get(f"drm-total-cycles-{name}", ""), keys.get(f"drm-engine-capacity-{name}", "")
        found[name] = Engine(
            used=int(number),
            total=int(total) if total.isdecimal() else None,
            capacity=int(capacity) if capacity.isdecimal() and int(capacity) else 1,
            encodes=name.startswith(_ENCODERS) and name != "video-enhance",
        )
    return found


def _memory(keys: dict[str, str], regions: Iterable[str]) -> int | None:
    for spelling in _SPELLINGS:
        values = [keys[key] for region in regions if (key := f"drm-{spelling}-{region}") in keys]
        sizes = [size for value in values if (size := _bytes(value)) is not None]
        if sizes:
            return sum(sizes)
    return None


def _bytes(value: str) -> int | None:
    number, _, unit = value.partition(" ")
    scale = _UNITS.get(unit.strip())
    return int(number) * scale if number.isdecimal() and scale is not None else None


def _infos(proc: Path) -> Iterator[tuple[int, str]]:
    """Fdinfo of all descriptors that are open on /dev/dri."""
    pids = sorted(int(name) for name in _names(proc) if name.isdecimal())
    left = DESCRIPTORS
    for pid in pids[:PROCESSES]:
        names = _names(proc / str(pid) / "fd")[:left]
        left -= len(names)
        for name in names:
            try:
                if os.readlink(proc / str(pid) / "fd" / name).startswith("/dev/dri/"):  # noqa: PTH115 - three times faster
                    with (proc / str(pid) / "fdinfo" / name).open(errors="replace") as file:
                        yield pid, file.read(_INFO_BYTES)
            except OSError:
                continue  # closed meanwhile, or another user's


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are wanted, and this is done for every process
    except OSError:
        return []
