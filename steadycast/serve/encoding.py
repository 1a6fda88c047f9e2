"""Builds what decides who encodes where: vendors, their attendance, trials, the desk."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass

from steadycast.config.current import HostSettings
from steadycast.lobbies.encoders.encoders import Encoders
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.store import Store
from steadycast.model import WorkerKind
from steadycast.serve.folders import Folders
from steadycast.tracking import proc
from steadycast.vendors.attendance import Attendance
from steadycast.vendors.found import find_vendors
from steadycast.vendors.protocol import VendorState
from steadycast.vendors.simulated.vendor import SimulatedVendor
from steadycast.vendors.software import cpu_name
from steadycast.workers.registry import registry_environment
from steadycast.workers.supervisor import Supervisor
from steadycast.workers.trials import Trials

MUTE = (VendorState.FAILS, VendorState.HUNG)


@dataclass(frozen=True, slots=True)
class Around:
    """What a host has by the time its encoders are built."""

    settings: HostSettings
    folders: Folders
    supervisor: Supervisor
    store: Store
    events: EventLog


async def start_encoders(around: Around, stack: AsyncExitStack) -> tuple[Encoders, SimulatedVendor | None]:
    """Started, and closed by the stack. The simulated vendor where it is switched on. Raises ConfigError, OSError."""
    attended = find_vendors(around.settings.vendors, around.folders.runtime)
    attendance = Attendance(attended)
    stack.push_async_callback(attendance.close)
    trials = Trials(registry_environment(around.folders.runtime))
    stack.push_async_callback(trials.close)
    supervisor = around.supervisor

    simulated = next((one.vendor for one in attended if isinstance(one.vendor, SimulatedVendor)), None)

    def children() -> tuple[int, ...]:
        foreign = None if simulated is None else simulated.foreign_pid()
        return tuple(pid for pid in proc.children() if pid != foreign)

    def reap(pid: int, why: str) -> None:
        for worker in supervisor.workers:
            if worker.pid == pid:
                worker.begin_end(why)

    encoders = Encoders(
        EncodersParts(
            around.settings,
            attendance,
            trials,
            around.store,
            around.events,
            gstreamer=supervisor.gstreamer_version,
            machine=cpu_name(),
            cores=len(os.sched_getaffinity(0)),
            pids_of_workers=lambda: _lobbies_by_pid(supervisor),
            children=children,
            reap=reap,
        )
    )
    stack.push_async_callback(encoders.close)
    await encoders.start()
    supervisor.pools.add("encoders", encoders.parked.statistics, encoders.parked.press)
    stack.callback(supervisor.gauge.ask, None, None)
    supervisor.gauge.ask(encoders.usage, encoders.look, lambda: any(one.state in MUTE for one in attendance.reports()))
    return encoders, simulated


def _lobbies_by_pid(supervisor: Supervisor) -> dict[int, str]:
    lobby_workers = (worker for worker in supervisor.workers if worker.kind is WorkerKind.LOBBY)
    return {worker.pid: worker.lobby for worker in lobby_workers if worker.lobby is not None}
