"""What is true of a worker and its device when its log says something, for who weighs what that means."""

from __future__ import annotations

from collections.abc import Sequence

from steadycast.lobbies.device_views import DeviceView
from steadycast.model import Measured, Resource
from steadycast.tracking import proc
from steadycast.tracking.probes.sampler import Sample
from steadycast.tracking.signatures import Facts

FRESH_S, OLD_S = 60.0, 600.0  # younger is new, older had worked before; between them nobody knows
_ORIGINS = {"configured": "config", "learned": "measured", "table": "driver table"}


def facts_of(sample: Sample, devices: Sequence[DeviceView] = ()) -> Facts:
    """What was measured last; `devices` as the lobbies know them."""
    values = sample.look.values
    bounds = {bound.measured.resource: bound for bound in sample.bounds}
    vram, files, memory = (bounds.get(one) for one in (Resource.VRAM, Resource.DESCRIPTORS, Resource.CGROUP))
    descriptors = values.get(Measured(Resource.DESCRIPTORS))
    device = _device(sample, devices)
    sessions = None if device is None else _sessions(device, devices)
    bar1 = None if device is None or device.bar1_total is None else device.bar1_used
    return Facts(
        at=sample.look.at,
        pid=sample.look.owner.pid,
        descriptors=None if descriptors is None else int(descriptors),
        descriptor_limit=None if files is None else int(files.limit),
        vram_free=None if vram is None else int(vram.limit - vram.used),
        vram_total=None if vram is None else int(vram.limit),
        bar1_free=None if bar1 is None or device is None else (device.bar1_total or 0) - bar1,
        bar1_total=None if bar1 is None or device is None else device.bar1_total,
        sessions=sessions,
        session_cap=None if device is None else device.sessions_limit,
        cap_source=None if device is None else _ORIGINS.get(device.sessions_limit_origin or ""),
        memory_free=None if memory is None else int(memory.limit - memory.used),
        memory_total=None if memory is None else int(memory.limit),
        fresh=_fresh(sample.look.owner.pid),
    )


def _device(sample: Sample, devices: Sequence[DeviceView]) -> DeviceView | None:
    """The one it holds memory or a session of; else the only one there is."""
    hardware = [one for one in devices if one.hardware]
    held = {one.detail for one in sample.look.values if one.resource in (Resource.VRAM, Resource.ENCODER_SESSIONS)}
    mine = [one for one in hardware if one.id in held]
    chosen = mine or hardware
    return chosen[0] if len(chosen) == 1 else None


def _sessions(device: DeviceView, devices: Sequence[DeviceView]) -> int | None:
    """Open in its pool, as the driver counts them, at least those that are lent; None where nobody counts."""
    pool = [one for one in devices if one.hardware and one.pool == device.pool]
    if all(one.sessions_seen is None for one in pool):
        return sum(one.sessions_lent for one in pool) or None
    return sum(max(one.sessions_seen or 0, one.sessions_lent) for one in pool)


def _fresh(pid: int | None) -> bool | None:
    started = None if pid is None else proc.start_time(pid)
    if started is None:
        return None
    age = proc.age(started)
    return True if age < FRESH_S else False if age > OLD_S else None
