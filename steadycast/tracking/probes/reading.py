"""What readers answer with: values by what they measure, and for all that could not be told, why."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field

from steadycast.model import Measured, Resource
from steadycast.tracking.measure import bounded

# Told by several drivers, each for its own devices.
_BY_DRIVER = {
    Resource.VRAM, Resource.SHARED_VRAM, Resource.ENCODER_SESSIONS, Resource.GPU_BUSY, Resource.ENCODER_BUSY,
}  # fmt: skip
GONE = "the process ended"


@dataclass(slots=True)
class Reading:
    """Filled in step by step, so that what was read before one step hangs is there.

    The detail "" of a resource is all of it; other details are parts of that.
    """

    values: dict[Measured, float] = field(default_factory=dict)
    unknown: dict[Resource, str] = field(default_factory=dict)

    def put(self, resource: Resource, value: float, detail: str = "") -> None:
        """A value that is known; a reason of before is over."""
        self.values[Measured(resource, detail)] = value
        self.unknown.pop(resource, None)

    def split(self, resource: Resource, parts: Mapping[str, float], total: float | None = None) -> None:
        """All of a resource, and its parts. `total` is the sum of them unless it is told."""
        self.put(resource, sum(parts.values()) if total is None else total)
        for detail, value in bounded(parts).items():
            self.values[Measured(resource, detail)] = value

    def miss(self, why: str, *resources: Resource) -> None:
        """Resources of which nothing can be told, and why."""
        for resource in resources:
            self.unknown[resource] = why

    def renew(self, other: Reading) -> None:
        """Takes over what was read anew. A part that is not there any more is 0, and said once in `other` too."""
        read = {measured.resource for measured in other.values} - _BY_DRIVER
        for measured in [one for one in self.values if one.resource in read and one not in other.values]:
            if self.values.pop(measured):
                other.values[measured] = 0.0
        for resource in other.unknown:
            for measured in [one for one in self.values if one.resource is resource]:
                del self.values[measured]
        self.add(other)

    def add(self, other: Reading) -> None:
        """Everything of another; what is known wins over what is not."""
        self.values.update(other.values)
        known = {measured.resource for measured in self.values}
        self.unknown = {r: why for r, why in {**self.unknown, **other.unknown}.items() if r not in known}


def reason(error: OSError, what: str) -> str:
    """Why a file of /proc or /sys could not be read, for a person. `what` names it."""
    if error.errno in (errno.ENOENT, errno.ESRCH):
        return f"no {what} here" if error.errno == errno.ENOENT else GONE
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{what}: not ours to read; run as its user, or as root"
    return f"{what}: {error.strerror or error}"
