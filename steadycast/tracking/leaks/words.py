"""Findings in plain words: amounts, durations, what is measured, and the one line that says it all."""

from __future__ import annotations

from pathlib import PurePosixPath

from steadycast.model.findings import Exhaustion, Rate, Shape
from steadycast.model.series import Measured, Owner, Resource, Unit, unit_of
from steadycast.tracking.probes.finder import INTERPRETERS

_NOUNS = {
    Resource.PRIVATE: "private memory", Resource.PSS: "memory (PSS)", Resource.USS: "private memory",
    Resource.RSS: "resident memory", Resource.IN_USE: "memory in use", Resource.RETAINED: "memory the allocator keeps",
    Resource.PYTHON: "Python blocks", Resource.DESCRIPTORS: "descriptors", Resource.THREADS: "threads",
    Resource.CHILDREN: "child processes", Resource.ZOMBIES: "zombie processes", Resource.OBJECTS: "live objects",
    Resource.SOCKETS: "sockets", Resource.FILES: "files that nobody accounts for", Resource.DISPLAYS: "displays",
    Resource.DMABUF: "dma-buf memory", Resource.VRAM: "GPU memory", Resource.SHARED_VRAM: "shared GPU memory",
    Resource.BAR1: "BAR1 memory", Resource.ENCODER_SESSIONS: "encoder sessions", Resource.GPU_BUSY: "GPU load",
    Resource.ENCODER_BUSY: "encoder load", Resource.CGROUP: "memory of its cgroup",
    Resource.PRESSURE: "memory pressure", Resource.MEMFD: "memory in memfds",
    Resource.HANDLES: "handles", Resource.POOL: "pooled things", Resource.QUEUE: "queued things", Resource.OTHER: "it",
}  # fmt: skip
_SIZES = ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"))
_TIMES = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))


def noun(measured: Measured) -> str:
    """`descriptors (socket)`, `GPU memory`."""
    word = _NOUNS.get(measured.resource, measured.resource.value)
    return f"{word} ({measured.detail})" if measured.detail else word


def amount(value: float, unit: Unit) -> str:
    """`1.0`, `1,024`, `64.5 KiB`."""
    if unit is Unit.BYTES:
        for size, name in _SIZES:
            if abs(value) >= size:
                return f"{value / size:,.1f} {name}"
        return f"{value:,.0f} bytes"
    if unit is Unit.RATIO:
        return f"{100 * value:.0f} %"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 0.1 else f"{value:.2g}"


def whole(value: float, unit: Unit) -> str:
    """A count without a fraction."""
    return f"{value:,.0f}" if unit is Unit.COUNT else amount(value, unit)


def duration(seconds: float) -> str:
    """`6 days`, `1 hour`; less than a minute and a half is `a minute`."""
    for size, name in _TIMES:
        count = round(seconds / size)
        if count >= (2 if size > 60 else 1) or (size == 3600 and seconds >= 3600):
            return f"{count:,} {name}{'s' if count != 1 else ''}"
    return "a minute"


def who(owner: Owner) -> str:
    """`ffmpeg (pid 4711)`."""
    command = (owner.about.command or "").split()
    role = owner.role.rsplit("/", 1)[-1]
    name = PurePosixPath(command[0]).name if command and ":" not in role else role
    name = role if name.rstrip("0123456789.") in INTERPRETERS else name
    return f"{name} (pid {owner.pid})" if owner.pid is not None else name


def limit_line(exhaustion: Exhaustion, unit: Unit) -> str:
    """When it ends."""
    return (
        f"the limit of {whole(exhaustion.of, unit)} ({exhaustion.limit}) is met in about {duration(exhaustion.seconds)}"
    )


def headline(
    owner: Owner,
    measured: Measured,
    shape: Shape,
    grown: float | None,
    rates: tuple[Rate | None, str | None, Rate | None],
    exhaustion: Exhaustion | None,
) -> str:
    """One line for a person. `rates`: a cycle, the kind of cycle, an hour."""
    unit, name = unit_of(measured.resource), noun(measured)
    of = name if unit is not Unit.BYTES else f"of {name}"
    a_cycle, kind, an_hour = rates
    so_far = f", {whole(grown, unit)} so far" if grown is not None else ""
    if shape is Shape.FOREIGN:
        line = f"{who(owner)}: {whole(grown or 0, unit)} {name}"
    elif shape is Shape.EXHAUSTION:
        line = f"{who(owner)} is near the limit of its {name}"
    elif shape is Shape.RATCHET:
        line = f"{who(owner)} keeps {whole(grown or 0, unit)} of freed memory after bursts; none is lost"
    elif a_cycle is not None and kind is not None:
        line = f"{who(owner)} loses {amount(a_cycle.value, unit)} {of} each {kind}{so_far}"
    elif an_hour is not None:
        line = f"{who(owner)} grows by {amount(an_hour.value, unit)} {of} an hour{so_far}"
    else:
        line = f"{who(owner)} holds ever more {name}{so_far}"
    return line if exhaustion is None else f"{line}; {limit_line(exhaustion, unit)}"
