"""Vendors that raise, hang and lie, and those beside them that go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from steadycast.config.encoder_settings import SimulatedSettings, VendorSettings, VendorsSettings
from steadycast.model import Codec
from steadycast.vendors.attendance import Attendance, Attended
from steadycast.vendors.found import find_vendors, plugins
from steadycast.vendors.nvidia import NvidiaVendor
from steadycast.vendors.nvml import NvmlError
from steadycast.vendors.protocol import (
    Device,
    DeviceUse,
    EncoderChoice,
    OpenSession,
    VendorError,
    VendorLook,
    VendorReport,
    VendorState,
)
from tests.support.machine_tree import nvidia_driver, pid_namespace
from tests.support.recorded_nvml import RecordedNvml, geforce

SOON_S = 0.05
SHORT_S = 1.0
LONG_S = 30.0


def device(key: str = "odd:0", **other: Any) -> Device:
    return Device(**{"id": key, "vendor": "odd", "name": "Odd", "hardware": True, "pool": key, **other})


GOOD = VendorLook((device(),))


class Odd:
    """Does what its script says at each look."""

    name = "odd"

    def __init__(self, *script: Callable[[], Any]) -> None:
        self.script = list(script)
        self.looks = 0
        self.closed = 0

    def look(self) -> Any:
        self.looks += 1
        act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return act()

    def close(self) -> None:
        self.closed += 1


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


def attend(vendor: Any, deadline_s: float = LONG_S) -> Attendance:
    return Attendance((Attended("odd", vendor, deadline_s),))


async def only(attendance: Attendance) -> VendorReport:
    (report,) = await attendance.look_all()
    return report


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no thread stays."""
    opened = threading.Event()
    yield opened
    opened.set()


async def test_states_follow_what_happens() -> None:
    vendor = Odd(
        lambda: GOOD,
        raising(VendorError("NVML: Unknown Error", "Reboot.")),
        raising(ValueError("a plug-in's own mistake")),
        lambda: None,
        lambda: GOOD,
        lambda: VendorLook(()),
    )
    attendance = attend(vendor)
    works = await only(attendance)
    assert (works.state, works.look) == (VendorState.WORKS, GOOD) and works.at is not None
    fails = await only(attendance)
    assert (fails.state, fails.why, fails.hint) == (VendorState.FAILS, "NVML: Unknown Error", "Reboot.")
    assert (fails.look, fails.at) == (GOOD, works.at)  # the last one that worked
    assert (await only(attendance)).why == "ValueError: a plug-in's own mistake"
    absent = await only(attendance)
    assert (absent.state, absent.look) == (VendorState.ABSENT, None)
    back = await only(attendance)
    assert (back.state, back.why, back.hint) == (VendorState.WORKS, None, None)
    assert (await only(attendance)).look == VendorLook(())  # all devices are gone: no more than a report
    await attendance.close()
    assert vendor.closed == 1


async def test_a_hung_vendor_costs_one_thread_and_nobody_else(gate: threading.Event) -> None:
    vendor = Odd(lambda: GOOD, lambda: gate.wait() and None, lambda: GOOD)
    well = Odd(lambda: None)
    attendance = Attendance((Attended("odd", vendor, SHORT_S), Attended("well", well, LONG_S)))
    await attendance.look_all()
    for _ in range(20):
        hung, other = await attendance.look_all()
        assert (hung.state, other.state) == (VendorState.HUNG, VendorState.ABSENT)
        assert hung.look == GOOD and hung.why is not None and hung.took_s is not None and hung.took_s > 0
    assert (vendor.looks, well.looks) == (2, 21)
    assert [thread.name for thread in threading.enumerate()].count("vendor-odd") == 1
    gate.set()
    async with asyncio.timeout(LONG_S):
        while (await attendance.look_all())[0].state is not VendorState.WORKS:
            await asyncio.sleep(0.01)
    await attendance.close()
    assert vendor.closed == 1


async def test_nvml_that_works_hangs_and_comes_back(gate: threading.Event, tmp_path: Path) -> None:
    nvidia_driver(tmp_path)
    pid_namespace(tmp_path)
    nvml = RecordedNvml(geforce(0), geforce(1))
    attendance = Attendance((Attended("nvidia", NvidiaVendor(tmp_path, nvml.open, None), SHORT_S),))
    works = await only(attendance)
    assert works.state is VendorState.WORKS and works.look is not None and len(works.look.devices) == 2
    nvml.gate = gate
    hung = await only(attendance)
    assert (hung.state, hung.look) == (VendorState.HUNG, works.look)
    nvml.gate, nvml.fails = None, NvmlError(999, "Unknown Error")
    gate.set()
    async with asyncio.timeout(LONG_S):
        while (await only(attendance)).state is VendorState.HUNG:
            await asyncio.sleep(0.01)
    failed = await only(attendance)
    assert (failed.state, failed.why, failed.look) == (VendorState.FAILS, "NVML: Unknown Error", works.look)
    nvml.fails = None
    back = await only(attendance)
    assert back.state is VendorState.WORKS and back.look == works.look
    await attendance.close()
    assert nvml.closed == nvml.opened == 2


async def test_a_hung_vendor_does_not_keep_close_waiting(gate: threading.Event) -> None:
    vendor = Odd(gate.wait)
    attendance = attend(vendor, SOON_S)
    await attendance.look_all()
    async with asyncio.timeout(LONG_S):
        await attendance.close()
    assert vendor.closed == 0  # it would be called while it is still at work
    assert (await only(attendance)).state is VendorState.HUNG  # and nobody is called any more
    assert vendor.looks == 1


async def test_those_who_ask_at_once_share_a_look() -> None:
    vendor = Odd(lambda: GOOD)
    attendance = attend(vendor)
    await asyncio.gather(*(attendance.look_all() for _ in range(50)))
    assert vendor.looks == 1
    await attendance.close()


async def test_a_plug_in_that_ends_its_thread_is_told() -> None:
    attendance = attend(Odd(raising(SystemExit(1))))
    report = await only(attendance)
    assert report.state is VendorState.FAILS and report.why == "SystemExit: 1"
    await attendance.close()


class Rude:
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


LIES: dict[str, Any] = {
    "a str": "two GPUs",
    "a list": VendorLook([device()]),  # type: ignore[arg-type]
    "twice": VendorLook((device(), device())),
    "begin with": VendorLook((device("nvidia:0"),)),
    "is of": VendorLook((device(vendor="nvidia"),)),
    "at most": VendorLook(tuple(device(f"odd:{number}") for number in range(5000))),
    "none of its devices": VendorLook((device(),), (DeviceUse("odd:1"),)),
    "measured odd:0 twice": VendorLook((device(),), (DeviceUse("odd:0"), DeviceUse("odd:0"))),
    "vram_used": VendorLook((device(),), (DeviceUse("odd:0", vram_used=-1),)),
    "from 0 to 1": VendorLook((device(),), (DeviceUse("odd:0", gpu_utilisation=float("nan")),)),
    "session_count": VendorLook((device(),), (DeviceUse("odd:0", session_count=True),)),
    "pid": VendorLook((device(),), (DeviceUse("odd:0", sessions=(OpenSession(-1),)),)),
    "memory_by_pid": VendorLook((device(),), (DeviceUse("odd:0", memory_by_pid={1: "much"}),)),  # type: ignore[dict-item]
    "session cap": VendorLook((device(session_cap="3"),)),
    "neither true nor false": VendorLook((device(hardware="yes"),)),
    "choices": VendorLook((device(choices=(Codec.H264,)),)),
    "codec": VendorLook((device(choices=(EncoderChoice("mpeg2", "x", ("y",)),)),)),  # type: ignore[arg-type]
    "no name": VendorLook((device(name=""),)),
    "Rude": VendorLook((device("odd:0", session_cap=Rude()),)),
    "a Rude": Rude(),
}


@pytest.mark.parametrize("said", LIES)
async def test_lies_are_not_believed(said: str) -> None:
    attendance = attend(Odd(lambda: GOOD, lambda: LIES[said]))
    await attendance.look_all()
    report = await only(attendance)
    assert report.state is VendorState.FAILS and report.look == GOOD
    assert said.split()[-1] in (report.why or "") and report.hint
    await attendance.close()


def test_a_hung_vendor_does_not_keep_a_process_from_exiting() -> None:
    script = """
import asyncio, threading
from steadycast.vendors.attendance import Attendance, Attended
class Hung:
    name = "hung"
    def look(self): threading.Event().wait()
    def close(self): pass
async def main():
    print((await Attendance((Attended("hung", Hung(), 0.05),)).look_all())[0].state)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split()[-1] == "hung"


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "steadycast.vendors")


async def test_plug_ins() -> None:
    here = f"{__name__}:"
    found = plugins(
        {"off": {"enabled": False}, "slow": {"deadline_s": 7.5}, "gone": {}, "raises": {"port": 1}},
        (
            point("odd", f"{here}make_odd"),
            point("odd", f"{here}make_odd"),
            point("nvidia", f"{here}make_odd"),
            point("off", "no.such.module:make"),
            point("missing", "no.such.module:make"),
            point("raises", f"{here}make_raising"),
            point("slow", f"{here}make_odd"),
        ),
    )
    assert len({attended.name for attended in found}) == len(found) == 8
    attendance = Attendance(found)
    reports = {report.vendor: report for report in await attendance.look_all()}
    whys = {name: report.why or "" for name, report in reports.items()}
    assert reports["odd"].state is VendorState.WORKS and reports["odd"].look == GOOD
    assert reports["off"].state is VendorState.OFF
    assert "No module named 'no'" in whys["missing"]
    assert "KeyError: 'voltage'" in whys["raises"]
    assert "calls itself 'odd'" in whys["slow"] and "name is taken" in whys[f"nvidia@{here}make_odd"]
    assert "no installed package" in whys["gone"]
    assert {attended.name: attended.deadline_s for attended in found}["slow"] == 7.5
    await attendance.close()


def make_odd(table: dict[str, Any]) -> Odd:
    return Odd(lambda: GOOD)


def make_raising(table: dict[str, Any]) -> Odd:
    return table["voltage"]  # type: ignore[no-any-return]


async def test_what_is_off_is_off(tmp_path: Path) -> None:
    off = VendorSettings(enabled=False)
    found = find_vendors(VendorsSettings(nvidia=off, va=off), tmp_path)
    attendance = Attendance(found)
    states = {report.vendor: report.state for report in await attendance.look_all()}
    assert states["nvidia"] is states["va"] is states["simulated"] is VendorState.OFF
    assert states["software"] is VendorState.WORKS
    await attendance.close()


async def test_the_simulated_vendor_is_found_where_it_is_switched_on(tmp_path: Path) -> None:
    attendance = Attendance(find_vendors(VendorsSettings(simulated=SimulatedSettings(enabled=True)), tmp_path))
    states = {report.vendor: report.state for report in await attendance.look_all()}
    assert states["simulated"] is VendorState.WORKS
    await attendance.close()
