"""Devices, leases and admissions in memory only: what the stand-ins of the lobbies room answer about them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from steadycast.errors import NotFoundError
from steadycast.leases.decisions import Step
from steadycast.leases.pools import Pools
from steadycast.lobbies.device_views import (
    AdmissionView,
    BeliefView,
    BreakerView,
    CpuView,
    DeviceView,
    EncodersStatistics,
    GpuStatus,
    LeaseView,
    PlaceView,
    SeatView,
    SessionView,
    VendorView,
)
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.pool_views import PoolView, pool_views
from steadycast.lobbies.views import Page

FULL = "All 3 encoder sessions are taken: 2 by lobbies of this host, 1 by another program (obs, pid 4711)."


class MemoryDevices:
    """Tests put into the lists what they need; `tried` are the devices that were asked to be tried again."""

    events: EventLog

    def __init__(self) -> None:
        self.device_views: list[DeviceView] = []
        self.lease_views: list[LeaseView] = []
        self.admission_views: list[AdmissionView] = []  # oldest first
        self.places: list[PlaceView] = []
        self.cpu = CpuView(300e6, 0.0, "measured", {"h265": 3.5})
        self.software_mode: bool | None = None
        self.vendors: list[VendorView] = []
        self.tried: list[str] = []
        self.pooled = Pools()

    def devices(self) -> tuple[DeviceView, ...]:
        return tuple(self.device_views)

    def pools(self) -> tuple[PoolView, ...]:
        return pool_views(self.pooled.statistics())

    def leases(self) -> tuple[LeaseView, ...]:
        return tuple(self.lease_views)

    def admissions(self, after: int | None, limit: int) -> Page[AdmissionView]:
        rest = [view for view in reversed(self.admission_views) if after is None or view.number < after]
        return Page(tuple(rest[:limit]), str(rest[limit - 1].number) if len(rest) > limit else None)

    def gpu_status(self) -> GpuStatus:
        hardware = [view for view in self.device_views if view.hardware]
        seen = [view.sessions_seen for view in hardware if view.sessions_seen is not None]
        limits = {view.pool: view.sessions_limit for view in hardware if view.sessions_limit is not None}
        return GpuStatus(
            nvenc_sessions_used=sum(seen) if seen else None,
            nvenc_sessions_limit=sum(limits.values()) if limits else None,
            software_mode=self.software_mode,
            active_lobbies=len({view.lobby for view in self.lease_views}),
            active_sessions=0,
            devices=self.devices(),
            cpu=self.cpu,
            waiting=tuple(self.places),
            vendors=tuple(self.vendors),
        )

    def encoders_statistics(self) -> EncodersStatistics:
        results: dict[tuple[str, str], int] = {}
        for view in self.admission_views:
            key = (view.result, view.code or "ok")
            results[key] = results.get(key, 0) + 1
        return EncodersStatistics(
            devices=self.devices(),
            cpu=self.cpu,
            waiting=len(self.places),
            admissions_total=results,
            fallbacks_total={"encoder_sessions": sum(view.result == "fallback" for view in self.admission_views)},
            promotions_total={"done": 1, "failed": 0},
            encoder_failures_total={"encoder.incompatible_client_key": 2},
            copies_total=1,
            drift_total={"orphan": 0, "unseen": 1},
            queue_wait_seconds_total=2.5,
            queue_left_total={"served": 3, "timeout": 1, "left": 0},
        )

    async def retry_device(self, device: str) -> DeviceView:
        for at, view in enumerate(self.device_views):
            if view.id == device:
                self.tried.append(device)
                self.device_views[at] = replace(view, breaker=BreakerView("trying", 0, 0))
                self.events.publish("encoder", "encoder.breaker", data={"device": device, "state": "trying"})
                return self.device_views[at]
        raise NotFoundError("device.unknown", "No such device.", hint="GET /api/v1/devices lists those there are.")


def a_device(**changes: Any) -> DeviceView:
    """A pretended GPU on which two of three sessions are lent and one is held by another program."""
    foreign = SessionView(4711, "obs", "h264", 1920, 1080, None)
    view = DeviceView(
        id="simulated:0", vendor="simulated", name="Simulated GPU 0", hardware=True, simulated=True, driver="sim-1.0",
        node=None, state="works", why=None, hint=None, pool="simulated", sessions_lent=2, sessions_seen=3,
        sessions_foreign=1, sessions_limit=3, sessions_limit_origin="learned", foreign=(foreign,),
        vram_total=8 << 30, vram_used=3 << 30, vram_lent=400 << 20, bar1_total=None, bar1_used=None,
        encoder_utilisation=0.42, gpu_utilisation=None,
        beliefs=(BeliefView("h264", "works", "steadysimenc", None, time.time() - 600),
                 BeliefView("av1", "fails", None, "The driver has no AV1 encoder.", time.time() - 600)),
        breaker=BreakerView("closed", 0, 0), last_refusal=None, weight=1.0,
    )  # fmt: skip
    return replace(view, **changes)


def the_cpu(**changes: Any) -> DeviceView:
    """The software encoders: nothing is known of sessions and video memory, because there is none."""
    view = a_device(
        id="software", vendor="software", name="CPU", hardware=False, simulated=False, driver=None, pool="software",
        sessions_lent=1, sessions_seen=None, sessions_foreign=None, sessions_limit=None, sessions_limit_origin=None,
        foreign=(), vram_total=None, vram_used=None, vram_lent=None, encoder_utilisation=None,
        beliefs=(BeliefView("h264", "works", "x264enc"), BeliefView("vp8", "untried", None)),
    )  # fmt: skip
    return replace(view, **changes)


def an_admission(number: int, lobby: str, result: str = "fallback", **changes: Any) -> AdmissionView:
    """A decision; a fallback as it is when all sessions of the pretended GPU are taken."""
    full = result != "grant"
    trail = (
        Step("simulated:0", "encoder_sessions" if full else "ok", FULL if full else "1 of 3 sessions is free."),
        *((Step("software", "ok", "62 of 240 million pixels a second are free."),) if result == "fallback" else ()),
    )
    device = {"grant": "simulated:0", "fallback": "software"}.get(result)
    view = AdmissionView(
        number, time.time(), f"{lobby}/main", lobby, "h264", result, device,
        "encoder_sessions" if full else None, FULL if full else None, trail,
    )  # fmt: skip
    return replace(view, **changes)


def in_software(**changes: Any) -> SeatView:
    """Where a rendition encodes that would rather be in hardware."""
    seat = SeatView("software", "CPU", False, "x264enc", None, None, time.time() - 60, "encoder_sessions", FULL)
    return replace(seat, **changes)


def in_hardware(**changes: Any) -> SeatView:
    """Where a rendition encodes on the pretended GPU."""
    seat = SeatView("simulated:0", "Simulated GPU 0", True, "steadysimenc", None, None, time.time() - 60, None, None)
    return replace(seat, **changes)


def a_place(lobby: str, position: int = 1, *, promotion: bool = False, track: str = "main") -> PlaceView:
    """A place in the line."""
    return PlaceView(f"{lobby}/{track}", lobby, position, time.time() - 4, "encoder_sessions", FULL, promotion)


def a_lease(lobby: str, quota: str, amount: float, device: str, track: str = "main") -> LeaseView:
    """Something that is lent."""
    return LeaseView(quota, amount, f"{lobby}/{track}", lobby, device, time.time() - 90)
