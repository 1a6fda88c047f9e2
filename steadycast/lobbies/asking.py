"""What is asked of the encoders for a rendition. Pure, but for the look at a worker's descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steadycast.config.encoder_settings import EncoderSettings
from steadycast.leases.decisions import EncodeRequest
from steadycast.model import Codec, EncodePolicy, HardwareUse, Rendition, WhenFull
from steadycast.pipelines.parts import Limits
from steadycast.pipelines.plan import FPS_WHERE_UNKNOWN, Picture, work
from steadycast.pipelines.work import references
from steadycast.tracking import proc

PRIORITY = 50  # of a lobby that does not say
# What devices refused or failed somebody, and since when it asks, counts so long: then it is a new request.
MEMORY_S = 60.0


@dataclass(slots=True)
class Tried:
    """Since when an encoding is asked for (None: it runs, or nobody asks), and the devices that refused or failed it
    with the time of that. Seconds of a clock that does not go back."""

    since: float | None = None
    refused: dict[str, float] | None = None

    def asked(self, now: float) -> float:
        """Since when, which is kept over tries that follow each other."""
        if self.since is None or now - self.since > MEMORY_S:
            self.since = now
        return self.since

    def refuse(self, device: str, now: float) -> None:
        """This device is not asked again soon."""
        self.refused = {**{one: at for one, at in (self.refused or {}).items() if now - at <= MEMORY_S}, device: now}

    def devices(self, now: float) -> frozenset[str]:
        """The devices that are not asked now."""
        return frozenset(device for device, at in (self.refused or {}).items() if now - at <= MEMORY_S)

    def forget(self) -> None:
        """It was said no to for good, or nobody asks any more."""
        self.since = self.refused = None

    def worth_keeping(self, now: float) -> bool:
        """Whether anything of it counts any more."""
        return bool(self.devices(now)) or (self.since is not None and now - self.since <= MEMORY_S)


def policy_of(asked: EncodePolicy, settings: EncoderSettings) -> EncodePolicy:
    """How a lobby is encoded: what it says, and the settings where it says nothing. Only `device` may be None."""
    return EncodePolicy(
        hardware=asked.hardware or HardwareUse(settings.hardware),
        when_full=asked.when_full or WhenFull(settings.when_full),
        priority=PRIORITY if asked.priority is None else asked.priority,
        device=asked.device,
    )


def request_of(
    holder: str,
    rendition: Rendition,
    picture: Picture,
    policy: EncodePolicy,
    tried: Tried,
    now: float,
    free: int | None,
) -> EncodeRequest:
    """The request of a rendition that shows `picture`; `policy` as `policy_of` makes it, `free` descriptors of its
    process. Raises CallerError where no size is known."""
    made = work(rendition, picture, Limits())
    assert policy.hardware is not None and policy.when_full is not None and policy.priority is not None
    return EncodeRequest(
        holder=holder,
        codec=Codec(rendition.codec),
        width=made.width,
        height=made.height,
        fps=made.fps or FPS_WHERE_UNKNOWN,
        since=tried.asked(now),
        hardware=policy.hardware,
        when_full=policy.when_full,
        priority=policy.priority,
        device=policy.device,
        refused=tried.devices(now),
        descriptors_free=free,
        references=rendition.references or 1,
        kbps=made.bitrate_kbps,
    )


def check_references(rendition: Rendition, picture: Picture, budget_mb: float) -> None:
    """Before anything is lent or opened: raises CallerError where its reference frames cannot fit."""
    limits = Limits(reference_mb=budget_mb)
    references(rendition, work(rendition, picture, limits), limits)


def descriptors_free(pid: int | None) -> int | None:
    """How many more descriptors a process may open; None where that cannot be read."""
    if pid is None:
        return None
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    soft = soft_limit(limits)
    held = proc.descriptors(pid)
    return None if soft is None or held is None else max(0, soft - len(held))


def soft_limit(limits: str) -> int | None:
    """The soft limit of open files in the text of /proc/PID/limits; None where there is none."""
    for line in limits.splitlines():
        if line.startswith("Max open files"):
            word = line.split()[3]
            return int(word) if word.isdigit() else None
    return None
