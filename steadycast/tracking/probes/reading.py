"""What readers answer with: values by what they measure, and for all that could not be told, why."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field

from steadycast.model import Measured, Resource
from steadycast.tracking.measure import bounded

GONE = "the process ended"


@dataclass(slots=True)
class Reading:
    """Filled in step by step, so that what was read before one step hangs is there."""

    values: dict[Measured, float] = field(default_factory=dict)
    unknown: dict[Resource, str] = field(default_factory=dict)
    whole: set[Resource] = field(default_factory=set)  # all parts of which were read

    def put(self, resource: Resource, value: float, detail: str = "") -> None:
        """A value that is known; a reason of before is over."""
        self.values[Measured(resource, detail)] = value
        self.unknown.pop(resource, None)

    def split(self, resource: Resource, parts: Mapping[str, float], total: float | None = None) -> None:
        """All of a resource, and its parts. `total` is the sum of them unless it is told."""
        self.put(resource, sum(parts.values()) if total is None else total)
        self.whole.add(resource)
        self.values.update({Measured(resource, detail): value for detail, value in bounded(parts).items()})

    def miss(self, why: str, *resources: Resource) -> None:
        """Resources of which nothing can be told, and why."""
        for resource in resources:
            self.unknown[resource] = why

    def renew(self, other: Reading) -> None:
        """Takes over what was read anew. Where all parts of a resource were read, one that is not there any more is 0,
        which is said once in `other` too."""
        missing = self.values.keys() - other.values.keys()
        for measured in missing:
            if measured.resource in other.whole and self.values.pop(measured):
                other.values[measured] = 0.0
        for resource in other.unknown:
            for measured in [one for one in self.values if one.resource is resource]:
                del self.values[measured]
        self.add(other)

    def add(self, other: Reading) -> None:
        """Everything of another; what is known wins over what is not."""
        self.values.update(other.values)
        self.whole |= other.whole
        if self.unknown or other.unknown:
            known = {measured.resource for measured in self.values}
            self.unknown = {r: why for r, why in {**self.unknown, **other.unknown}.items() if r not in known}


def reason(error: OSError, what: str) -> str:
    """Why a file of /proc or /sys could not be read, for a person. `what` names it."""
    if error.errno in (errno.ENOENT, errno.ESRCH):
        return f"no {what} here" if error.errno == errno.ENOENT else GONE
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{what}: not ours to read; run as its user, or as root"
    return f"{what}: {error.strerror or error}"
