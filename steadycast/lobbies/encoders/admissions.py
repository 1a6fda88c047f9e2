"""What was decided: a bounded ring to look at, counters, and the events of admission."""

from __future__ import annotations

from collections import Counter, deque

import structlog

from steadycast.errors import RefusedError
from steadycast.leases.decisions import Decision, Deny, EncodeRequest, Fallback, Grant, Queue, Trail
from steadycast.lobbies.device_views import AdmissionView
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.views import Page

log = structlog.get_logger("encoders")

RING = 256
FALLEN = 1024  # holders in software whose cause is remembered
_RESULTS: dict[type[Decision], str] = {Grant: "grant", Fallback: "fallback", Queue: "queue", Deny: "deny"}
_EVENTS: dict[type[Decision], str] = {
    Grant: "encoder.granted",
    Fallback: "encoder.fallback",
    Deny: "encoder.refused",
}


def lobby_of(holder: str) -> str:
    """The lobby of `<lobby>/<track>`."""
    return holder.partition("/")[0]


class Admissions:
    """The last `RING` decisions."""

    def __init__(self, parts: EncodersParts) -> None:
        self._parts = parts
        self._ring: deque[AdmissionView] = deque(maxlen=RING)
        self._number = 0
        self.totals: Counter[tuple[str, str]] = Counter()
        self.fallbacks: Counter[str] = Counter()
        self._fallen: dict[str, str | None] = {}  # by holder, the code that was told; None: a former host told it

    def add(self, request: EncodeRequest, decision: Decision, device: str | None = None) -> None:
        """Keep, count and tell a decision; `queued` tells of a place in the line."""
        code, why = (None, None) if isinstance(decision, Grant) else (decision.code.value, decision.why)
        result = _RESULTS[type(decision)]
        self._number += 1
        self.totals[result, code or "ok"] += 1
        view = AdmissionView(
            self._number, self._parts.wall(), request.holder, lobby_of(request.holder), request.codec.value, result,
            device, code, why, decision.trail,
        )  # fmt: skip
        self._ring.append(view)
        if isinstance(decision, Fallback):
            self.fallbacks[decision.code.value] += 1
        elif isinstance(decision, Grant):
            self._fallen.pop(request.holder, None)
        if not isinstance(decision, Queue) and not self._is_told(request.holder, decision):
            self._say(request, _EVENTS[type(decision)], device, code, why)

    def found(self, holder: str) -> None:
        """It was in software when this host found it, and was told why."""
        self._fall(holder, None)

    def _is_told(self, holder: str, decision: Decision) -> bool:
        """Whether it is in software for the cause that was told already. That is said once and not at each opening."""
        if not isinstance(decision, Fallback):
            return False
        code = decision.code.value
        told = holder in self._fallen and self._fallen[holder] in (None, code)
        self._fall(holder, code)
        return told

    def _fall(self, holder: str, code: str | None) -> None:
        self._fallen.pop(holder, None)
        self._fallen[holder] = code
        if len(self._fallen) > FALLEN:
            del self._fallen[next(iter(self._fallen))]

    def promoted(self, request: EncodeRequest, device: str, trail: Trail) -> None:
        """Somebody in software was moved to this device. It is no decision about a new request, so it counts apart."""
        self._number += 1
        view = AdmissionView(
            self._number, self._parts.wall(), request.holder, lobby_of(request.holder), request.codec.value,
            "promotion", device, None, None, trail,
        )  # fmt: skip
        self._ring.append(view)
        self._fallen.pop(request.holder, None)
        self._say(request, "encoder.promoted", device, None, None)

    def queued(self, request: EncodeRequest, decision: Queue, position: int) -> None:
        """Somebody stands in the line."""
        self._say(request, "encoder.queued", None, decision.code.value, decision.why, position)

    def refused(self, request: EncodeRequest, error: RefusedError) -> None:
        """Somebody left the line with nothing."""
        self.totals["deny", error.code] += 1
        self._say(request, "encoder.refused", None, error.code, error.why)

    def page(self, after: int | None, limit: int) -> Page[AdmissionView]:
        """Newest first; those older than number `after`."""
        rest = [view for view in reversed(self._ring) if after is None or view.number < after]
        shown = tuple(rest[:limit])
        return Page(shown, str(shown[-1].number) if len(rest) > limit else None)

    def _say(
        self,
        request: EncodeRequest,
        name: str,
        device: str | None,
        code: str | None,
        why: str | None,
        position: int | None = None,
    ) -> None:
        log.info(name, holder=request.holder, device=device, code=code, why=why, position=position)
        data = {"holder": request.holder, "device": device, "code": code, "position": position}
        known = {key: value for key, value in data.items() if value is not None}
        self._parts.events.publish("encoder", name, lobby=lobby_of(request.holder), why=why, data=known)
