"""What every vendor promises, whoever made it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steadycast.config.encoder_settings import SimulatedSettings
from steadycast.model import Codec
from steadycast.vendors.answers import fault_in
from steadycast.vendors.found import PluginVendor
from steadycast.vendors.nvidia import NvidiaVendor
from steadycast.vendors.protocol import Device, Vendor, VendorError, VendorLook
from steadycast.vendors.simulated.vendor import SimulatedVendor
from steadycast.vendors.software import SoftwareVendor
from steadycast.vendors.table import row
from steadycast.vendors.va import VaVendor
from tests.support.machine_tree import nvidia_driver, pid_namespace, va_machine
from tests.support.recorded_nvml import LOST, RecordedNvml, geforce, h200, mig, t4

ROUNDS = 200


def _nvidia(root: Path) -> Vendor:
    nvidia_driver(root)
    pid_namespace(root)
    lost = geforce(1)
    lost.fails["memory"] = LOST
    return NvidiaVendor(root, RecordedNvml(geforce(), lost, t4(), h200(), mig()).open, None)


def _va(root: Path) -> Vendor:
    va_machine(root)
    return VaVendor(root)


def _plugin(root: Path) -> Vendor:
    class Board:
        name = "board"

        def look(self) -> VendorLook:
            return VendorLook((Device("board:0", "board", "A board", True, "board:0"),))

        def close(self) -> None:
            pass

    return PluginVendor("board", lambda: lambda table: Board(), {})


def _simulated(root: Path) -> Vendor:
    return SimulatedVendor(SimulatedSettings(enabled=True, gpus=2), root)


MAKERS: dict[str, Callable[[Path], Vendor]] = {
    "nvidia": _nvidia,
    "va": _va,
    "software": lambda root: SoftwareVendor(),
    "simulated": _simulated,
    "board": _plugin,
    "nothing of nvidia": lambda root: NvidiaVendor(root),
    "nothing of va": lambda root: VaVendor(root),
}


@pytest.fixture(params=MAKERS)
def vendor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    made = MAKERS[request.param](tmp_path)
    yield made
    made.close()


def devices(vendor: Vendor) -> tuple[Device, ...]:
    look = vendor.look()
    return () if look is None else look.devices


def test_answers_make_sense(vendor: Vendor) -> None:
    assert vendor.name == vendor.name.lower()
    for _ in range(3):
        assert fault_in(vendor.name, vendor.look()) is None


def test_ids_stay(vendor: Vendor) -> None:
    first = [device.id for device in devices(vendor)]
    assert len(set(first)) == len(first)
    assert [device.id for device in devices(vendor)] == first


def test_what_is_offered_is_in_the_table(vendor: Vendor) -> None:
    for device in devices(vendor):
        for choice in device.choices:
            known = row(choice.entry)
            assert known is not None and known.codec is choice.codec and choice.codec is not Codec.OPUS
            assert choice.elements and known.hardware is device.hardware
        assert device.choices or device.none_because or device.id == "board:0"


def test_unknown_is_never_nothing(vendor: Vendor) -> None:
    """A total of 0 would be a memory that is not there."""
    look = vendor.look()
    for use in () if look is None else look.uses:
        assert use.vram_total != 0 and use.bar1_total != 0
        assert (use.vram_total is None) == (use.vram_used is None)
        if use.sessions is not None:
            assert use.session_count == len(use.sessions)


def test_it_closes_twice(vendor: Vendor) -> None:
    with contextlib.suppress(VendorError):
        vendor.look()
    vendor.close()
    vendor.close()


def test_looks_leave_nothing_behind(vendor: Vendor, tmp_path: Path) -> None:
    vendor.look()
    before = held(tmp_path)
    for _ in range(ROUNDS):
        vendor.look()
    assert held(tmp_path) == before


def held(folder: Path) -> tuple[int, int, list[str], bool]:
    """Descriptors, threads, files, and the node that a careless look at NVML makes."""
    files = sorted(str(path) for path in folder.rglob("*"))
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), files, Path("/dev/nvidiactl").exists()
