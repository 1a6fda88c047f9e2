"""One option of admission: whether a device would do for a request now, and if not, why. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.leases import cost
from steadycast.leases.decisions import Denial, DeviceFacts, EncodeRequest, Snapshot, Step
from steadycast.leases.encoder_memory import in_hardware, in_software

SOFTWARE = "software"


@dataclass(frozen=True, slots=True)
class Option:
    """A device that was looked at. `code` None: it would do. `never`: not even later, as things are; `waiting_helps`:
    it may do when somebody ends. `gives_up`: devices with an idle encoder, one of which has to be closed first.
    `absent`: it is not made for this."""

    device: str
    pool: str
    code: Denial | None
    why: str
    never: bool = False
    waiting_helps: bool = False
    gives_up: tuple[str, ...] = ()
    absent: bool = False

    @property
    def step(self) -> Step:
        """For the trail."""
        return Step(self.device, "ok" if self.code is None else self.code, self.why)


def hardware(request: EncodeRequest, snapshot: Snapshot, pinned: DeviceFacts | None) -> tuple[Option, ...]:
    """All hardware devices that the request may use, the least loaded for its weight first, ties by id."""
    devices = [device for device in snapshot.devices if device.hardware and (pinned is None or device is pinned)]
    devices.sort(key=lambda device: (_load(device, request), device.id))
    return tuple(_look(request, snapshot, device) for device in devices)


def video_memory(request: EncodeRequest) -> int:
    """Bytes that it is expected to take at most."""
    return in_hardware(request.codec, request.width, request.height, request.references).total


def hardware_takes(request: EncodeRequest, option: Option) -> dict[str, float]:
    """What is reserved for it, by quota."""
    return {
        f"sessions:{option.pool}": 1.0,
        f"vram:{option.device}": float(video_memory(request)),
        f"bar1:{option.device}": float(cost.bar1_bytes()),
    }


def software_takes(request: EncodeRequest, snapshot: Snapshot) -> dict[str, float]:
    """What is reserved for it, by quota."""
    return {"cpu": _cpu(request, snapshot)}


def software(request: EncodeRequest, snapshot: Snapshot) -> Option:
    """The CPU."""
    devices = [device for device in snapshot.devices if not device.hardware]
    devices.sort(key=lambda device: (request.codec not in device.codecs, device.id != SOFTWARE, device.id))
    name = devices[0].id if devices else SOFTWARE

    def no(code: Denial, why: str, never: bool = False) -> Option:
        return Option(name, name, code, why, never)

    if request.codec not in snapshot.software_codecs:
        doubt = devices[0].doubts.get(request.codec) if devices else None
        known = f"No software encoder for {request.codec} is known to work here"
        return no(Denial.NO_ENCODER, f"{known}: {doubt}." if doubt else f"{known}.", never=True)
    if name in request.refused:
        return no(Denial.DRIVER_REFUSED, f"{name} failed for this request already.")
    if devices and devices[0].quarantined is not None:
        return no(Denial.GPU_QUARANTINED, f"{name} gets no new work: {devices[0].quarantined}")
    if short := _descriptors(request, snapshot, cost.SOFTWARE_DESCRIPTORS):
        return no(Denial.DESCRIPTORS, short)
    if (short := _own_memory(request)) is not None:
        return no(Denial.MEMORY, short)
    needs = _cpu(request, snapshot)
    size = f"{request.codec} at {request.width}x{request.height}, {request.fps:g} frames a second, needs {_mega(needs)}"
    if needs > snapshot.cpu_total:
        return no(
            Denial.CPU_BUDGET, f"{size}; all software encoders together may use {_mega(snapshot.cpu_total)}.", True
        )
    if needs > snapshot.cpu_free:
        return no(Denial.CPU_BUDGET, f"{size}; {_mega(snapshot.cpu_free)} of {_mega(snapshot.cpu_total)} are free.")
    return Option(name, name, None, f"{size}; {_mega(snapshot.cpu_free)} are free.")


def _look(request: EncodeRequest, snapshot: Snapshot, device: DeviceFacts) -> Option:
    """The first thing that is in the way, or nothing."""

    def no(code: Denial, why: str, *, never: bool = False, waiting_helps: bool = False, absent: bool = False) -> Option:
        return Option(device.id, device.pool, code, f"{device.name}: {why}", never, waiting_helps, absent=absent)

    if device.none_because is not None:
        return no(Denial.NO_ENCODER, device.none_because, never=True, absent=True)
    if request.codec not in device.codecs:
        doubt = device.doubts.get(request.codec)
        unknown = f"{request.codec}: {doubt or 'nothing is known of an encoder for it'}"
        return no(Denial.NO_ENCODER, unknown, never=True, absent=doubt is None)
    if device.quarantined is not None:
        return no(Denial.GPU_QUARANTINED, device.quarantined, waiting_helps=True)
    if device.id in request.refused and device.refused_because is not None:
        return no(Denial.DRIVER_REFUSED, f"it failed this request: {device.refused_because}", waiting_helps=True)
    if (why := _sessions(snapshot, device)) is not None:
        zero = device.sessions_limit == 0
        return no(Denial.ENCODER_SESSIONS, why, never=zero, waiting_helps=not zero)
    if (why := _memory(request, snapshot, device)) is not None:
        return no(Denial.VRAM, why, waiting_helps=True)
    if device.id in request.refused:
        return no(Denial.DRIVER_REFUSED, "it refused or failed this request already.", waiting_helps=True)
    if short := _descriptors(request, snapshot, cost.HARDWARE_DESCRIPTORS):
        return no(Denial.DESCRIPTORS, short)
    return _free(request, snapshot, device)


def _free(request: EncodeRequest, snapshot: Snapshot, device: DeviceFacts) -> Option:
    gives_up: tuple[str, ...] = ()
    if _short_of_sessions(device, _ahead(snapshot, device)):
        gives_up = _parked_in_pool(snapshot, device)
    elif _memory_why(request, device) is not None:
        gives_up = (device.id,)
    sessions = "no session cap is known" if device.sessions_free is None else f"sessions free: {device.sessions_free}"
    parked = ", an idle encoder is given up" if gives_up else ""
    why = f"{device.name}: {sessions}{parked}, load {_mega(device.load)}, weight {device.weight:g}."
    return Option(device.id, device.pool, None, why, gives_up=gives_up)


def _sessions(snapshot: Snapshot, device: DeviceFacts) -> str | None:
    """Why there is no session for a newcomer: those in the line come first."""
    ahead_here = _ahead(snapshot, device)
    if not _short_of_sessions(device, ahead_here - len(_parked_in_pool(snapshot, device))):
        return None
    if device.sessions_limit == 0:
        return "its session cap is 0."
    free, limit = max(0, device.sessions_free or 0), device.sessions_limit
    many = "" if limit is None else f"{limit} "
    pool = "" if device.pool == device.id else f" of the pool {device.pool}"
    what = f"{free} of {many}encoder sessions{pool} free" if free else f"all {many}encoder sessions{pool} are taken"
    foreign = f", {device.sessions_foreign} of them by other programs" if device.sessions_foreign and not free else ""
    ahead = f"; {ahead_here} in the line before this one" if ahead_here else ""
    return f"{what}{foreign}{ahead}."


def _short_of_sessions(device: DeviceFacts, ahead: int) -> bool:
    return device.sessions_free is not None and device.sessions_free - ahead < 1


def _ahead(snapshot: Snapshot, device: DeviceFacts) -> int:
    return snapshot.ahead_in.get(device.pool, snapshot.ahead)


def _parked_in_pool(snapshot: Snapshot, device: DeviceFacts) -> tuple[str, ...]:
    """The devices of the idle encoders in this pool, one for each encoder, the device itself first."""
    if not snapshot.parked:
        return ()
    pool = sorted((d.id for d in snapshot.devices if d.pool == device.pool), key=lambda name: (name != device.id, name))
    return tuple(name for name in pool for _ in range(snapshot.parked.get(name, 0)))


def _memory(request: EncodeRequest, snapshot: Snapshot, device: DeviceFacts) -> str | None:
    """Why memory is short, unless an idle encoder of the device can be given up: how much that frees is known when
    it is closed."""
    return None if snapshot.parked.get(device.id, 0) > 0 else _memory_why(request, device)


def _memory_why(request: EncodeRequest, device: DeviceFacts) -> str | None:
    needs = video_memory(request)
    if device.vram_free is not None and needs > device.vram_free:
        return f"{_mib(device.vram_free)} of video memory are free, {_mib(needs)} are needed."
    if device.bar1_free is not None and cost.bar1_bytes() > device.bar1_free:
        return f"{_mib(device.bar1_free)} of BAR1 are free, {_mib(cost.bar1_bytes())} are needed."
    return None


def _own_memory(request: EncodeRequest) -> str | None:
    """Why there is too little main memory for a software encoder; None also where nobody knows how much there is."""
    needs = in_software(request.codec, request.width, request.height, request.references, request.kbps)
    total, words = needs.total, f"it may take {needs.words()}"
    if request.memory_seen is not None:
        total, words = request.memory_seen, f"such encoders took {_mib(request.memory_seen)}"
    if request.memory_free is None or total <= request.memory_free:
        return None
    return f"{_mib(request.memory_free)} of memory are free beside what is kept back, and {words}."


def _descriptors(request: EncodeRequest, snapshot: Snapshot, needs: int) -> str | None:
    free = request.descriptors_free
    if free is None or free - snapshot.descriptors_reserve >= needs:
        return None
    return f"Its process has {free} descriptors free; {needs} are needed and {snapshot.descriptors_reserve} kept back."


def _cpu(request: EncodeRequest, snapshot: Snapshot) -> float:
    return cost.cpu_pixels(request.codec, request.pixels_per_s, snapshot.cpu_factors)


def _load(device: DeviceFacts, request: EncodeRequest) -> float:
    return (device.load + request.pixels_per_s) / device.weight if device.weight > 0 else float("inf")


def _mega(pixels: float) -> str:
    return f"{pixels / 1e6:.1f} Mpixel/s"


def _mib(size: int) -> str:
    return f"{max(0, size) / (1 << 20):.0f} MiB"
