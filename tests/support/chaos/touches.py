"""Who was touched by what, and until when a picture may be missing. Pure: `now` is an argument, monotonic seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

AGAIN_S = 5.0  # the promise: picture again within this, once it is possible
EVERYBODY = "*"


@dataclass(slots=True)
class Outage:
    """The control plane was not there; `until` is infinite while it lasts."""

    since: float
    until: float = math.inf


@dataclass(slots=True)
class Touch:
    """A strike at what `whom` (a lobby's key, or everybody) sees. `lasts`: seconds in which no picture is possible."""

    at: float
    whom: str
    lasts: float
    what: str
    until: float = field(init=False)

    def __post_init__(self) -> None:
        self.until = self.at + self.lasts


class Touches:
    """All of them, and the outages of the control plane that lengthen them."""

    def __init__(self) -> None:
        self._touches: list[Touch] = []
        self.outages: list[Outage] = []

    def add(self, touch: Touch) -> Touch:
        """From now on; its `until` may be moved while it lasts."""
        self._touches.append(touch)
        return touch

    def of(self, whom: str, since: float) -> list[Touch]:
        """Those that still counted at `since`, or came later."""
        mine = (one for one in self._touches if one.whom in (whom, EVERYBODY))
        return [one for one in mine if self.end(one) + AGAIN_S >= since]

    def end(self, touch: Touch) -> float:
        """When a picture is possible again. Nothing is mended without a control plane: what was not mended before one
        was away begins again with the next."""
        until = touch.until
        for outage in self.outages:
            if outage.since <= until + AGAIN_S and outage.until > touch.at:
                until = max(until, outage.until + touch.lasts)
        return until

    def possible_from(self, whom: str, since: float, *, comes: bool) -> float:
        """The last moment at which a picture was not possible for somebody who has seen none since `since`. `comes`: it
        has no session and so needs the control plane to get one."""
        latest = max([since, *(self.end(one) for one in self.of(whom, since))])
        if comes:
            ends = [outage.until for outage in self.outages if outage.until > since]
            latest = max([latest, *ends])
        return latest

    def losses(self, whom: str, since: float) -> int:
        """How many touches of this lobby alone there were since."""
        return sum(one.whom == whom and one.at >= since for one in self._touches)

    def down(self, now: float, for_s: float = 0.0) -> bool:
        """Whether the control plane is away, or was within the last `for_s`."""
        return any(outage.since <= now and outage.until > now - for_s for outage in self.outages)
