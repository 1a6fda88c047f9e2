"""Whether a vendor's answer can be believed: shapes, ids and bounds. Pure; third parties write vendors too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from steadycast.model import Codec
from steadycast.vendors.protocol import Device, DeviceFault, DeviceUse, EncoderChoice, OpenSession, VendorLook

DEVICES = 64
CHOICES = 64  # ways to encode of one device
SESSIONS = 4096  # of one device
PROCESSES = 65_536  # of one device
FAULTS = 256  # of one look
TEXT = 200  # characters of an id or a name

_COUNTS = ("session_count", "vram_total", "vram_used", "vram_reserved", "bar1_total", "bar1_used")
_SHARES = ("encoder_utilisation", "gpu_utilisation")


def fault_in(vendor: str, answer: object) -> str | None:
    """What is wrong with an answer, for a person; None: nothing."""
    if answer is None:
        return None
    if type(answer) is not VendorLook:
        return f"it answered with {_kind(answer)} where a VendorLook was expected"
    return next(_faults(vendor, answer), None)


def _faults(vendor: str, look: VendorLook) -> Iterator[str]:
    for name, rows, kind in (("devices", look.devices, Device), ("uses", look.uses, DeviceUse)):
        yield from _list_faults(name, rows, kind, DEVICES)
    seen: set[str] = set()
    for device in look.devices:
        yield from _device_faults(vendor, device)
        if device.id in seen:
            yield f"it names the device {device.id} twice"
        seen.add(device.id)
    measured: set[str] = set()
    for use in look.uses:
        if not _is_text(use.device) or use.device not in seen:
            yield f"it measured {_shown(use.device)}, which is none of its devices"
        if use.device in measured:
            yield f"it measured {use.device} twice"
        measured.add(use.device)
        yield from (f"{use.device}: {fault}" for fault in _use_faults(use))


def _device_faults(vendor: str, device: Device) -> Iterator[str]:
    if not _is_text(device.id) or not (device.id == vendor or device.id.startswith(f"{vendor}:")):
        yield f"the id {_shown(device.id)} does not begin with {vendor!r}"
    if device.vendor != vendor:
        yield f"{device.id} says that it is of {_shown(device.vendor)}"
    if not _is_text(device.name) or not _is_text(device.pool):
        yield f"{device.id} has no name or no pool"
    if not all(isinstance(flag, bool) for flag in (device.hardware, device.simulated, device.opens_alone)):
        yield f"{device.id} has a flag that is neither true nor false"
    if not _is_count(device.session_cap):
        yield f"{device.id} has the session cap {_shown(device.session_cap)}"
    texts = (device.driver, device.node, device.none_because, device.hint)
    if any(text is not None and not isinstance(text, str) for text in texts):
        yield f"{device.id} has a text that is none"
    yield from _list_faults(f"choices of {device.id}", device.choices, EncoderChoice, CHOICES)
    for choice in device.choices:
        if not isinstance(choice.codec, Codec) or not _is_text(choice.entry):
            yield f"{device.id} offers a codec that is not known: {_shown(choice.codec)}"
        yield from _list_faults(f"elements of {device.id}", choice.elements, str, CHOICES)
        if not isinstance(choice.options, Mapping):
            yield f"{device.id} has options that are no table"


def _use_faults(use: DeviceUse) -> Iterator[str]:
    for name in _COUNTS:
        if not _is_count(getattr(use, name)):
            yield f"{name} is {_shown(getattr(use, name))}, neither a count nor unknown"
    for name in _SHARES:
        value = getattr(use, name)
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            yield f"{name} is {_shown(value)}, not from 0 to 1"
    if use.sessions is not None:
        yield from _list_faults("sessions", use.sessions, OpenSession, SESSIONS)
        if not all(_is_count(session.pid) for session in use.sessions):
            yield "a session's pid is no number"
    yield from _list_faults("faults", use.faults, DeviceFault, FAULTS)
    memory = use.memory_by_pid
    if memory is not None:
        if not isinstance(memory, Mapping) or len(memory) > PROCESSES:
            yield "memory_by_pid is no table, or too large"
        elif not all(_is_number(part) for row in memory.items() for part in row):
            yield "memory_by_pid holds something that is no count"


def _list_faults(name: str, rows: object, kind: type, most: int) -> Iterator[str]:
    if not isinstance(rows, tuple):
        yield f"{name}: {_kind(rows)} where a tuple was expected"
    elif len(rows) > most:
        yield f"{name}: {len(rows)}, and at most {most} are believed"
    else:
        yield from (
            f"{name}: {_kind(row)} where a {kind.__name__} was expected" for row in rows if type(row) is not kind
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= TEXT


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_count(value: Any) -> bool:
    return value is None or _is_number(value)


def _shown(value: object) -> str:
    """Only plain values are printed: another's `__str__` may raise."""
    return repr(value)[:TEXT] if type(value) in (str, int, float, bool) else _kind(value)


def _kind(value: object) -> str:
    return type(value).__name__[:TEXT]
