"""Which vendors there are: those built in, and those of third parties by entry point. Nothing is imported for one that
is off, and a third party's code is first touched within a look, where it may raise or hang."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from steadycast.config.encoder_settings import SimulatedSettings, VendorsSettings
from steadycast.vendors.attendance import Attended
from steadycast.vendors.nvidia import NvidiaVendor
from steadycast.vendors.protocol import Vendor, VendorError, VendorLook
from steadycast.vendors.software import SoftwareVendor
from steadycast.vendors.va import VaVendor

GROUP = "steadycast.vendors"
DEADLINE_S = 2.0  # of a third party that has no `deadline_s` in its table
PLUGINS = 32
BUILT_IN = ("nvidia", "va", "software", "simulated")

Table = Mapping[str, Any]


def find_vendors(settings: VendorsSettings, runtime: Path) -> tuple[Attended, ...]:
    """All vendors, the built-in ones first. `runtime` is the host's runtime folder, for the simulated one."""
    nvidia, va, simulated = settings.nvidia, settings.va, settings.simulated
    return (
        Attended("nvidia", NvidiaVendor() if nvidia.enabled else None, nvidia.deadline_s),
        Attended("va", VaVendor() if va.enabled else None, va.deadline_s),
        Attended("software", SoftwareVendor(), DEADLINE_S),
        Attended("simulated", _simulated(simulated, runtime) if simulated.enabled else None, simulated.deadline_s),
        *plugins(settings.others, tuple(entry_points(group=GROUP))),
    )


def plugins(tables: Mapping[str, Table], points: tuple[EntryPoint, ...]) -> tuple[Attended, ...]:
    """Vendors of third parties. Names are those of the entry points; a name that is taken becomes a vendor that says
    so, and so does a table of the config that no plug-in answers to."""
    found: dict[str, Attended] = {}
    for point in points[:PLUGINS]:
        table = tables.get(point.name, {})
        if point.name in BUILT_IN or point.name in found:
            name = f"{point.name}@{point.value}"
            why = f"the plug-in {point.value} calls itself {point.name!r}, and that name is taken"
            found[name] = Attended(name, Broken(name, why, "Remove one of the two packages."), DEADLINE_S)
            continue
        vendor = PluginVendor(point.name, point.load, table) if table.get("enabled", True) else None
        found[point.name] = Attended(point.name, vendor, deadline_of(table))
    for name in sorted(set(tables) - set(found)):
        why = f"no installed package offers the vendor {name!r} (entry point group {GROUP})"
        found[name] = Attended(name, Broken(name, why, f"Install it, or remove [vendors.others.{name}]."), DEADLINE_S)
    return tuple(found.values())


def deadline_of(table: Table) -> float:
    """`deadline_s` of a third party's table, in seconds, where it is a sensible number."""
    value = table.get("deadline_s")
    return float(value) if isinstance(value, int | float) and 0 < value <= 60 else DEADLINE_S


def _simulated(settings: SimulatedSettings, runtime: Path) -> Vendor:
    from steadycast.vendors.simulated.vendor import SimulatedVendor

    return SimulatedVendor(settings, runtime)


class Broken:
    """Stands for a vendor that cannot be had: every look says why."""

    def __init__(self, name: str, why: str, hint: str | None = None) -> None:
        self.name = name
        self._why = why
        self._hint = hint

    def look(self) -> VendorLook | None:
        raise VendorError(self._why, self._hint)

    def close(self) -> None:
        """It holds nothing."""


class PluginVendor:
    """A third party's vendor, made at the first look. Made once: one that could not be made stays so until a restart,
    since importing a broken module again every two seconds mends nothing."""

    def __init__(self, name: str, load: Callable[[], Any], table: Table) -> None:
        self.name = name
        self._load = load
        self._table = table
        self._vendor: Vendor | None = None

    def look(self) -> VendorLook | None:
        """What the plug-in says; whatever it raises goes on to the attendance."""
        if self._vendor is None:
            self._vendor = self._made()
        return self._vendor.look()

    def close(self) -> None:
        """Lets the plug-in let go, if it was made."""
        if self._vendor is not None:
            self._vendor.close()

    def _made(self) -> Vendor:
        hint = "Mend or remove its package and start the host again."
        try:
            vendor: Vendor = self._load()(dict(self._table))
            name = vendor.name
        except Exception as error:  # noqa: BLE001 - somebody else's code: told at every look, logged by the attendance
            return Broken(self.name, f"the plug-in cannot be used: {type(error).__name__}: {error}", hint)
        if name != self.name:
            return Broken(self.name, f"the plug-in {self.name!r} made a vendor that calls itself {name!r}", hint)
        return vendor
