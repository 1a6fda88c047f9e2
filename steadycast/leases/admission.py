"""Who encodes where: a request and what is known of all devices in, a decision with its trail out. Total and pure.

The order is: the least loaded hardware that does, the next one, software, the line, a refusal. A figure that is not
known takes part in no comparison: it refuses nobody, and it never makes a device look better. Video memory is reserved
all the same, so that the books are right when the driver's figure becomes known.
"""

from __future__ import annotations

from steadycast.leases import options
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
    Step,
    Trail,
)
from steadycast.leases.options import Option
from steadycast.model import HardwareUse, WhenFull

# When to ask again, in seconds; None: only somebody who changes something helps. Sessions and CPU come back when a
# viewer leaves, a breaker rests 30 s at least.
RETRY_AFTER: dict[Denial, float | None] = {
    Denial.ENCODER_SESSIONS: 5.0,
    Denial.VRAM: 5.0,
    Denial.CPU_BUDGET: 5.0,
    Denial.DESCRIPTORS: 10.0,
    Denial.MEMORY: 10.0,
    Denial.DRIVER_REFUSED: 10.0,
    Denial.QUEUE_FULL: 10.0,
    Denial.GPU_QUARANTINED: 30.0,
    Denial.NO_ENCODER: None,
}
HINTS: dict[Denial, str] = {
    Denial.ENCODER_SESSIONS: "End another encoding or program that holds sessions, or allow software (`hardware`).",
    Denial.VRAM: "End something that uses video memory, or ask for a smaller picture.",
    Denial.CPU_BUDGET: "End a lobby that encodes in software, or ask for a smaller picture or a lower frame rate.",
    Denial.DESCRIPTORS: "End some viewers or lobbies, or raise the limit of open files (`ulimit -n`).",
    Denial.MEMORY: "End a lobby or another program, or ask for a smaller picture or fewer `references`.",
    Denial.DRIVER_REFUSED: "Look at the device's last refusal in `gpu-status`; another device or software would do.",
    Denial.QUEUE_FULL: "Ask again when fewer wait, or raise `encoders.queue_length`.",
    Denial.GPU_QUARANTINED: "See why in `gpu-status`; its breaker closes when a trial works, or by a reset.",
    Denial.NO_ENCODER: "`steadycast doctor` says of each encoder why it is not used.",
}
# The word for several devices that will not do: what is nearest to being given.
_NEAREST = (
    Denial.ENCODER_SESSIONS,
    Denial.VRAM,
    Denial.DRIVER_REFUSED,
    Denial.DESCRIPTORS,
    Denial.GPU_QUARANTINED,
    Denial.NO_ENCODER,
)


def admit(request: EncodeRequest, snapshot: Snapshot, now: float) -> Decision:
    """Decides. Never raises; every word of the trail is true of the snapshot. `now` is in the clock of `since`.

    A request whose turn in the line came is asked again with its `refused` emptied and `ahead` 0.
    """
    pinned = _pinned(request, snapshot)
    if isinstance(pinned, Deny):
        return pinned
    if request.hardware is HardwareUse.FORBID or (pinned is not None and not pinned.hardware):
        return _software_only(request, snapshot)
    looked = options.hardware(request, snapshot, pinned)
    trail = tuple(option.step for option in looked)
    best = next((option for option in looked if option.code is None), None)
    if best is not None:
        return Grant(best.device, options.hardware_takes(request, best), trail, best.gives_up)
    return _without_hardware(request, snapshot, looked, trail, now)


def _pinned(request: EncodeRequest, snapshot: Snapshot) -> DeviceFacts | Deny | None:
    """The device that is asked for by id; None: any."""
    if request.device is None:
        return None
    device = next((device for device in snapshot.devices if device.id == request.device), None)
    if device is None:
        known = ", ".join(sorted(device.id for device in snapshot.devices)) or "none"
        why = f"There is no device {request.device!r}."
        step = Step(request.device, Denial.NO_ENCODER, why)
        return Deny(Denial.NO_ENCODER, why, f"Known devices: {known}.", None, (step,))
    wrong = request.hardware is (HardwareUse.FORBID if device.hardware else HardwareUse.REQUIRE)
    if wrong:
        kind = "hardware" if device.hardware else "software"
        why = f"It is pinned to {device.id}, which is {kind}, and its policy is hardware = {request.hardware}."
        hint = "Change `device` or `hardware` of the policy."
        return Deny(Denial.NO_ENCODER, why, hint, None, (Step(device.id, Denial.NO_ENCODER, why),))
    return device


def _software_only(request: EncodeRequest, snapshot: Snapshot) -> Decision:
    option = options.software(request, snapshot)
    if option.code is None:
        return Grant(option.device, options.software_takes(request, snapshot), (option.step,))
    return _deny(option.code, option.why, (option.step,), option.never)


def _without_hardware(
    request: EncodeRequest, snapshot: Snapshot, looked: tuple[Option, ...], trail: Trail, now: float
) -> Decision:
    """No hardware now: software where the policy lets it, else the line where waiting can help, else no."""
    codes = {option.code for option in looked}
    code = next((code for code in _NEAREST if code in codes), Denial.NO_ENCODER)
    why = next((option.why for option in looked if option.code is code), "There is no hardware encoder here.")
    hopeless = all(option.never for option in looked)
    soon = any(option.waiting_helps for option in looked)
    option: Option | None = None
    if request.hardware is HardwareUse.PREFER and _software_next(request.when_full, hopeless, soon):
        option = options.software(request, snapshot)
        trail = (*trail, option.step)
        if option.code is None:
            absent = request.device is None and all(option.absent for option in looked)
            return Fallback(option.device, options.software_takes(request, snapshot), code, why, trail, absent)
    if request.when_full is WhenFull.REFUSE or not soon:
        if option is not None and option.code is not None:
            return _deny(option.code, f"{why} {option.why}", trail, option.never)
        return _deny(code, why, trail, hopeless)
    if snapshot.line_full:
        full = "The line of those who wait is full."
        trail = (*trail, Step("queue", Denial.QUEUE_FULL, full))
        return _deny(Denial.QUEUE_FULL, f"{why} {full}", trail, never=False)
    if option is not None:
        why = f"{why} {option.why}"
    waited = max(0.0, now - request.since)
    step = Step("queue", "ok", f"{snapshot.ahead} are before it; it waits for {waited:.1f} s.")
    return Queue(snapshot.ahead, code, why, (*trail, step))


def _software_next(when_full: WhenFull, hopeless: bool, soon: bool) -> bool:
    """Whether software is next: as the policy says, and where no waiting and no asking again would bring hardware."""
    return hopeless or when_full is WhenFull.FALLBACK or (when_full is WhenFull.QUEUE and not soon)


def _deny(code: Denial, why: str, trail: Trail, never: bool) -> Deny:
    return Deny(code, why, HINTS[code], None if never else RETRY_AFTER[code], trail)
