"""Whether a decision of admission and every word of its trail were true: worked out again from the snapshot alone."""

from __future__ import annotations

from steadycast.leases import cost
from steadycast.leases.decisions import (
    Decision,
    Denial,
    Deny,
    DeviceFacts,
    EncodeRequest,
    Fallback,
    Grant,
    Queue,
    Snapshot,
)
from steadycast.leases.encoder_memory import in_hardware
from steadycast.model import HardwareUse, WhenFull


def sessions_short(device: DeviceFacts, snapshot: Snapshot) -> bool:
    ahead = snapshot.ahead_in.get(device.pool, snapshot.ahead)
    parked = sum(snapshot.parked.get(d.id, 0) for d in snapshot.devices if d.pool == device.pool)
    return device.sessions_free is not None and device.sessions_free + parked - ahead <= 0


def memory_short(request: EncodeRequest, device: DeviceFacts) -> bool:
    needs = in_hardware(request.codec, request.width, request.height, request.references).total
    vram = device.vram_free is not None and device.vram_free < needs
    return vram or (device.bar1_free is not None and device.bar1_free < cost.bar1_bytes())


def descriptors_short(request: EncodeRequest, snapshot: Snapshot, needs: int) -> bool:
    return request.descriptors_free is not None and request.descriptors_free - snapshot.descriptors_reserve < needs


def hardware_truth(request: EncodeRequest, snapshot: Snapshot, device: DeviceFacts) -> set[str]:
    """All codes that may be said of a hardware device."""
    true: set[str] = set()
    if device.none_because is not None or request.codec not in device.codecs:
        true.add(Denial.NO_ENCODER)
    if device.quarantined is not None:
        true.add(Denial.GPU_QUARANTINED)
    if sessions_short(device, snapshot):
        true.add(Denial.ENCODER_SESSIONS)
    if memory_short(request, device) and snapshot.parked.get(device.id, 0) == 0:
        true.add(Denial.VRAM)
    if device.id in request.refused:
        true.add(Denial.DRIVER_REFUSED)
    if descriptors_short(request, snapshot, cost.HARDWARE_DESCRIPTORS):
        true.add(Denial.DESCRIPTORS)
    return true or {"ok"}


def software_truth(request: EncodeRequest, snapshot: Snapshot, name: str) -> set[str]:
    """All codes that may be said of the CPU, by the name of its device."""
    true: set[str] = set()
    needs = cost.cpu_pixels(request.codec, request.pixels_per_s, snapshot.cpu_factors)
    if request.codec not in snapshot.software_codecs:
        true.add(Denial.NO_ENCODER)
    if needs > min(snapshot.cpu_free, snapshot.cpu_total):
        true.add(Denial.CPU_BUDGET)
    if descriptors_short(request, snapshot, cost.SOFTWARE_DESCRIPTORS):
        true.add(Denial.DESCRIPTORS)
    if any(d.quarantined is not None for d in snapshot.devices if d.id == name):
        true.add(Denial.GPU_QUARANTINED)
    if name in request.refused:
        true.add(Denial.DRIVER_REFUSED)
    return true or {"ok"}


def check_decision(decision: Decision, request: EncodeRequest, snapshot: Snapshot) -> None:
    """Raises AssertionError where a word was not true, or the policy was not kept."""
    devices = {device.id: device for device in snapshot.devices}
    pinned_wrong = request.device is not None and (
        request.device not in devices
        or (request.hardware is HardwareUse.FORBID and devices[request.device].hardware)
        or (request.hardware is HardwareUse.REQUIRE and not devices[request.device].hardware)
    )
    if pinned_wrong:
        assert isinstance(decision, Deny) and decision.code is Denial.NO_ENCODER and decision.retry_after is None
        return
    for step in decision.trail:
        device = devices.get(step.option)
        if step.option == "queue":
            assert step.code == (Denial.QUEUE_FULL if snapshot.line_full else "ok")
        elif device is not None and device.hardware:
            truth = hardware_truth(request, snapshot, device)
            assert step.code in truth, (step, truth)
            assert request.hardware is not HardwareUse.FORBID
            assert request.device in (None, device.id)
        else:
            truth = software_truth(request, snapshot, step.option)
            assert step.code in truth, (step, truth)
            assert device is not None or all(d.hardware for d in snapshot.devices)
            assert request.hardware is not HardwareUse.REQUIRE
        assert step.why
    check_result(decision, request, snapshot, devices)


def check_result(
    decision: Decision, request: EncodeRequest, snapshot: Snapshot, devices: dict[str, DeviceFacts]
) -> None:
    said = {step.code for step in decision.trail}
    usable = [d for d in devices.values() if d.hardware and request.device in (None, d.id)]
    would_do = [d for d in usable if hardware_truth(request, snapshot, d) == {"ok"}]
    if would_do and request.hardware is not HardwareUse.FORBID and not (request.device and not usable):
        assert isinstance(decision, Grant) and decision.device in {d.id for d in would_do}
        chosen = devices[decision.device]
        cost_of = {d.id: (d.load + request.pixels_per_s) / d.weight for d in would_do}
        assert (cost_of[chosen.id], chosen.id) == min((value, name) for name, value in cost_of.items())
        free = 1 if chosen.sessions_free is None else chosen.sessions_free
        assert free >= 1 or decision.gives_up
    match decision:
        case Grant():
            assert all(amount > 0 for amount in decision.takes.values())
        case Fallback():
            assert request.hardware is HardwareUse.PREFER
            assert decision.takes["cpu"] <= snapshot.cpu_free
            assert decision.code in said or not usable
        case Queue():
            assert not snapshot.line_full and request.when_full is not WhenFull.REFUSE
            assert decision.code in said and decision.ahead == snapshot.ahead
            assert any(d.none_because is None and request.codec in d.codecs for d in usable)
        case Deny():
            assert decision.hint and decision.why
            assert decision.code in said or not decision.trail
