"""Looks at vendors and devices for `doctor`, and tries each encoder in a throw-away process."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from steadycast.cli.findings import Finding
from steadycast.cli.findings_encoders import (
    EncoderRow,
    NvidiaSeen,
    judge_caps,
    judge_device,
    judge_encoders,
    judge_nvidia,
    judge_report,
)
from steadycast.config.settings import Settings
from steadycast.model import Codec, EncoderOrder
from steadycast.vendors.attendance import Attendance
from steadycast.vendors.found import find_vendors
from steadycast.vendors.nvidia_files import look_at_files
from steadycast.vendors.protocol import Device, EncoderChoice, VendorReport, VendorState
from steadycast.workers.trials import TrialResult, Trials

ALL_TRIALS_S = 120.0  # encoders that are left then are said to be not tried

Tried = dict[str, dict[tuple[Codec, str], TrialResult]]  # by device, then by codec and row of the table


@dataclass(frozen=True, slots=True)
class Encoders:
    """What was found out: findings in the order in which one would mend them, and a row for each encoder."""

    findings: tuple[Finding, ...]
    rows: tuple[EncoderRow, ...]


async def look_at_encoders(settings: Settings, with_trials: bool) -> Encoders:
    """Every vendor once, then every encoder of a device that can have one."""
    with TemporaryDirectory(prefix="steadycast-doctor-") as folder:  # the simulated driver of a host is let alone
        attendance = Attendance(find_vendors(settings.vendors, Path(folder)))
        try:
            reports = await attendance.look_all()
            tried = await _try_all(_devices(reports)) if with_trials else {}
        finally:
            await attendance.close()
    return judged(settings, reports, tried)


def judged(settings: Settings, reports: Sequence[VendorReport], tried: Tried) -> Encoders:
    """Findings and rows."""
    devices = _devices(reports)
    uses = {use.device: use for report in reports if report.look for use in report.look.uses}
    rows = {device.id: judge_encoders(device, tried.get(device.id, {})) for device in devices}
    findings = [
        *judge_nvidia(look_at_files(), _seen(reports, rows)),
        *filter(None, map(judge_report, reports)),
        *(judge_device(device, uses.get(device.id), rows[device.id]) for device in devices),
        *judge_caps(devices, uses, settings.encoders.sessions),
    ]
    return Encoders(tuple(findings), tuple(row for device in devices for row in rows[device.id]))


def _seen(reports: Sequence[VendorReport], rows: Mapping[str, Sequence[EncoderRow]]) -> NvidiaSeen:
    mine = [report for report in reports if report.vendor == "nvidia"]
    devices = _devices(mine)
    return NvidiaSeen(
        has_bindings=importlib.util.find_spec("pynvml") is not None,
        answers=any(report.state is VendorState.WORKS for report in mine),
        able=any(device.none_because is None for device in devices),
        encodes=any(row.works for device in devices for row in rows[device.id]),
    )


def _devices(reports: Sequence[VendorReport]) -> list[Device]:
    return [device for report in reports if report.look is not None for device in report.look.devices]


async def _try_all(devices: Sequence[Device]) -> Tried:
    trials, until = Trials(), time.monotonic() + ALL_TRIALS_S
    tried: Tried = {device.id: {} for device in devices}
    try:
        for device in devices:
            for choice in device.choices if device.none_because is None else ():
                if time.monotonic() < until:
                    tried[device.id][choice.codec, choice.entry] = await trials.trial(_order(device, choice))
    finally:
        await trials.close()
    return tried


def _order(device: Device, choice: EncoderChoice) -> EncoderOrder:
    return EncoderOrder(device.id, device.vendor, choice.codec, choice.entry, choice.elements, dict(choice.options))
