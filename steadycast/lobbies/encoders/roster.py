"""Which devices there are, as their vendors last said, and how each vendor does."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from steadycast.vendors.protocol import Device, DeviceFault, DeviceUse, VendorReport, VendorState

DEVICES = 64


@dataclass(frozen=True, slots=True)
class Known:
    """A device. `use` is how much of it is used, None where its vendor does not answer now; `last` is the last that
    was known, also of memory that was not measured this time. `gone` says that its vendor does not find it any more,
    and that it is shown because something is lent."""

    device: Device
    state: VendorState
    use: DeviceUse | None
    last: DeviceUse | None
    why: str | None = None
    hint: str | None = None
    gone: bool = False

    @property
    def quarantined(self) -> str | None:
        """Why it gets no new work, as far as its vendor is concerned."""
        if self.gone:
            return f"{self.device.name} is not found any more"
        if self.state is VendorState.WORKS:
            return None
        said = {VendorState.HUNG: "its driver does not answer", VendorState.FAILS: "its driver answers with errors"}
        return f"{said.get(self.state, 'it is not there')}{f': {self.why}' if self.why else ''}"


class Roster:
    """The devices by id, in the order of the vendors."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self.reports: tuple[VendorReport, ...] = ()
        self.looks = 0

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def get(self, device: str) -> Known | None:
        return self._known.get(device)

    @property
    def devices(self) -> tuple[Device, ...]:
        """Those that their vendors still know."""
        return tuple(known.device for known in self._known.values() if not known.gone)

    def of_pool(self, pool: str) -> tuple[Known, ...]:
        return tuple(known for known in self._known.values() if known.device.pool == pool)

    def usage(self, pid: int) -> tuple[int | None, int | None]:
        """VRAM (bytes) and encoder sessions of a process on all devices, as the last look showed them; None where no
        device tells."""
        vram: int | None = None
        sessions: int | None = None
        for known in tuple(self._known.values()):
            if known.use is None or not known.device.hardware:
                continue
            if known.use.memory_by_pid is not None:
                vram = (vram or 0) + known.use.memory_by_pid.get(pid, 0)
            if known.use.sessions is not None:
                sessions = (sessions or 0) + sum(session.pid == pid for session in known.use.sessions)
        return vram, sessions

    def look(self, reports: tuple[VendorReport, ...], lent: Collection[str]) -> tuple[tuple[str, DeviceFault], ...]:
        """Take in a look. `lent` are devices that something runs on. Answers with new faults by device."""
        self.reports, before = reports, self._known
        self.looks += 1
        found: dict[str, Known] = {}
        faults: list[tuple[str, DeviceFault]] = []
        for report in reports:
            for known in _known(report):
                if len(found) < DEVICES:
                    found.setdefault(known.device.id, _remembering(known, before.get(known.device.id)))
                    faults += [(known.device.id, fault) for fault in (known.use.faults if known.use else ())]
        for id, known in before.items():
            if id not in found and id in lent:
                found[id] = Known(known.device, known.state, None, known.last, known.why, known.hint, gone=True)
        self._known = found
        return tuple(faults)


def _known(report: VendorReport) -> tuple[Known, ...]:
    """Devices of one vendor; none where it finds nothing here any more."""
    if report.look is None or report.state in (VendorState.OFF, VendorState.ABSENT):
        return ()
    uses = {use.device: use for use in report.look.uses}
    works = report.state is VendorState.WORKS
    return tuple(
        Known(
            device,
            report.state,
            uses.get(device.id) if works else None,
            uses.get(device.id),
            device.none_because or report.why,
            device.hint or report.hint,
        )
        for device in report.look.devices
    )


def _remembering(known: Known, before: Known | None) -> Known:
    """A figure that is missing this time is what it was: it must not look as if there were no limit."""
    last, earlier = known.last, None if before is None else before.last
    if earlier is None:
        return known
    if last is None:
        return replace(known, last=earlier)
    if last.vram_total is None or last.vram_used is None:
        total, used, reserved = earlier.vram_total, earlier.vram_used, earlier.vram_reserved
        by_pid = earlier.memory_by_pid
        last = replace(last, vram_total=total, vram_used=used, vram_reserved=reserved, memory_by_pid=by_pid)
    if last.bar1_total is None or last.bar1_used is None:
        last = replace(last, bar1_total=earlier.bar1_total, bar1_used=earlier.bar1_used)
    return replace(known, last=last)
