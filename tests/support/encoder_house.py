"""Encoders of a host on a pretended driver: it says what it likes of itself, and gives what it really has. Time stands
still until a test moves it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steadycast.config.settings import Settings
from steadycast.errors import EncoderError, RefusedError
from steadycast.leases.decisions import EncodeRequest
from steadycast.lobbies.device_views import BeliefView, DeviceView
from steadycast.lobbies.encoders.encoders import Encoders
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.seats import Seat
from steadycast.lobbies.store import Store
from steadycast.lobbies.views import Event
from steadycast.model import Codec, EncoderFault, EncoderOrder, EncoderReport
from steadycast.vendors.protocol import (
    Device,
    DeviceFault,
    DeviceUse,
    EncoderChoice,
    OpenSession,
    VendorLook,
    VendorReport,
    VendorState,
)
from steadycast.vendors.software import CHOICES
from steadycast.workers.trials import Calibration, TrialResult

SOFTWARE = Device("software", "software", "CPU", False, "software", CHOICES)
GPU = "sim:0"


@dataclass
class Driver:
    """The truth: `real` sessions for all of its GPUs, of which other programs hold `foreign`. `told` is the cap in its
    documentation. Implements `Looking`."""

    real: int = 3
    told: int | None = 3
    gpus: int = 1
    foreign: int = 0
    version: str = "550.1"
    state: VendorState = VendorState.WORKS
    codecs: tuple[Codec, ...] = (Codec.H264,)
    alone: bool = False
    vram_total: int | None = None
    faults: tuple[DeviceFault, ...] = ()
    shows: bool = True  # whether it says who holds sessions
    hangs: asyncio.Event | None = None
    opened: dict[int, tuple[str, int]] = field(default_factory=dict)  # by seat: device and pid
    strays: list[int] = field(default_factory=list)  # sessions of these pids that no seat explains
    looks: int = 0

    def devices(self) -> tuple[Device, ...]:
        choices = tuple(EncoderChoice(codec, "sim", ("simenc",)) for codec in self.codecs)
        return tuple(
            Device(
                f"sim:{number}", "sim", f"GPU {number}", True, "pool", choices, self.version, self.told,
                opens_alone=self.alone,
            )
            for number in range(self.gpus)
        )  # fmt: skip

    @property
    def taken(self) -> int:
        return len(self.opened) + self.foreign + len(self.strays)

    def open(self, seat: Seat, pid: int) -> None:
        """As the kernel would: what is above the cap is refused, whatever was promised."""
        if self.state is not VendorState.WORKS:
            raise EncoderError(EncoderFault.DRIVER_LOST, "The device is lost.")
        if self.taken >= self.real:
            raise EncoderError(EncoderFault.CLIENT_KEY, "NVENC says 21.")
        self.opened[seat.number] = (seat.device, pid)

    async def look_all(self) -> tuple[VendorReport, ...]:
        self.looks += 1
        if self.hangs is not None:
            await self.hangs.wait()
        await asyncio.sleep(0)
        return self.reports()

    def reports(self) -> tuple[VendorReport, ...]:
        software = VendorReport("software", VendorState.WORKS, VendorLook((SOFTWARE,)))
        if self.state is VendorState.ABSENT:
            return (VendorReport("sim", VendorState.ABSENT), software)
        look = VendorLook(self.devices(), tuple(self._use(device.id) for device in self.devices()))
        self.faults = ()
        why = None if self.state is VendorState.WORKS else "it is broken"
        return (VendorReport("sim", self.state, look, why=why), software)

    def _use(self, device: str) -> DeviceUse:
        mine = [OpenSession(pid) for where, pid in self.opened.values() if where == device]
        others = [OpenSession(9000 + number, "obs") for number in range(self.foreign)] if device == GPU else []
        strays = [OpenSession(pid) for pid in self.strays] if device == GPU else []
        used = None if self.vram_total is None else (200 << 20) * (len(mine) + len(others))
        sessions = (*mine, *others, *strays) if self.shows else None
        return DeviceUse(device, sessions, None, self.vram_total, used, faults=self.faults if device == GPU else ())


@dataclass
class MemoryTrials:
    """Trials that answer at once, or when `hold` is set. `faults` by device and codec; all else works."""

    driver: Driver
    faults: dict[tuple[str, Codec], EncoderFault] = field(default_factory=dict)
    asked: list[tuple[str, Codec]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    calibrated: int = 0
    calibrations_hold: asyncio.Event | None = None

    async def trial(self, order: EncoderOrder) -> TrialResult:
        self.asked.append((order.device, order.codec))
        if self.hold is not None:
            await self.hold.wait()
        await asyncio.sleep(0)
        fault = self.faults.get((order.device, order.codec))
        if fault is None and order.vendor == "sim" and self.driver.taken >= self.driver.real:
            fault = EncoderFault.CLIENT_KEY
        if fault is not None:
            return TrialResult(False, fault, "it did not work", f"fault {fault}")
        return TrialResult(True, element=next(iter(order.elements), None))

    async def calibrate(self) -> Calibration:
        if self.calibrations_hold is not None:
            await self.calibrations_hold.wait()
        await asyncio.sleep(0)
        self.calibrated += 1
        return Calibration(1e9, {Codec.VP9: 7.0})


class House:
    """The encoders, what is around them, and pretended lobbies that encode."""

    def __init__(self, store: Store, driver: Driver, tables: dict[str, Any]) -> None:
        self.now = 1000.0
        self.driver = driver
        self.trials = MemoryTrials(driver)
        self.events = EventLog()
        self.workers: dict[int, str] = {}
        self.reaped: list[int] = []
        self.seats: dict[str, Seat] = {}  # by holder, that encode
        self.moved = asyncio.Event()
        self.moves_work = True
        self._pids = itertools.count(100)
        # Looks are asked for by the tests.
        settings = Settings.model_validate({"encoders": {"look_s": 3600, "cpu_pixels_per_s": 1e9, **tables}})
        self.parts = EncodersParts(
            settings,
            driver,
            self.trials,
            store,
            self.events,
            gstreamer="1.22.0",
            pids_of_workers=lambda: self.workers,
            reap=lambda pid, why: self.reaped.append(pid),
            clock=lambda: self.now,
            wall=lambda: 1_700_000_000 + self.now,
        )
        self.encoders = Encoders(self.parts)
        self.encoders.move_with(self._move)

    def request(self, lobby: str, **changes: Any) -> EncodeRequest:
        base = EncodeRequest(f"{lobby}/main", Codec.H264, 1280, 720, 30, self.now)
        return replace(base, **changes)

    async def play(self, lobby: str, **changes: Any) -> Seat:
        """As a lobby does: ask, open, and ask again where the driver refuses."""
        request = self.request(lobby, **changes)
        while True:
            seat = await self.encoders.take(request)
            try:
                return self.open(seat)
            except EncoderError:
                request = replace(request, refused=request.refused | {seat.device})

    def open(self, seat: Seat) -> Seat:
        pid = next(self._pids)
        if seat.hardware:
            try:
                self.driver.open(seat, pid)
            except EncoderError as error:
                self.encoders.refused(seat, error)
                raise
        self.workers[pid] = seat.request.holder.partition("/")[0]
        self.seats[seat.request.holder] = seat
        self.encoders.opened(seat, pid, EncoderReport(seat.device, "simenc"))
        return seat

    def end(self, lobby: str) -> None:
        """Its viewers left."""
        seat = self.seats.pop(f"{lobby}/main")
        self._closed(seat)
        self.encoders.give_back(seat)

    def fail(self, lobby: str, fault: EncoderFault = EncoderFault.FAILED) -> None:
        seat = self.seats.pop(f"{lobby}/main")
        self._closed(seat)
        self.encoders.failed(seat, fault, "it failed")

    async def pass_time(self, seconds: float) -> None:
        """Time passes, then the devices are looked at."""
        self.now += seconds
        await self.encoders.look()
        await self.settle()

    async def settle(self) -> None:
        """Everything that can go on without time passing goes on."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def until(self, look: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not look():
                await asyncio.sleep(0.001)

    def gpu(self, device: str = GPU) -> DeviceView:
        return next(view for view in self.encoders.devices() if view.id == device)

    def belief(self, codec: Codec = Codec.H264, device: str = GPU) -> BeliefView:
        return next(view for view in self.gpu(device).beliefs if view.codec == codec)

    def said(self, name: str) -> list[Event]:
        return [event for event in self.events._ring if event.name == name]

    def on(self, device: str) -> set[str]:
        """The lobbies that encode there."""
        return {holder.partition("/")[0] for holder, seat in self.seats.items() if seat.device == device}

    async def _move(self, holder: str, seat: Seat) -> bool:
        old = self.seats.get(holder)
        if old is None:
            self.encoders.give_back(seat)
            return False
        if not self.moves_work:
            self.encoders.refused(seat, EncoderError(EncoderFault.FAILED, "no picture came"))
            return False
        try:
            self.open(seat)
        except EncoderError:
            return False
        self._closed(old)
        self.encoders.give_back(old)
        return True

    def _closed(self, seat: Seat) -> None:
        self.driver.opened.pop(seat.number, None)
        if seat.pid is not None:
            self.workers.pop(seat.pid, None)


class Houses:
    """Builds houses on one database, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[tuple[House, Store]] = []

    async def build(self, driver: Driver | None = None, *, tried: bool = True, **tables: Any) -> House:
        """`tried`: what can be tried was tried."""
        store = Store(self._path / "s.db", 1 << 24)
        await store.open()
        house = House(store, driver or Driver(), tables)
        self._open.append((house, store))
        await house.encoders.start()
        if tried:
            await house.encoders.look()
            await house.until(lambda: all(self._known(view) for view in house.encoders.devices() if view.hardware))
        return house

    async def close(self) -> None:
        """All seats must have been given back before, or the books are wrong."""
        while self._open:
            house, store = self._open.pop()
            for lobby in [holder.partition("/")[0] for holder in house.seats]:
                house.end(lobby)
            await house.encoders.close()
            await store.close()
            left = list(house.encoders.leases())
            assert not left, left

    @staticmethod
    def _known(view: DeviceView) -> bool:
        return all(belief.state in ("works", "fails") or belief.why for belief in view.beliefs)


async def refusal(asking: Awaitable[Any]) -> RefusedError:
    """The refusal that somebody gets."""
    try:
        await asking
    except RefusedError as error:
        return error
    raise AssertionError("it was not refused")
