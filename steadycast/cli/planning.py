"""What `plan` asks for and gets: of this machine by a child that has GStreamer, of others as they were recorded."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadycast.config.encoder_settings import FragmentSettings
from steadycast.config.settings import Settings
from steadycast.errors import ConfigError, RefusedError, SteadycastError
from steadycast.lobbies.encoders.orders import orders_of
from steadycast.model import Codec, EncoderOrder, Rendition
from steadycast.pipelines.explain import Explanation, explain
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.recorded import RecordedElements
from steadycast.pipelines.work import Picture
from steadycast.vendors.attendance import Attendance
from steadycast.vendors.found import find_vendors
from steadycast.vendors.protocol import Device
from steadycast.vendors.table import ROWS, named
from steadycast.workers.codec import from_plain, to_plain
from steadycast.workers.launch import environment
from steadycast.workers.throwaway import ask

CHILD = (sys.executable, "-P", "-m", "steadycast.workers.plan_child")
PLAN_S = 30.0  # a first start of GStreamer writes its registry; a driver may be slow to load
ANSWER_BYTES = 1 << 20
# Vendors as people say it; the families of the table are names as well.
FAMILIES = {"nvidia": ("nvcodec",), "intel": ("va", "qsv"), "amd": ("va", "amf"), "apple": ("videotoolbox",)}


@dataclass(frozen=True, slots=True)
class Planned:
    """One device, and its plan; or why there is none (`refused`: for a person, one for each way that was tried)."""

    device: str
    name: str
    gstreamer: str
    plan: Explanation | None
    refused: tuple[str, ...] = ()
    hint: str | None = None


def known_vendors() -> tuple[str, ...]:
    """Names that `recorded` takes."""
    families = dict.fromkeys(row.family for row in ROWS if row.family != "simulated")
    return tuple(sorted({*FAMILIES, *families}))


def recorded(vendor: str | None, version: str, rendition: Rendition, picture: Picture) -> list[Planned]:
    """Every way of this vendor to encode it, with recorded elements. Raises ConfigError."""
    if vendor is not None and vendor not in known_vendors():
        raise ConfigError(
            "vendor.unknown", f"No vendor is called {vendor!r}.", hint=f"Known: {', '.join(known_vendors())}."
        )
    elements = RecordedElements(version)
    families = FAMILIES.get(vendor, (vendor,)) if vendor is not None else known_vendors()
    found = []
    for row in ROWS:
        if row.codec.value != rendition.codec or row.family not in families:
            continue
        order = EncoderOrder(row.family, row.family, row.codec, row.entry, named(row.elements))
        title = f"{row.entry}, as recorded"
        try:
            plan = explain(rendition, picture, Limits(), order, elements)
            found.append(Planned(row.family, title, elements.version, plan))
        except SteadycastError as error:
            found.append(Planned(row.family, title, elements.version, None, (_recorded_why(order, error),)))
    return found


def _recorded_why(order: EncoderOrder, error: SteadycastError) -> str:
    """Nothing was looked for in a process, so that the error's own words do not fit."""
    if error.code == "encoder.missing":
        return f"this version has no {' or '.join(order.elements)}"
    return f"{error.what}: {error.why}" if error.why else error.what


def here(settings: Settings, rendition: Rendition, picture: Picture, device: str | None) -> list[Planned]:
    """The plan of each device of this machine. Raises ConfigError, RefusedError."""
    devices = asyncio.run(_devices(settings))
    if device is not None:
        devices = [one for one in devices if one.id == device] or _no_device(device, devices)
    codec = Codec(rendition.codec)
    orders = [orders_of(one, settings.encoders.fragments).get(codec, ()) for one in devices]
    return _ask(devices, orders, rendition, picture)


def of_fragment(fragment: FragmentSettings, rendition: Rendition, picture: Picture) -> list[Planned]:
    """The plan with an operator's own encoder. Raises RefusedError."""
    device = Device(fragment.device, "software", "the operator's own", False, fragment.device)
    order = EncoderOrder(
        fragment.device, "software", fragment.codec, "fragment", fragment=fragment.launch, memory=fragment.memory
    )
    return _ask([device], [(order,)], rendition, picture)


def _no_device(device: str, devices: Sequence[Device]) -> list[Device]:
    hint = f"Here: {', '.join(one.id for one in devices)}."
    raise ConfigError("device.unknown", f"No device is called {device!r} here.", hint=hint)


async def _devices(settings: Settings) -> list[Device]:
    """What is on this machine. Not the simulated ones, which are there only while a host runs."""
    vendors = settings.vendors.model_copy(
        update={"simulated": settings.vendors.simulated.model_copy(update={"enabled": False})}
    )
    attendance = Attendance(find_vendors(vendors, Path("/nonexistent")))
    try:
        reports = await attendance.look_all()
    finally:
        await attendance.close()
    return [device for report in reports if report.look is not None for device in report.look.devices]


def _ask(
    devices: Sequence[Device], orders: Sequence[Sequence[EncoderOrder]], rendition: Rendition, picture: Picture
) -> list[Planned]:
    question = {"rendition": to_plain(rendition), "picture": to_plain(picture), "orders": to_plain(orders)}
    body, env = json.dumps(question).encode(), environment(os.environ, {})
    ending = asyncio.run(ask(CHILD, PLAN_S, body, env, ANSWER_BYTES))
    if ending.why is not None:
        raise RefusedError(
            "plan.failed", "The plan could not be made.", why=ending.why, hint="See `steadycast doctor`."
        )
    version = str(ending.told["gstreamer"])
    plans = zip(devices, orders, ending.told["plans"], strict=True)
    return [_planned(device, bool(ways), version, told) for device, ways, told in plans]


def _planned(device: Device, has_ways: bool, version: str, told: dict[str, Any]) -> Planned:
    if not has_ways:
        why = device.none_because or "it does not encode this codec"
        return Planned(device.id, device.name, version, None, (why,), device.hint)
    plan = None if told["plan"] is None else from_plain(Explanation, told["plan"])
    refused = tuple(": ".join(filter(None, (one["what"], one["why"]))) for one in told["refused"])
    hint = next((one["hint"] for one in told["refused"] if one["hint"]), None) if plan is None else None
    return Planned(device.id, device.name, version, plan, refused, hint)
