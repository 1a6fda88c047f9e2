"""Looks at the devices and takes in what was seen: other programs' sessions, faults, drift."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from steadycast.leases.reconcile import Drift, Finding, Held, Shown, reconcile
from steadycast.lobbies.encoders.books import Books
from steadycast.lobbies.encoders.outcomes import Outcomes
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.encoders.roster import Known
from steadycast.vendors.protocol import VendorState

log = structlog.get_logger("encoders")

# From opening or closing an encoder until its session must show, or be gone: more than the deadlines for both.
GRACE_S = 15.0
TOLD = 1024  # findings that are told once while they last


class Watch:
    """One look at a time, however many ask for it. `trials` are encoders that trials have open; `known` is called when
    the roster is new, before anybody acts on it."""

    def __init__(
        self,
        parts: EncodersParts,
        books: Books,
        outcomes: Outcomes,
        trials: Callable[[], Iterable[Held]],
        known: Callable[[], None] = lambda: None,
    ) -> None:
        self._parts = parts
        self._books = books
        self._outcomes = outcomes
        self._trials = trials
        self._known = known
        self._looking: asyncio.Task[None] | None = None
        self._told: set[Finding] = set()
        self._reaped: set[int] = set()
        self.first = asyncio.Event()  # set after the first look
        self.drift: Counter[str] = Counter(orphan=0, unseen=0)

    async def look(self) -> None:
        """A new look, or the one that is under way. Takes as long as the slowest vendor's deadline."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="look at devices")
        await asyncio.shield(self._looking)

    def take_what_is_there(self) -> None:
        """The first look takes long: go on with the vendors that answered."""
        self._books.roster.look(self._parts.attendance.reports(), ())
        self._books.beliefs.look(self._books.roster.devices)
        self._known()

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    async def _look(self) -> None:
        reports = await self._parts.attendance.look_all()
        books, now = self._books, self._parts.clock()
        before = {known.device.id: known.state for known in books.roster}
        faults = books.roster.look(reports, books.lent.devices)
        books.beliefs.look(books.roster.devices)
        self._known()
        for known in books.roster:
            recovered = known.state is VendorState.WORKS and before.get(known.device.id, known.state) is not known.state
            if recovered:
                books.beliefs.try_again(known.device.id, now)
        for device, fault in faults:
            if books.breaker(device).failed(now, f"{fault.code}: {fault.what}", fatal=fault.fatal):
                self._outcomes.breaker_said(device, f"{fault.code}: {fault.what}")
        self._reconcile(now)
        books.forget_gone()
        books.refresh()
        self._outcomes.looked()
        self.first.set()

    def _reconcile(self, now: float) -> None:
        books = self._books
        held = [
            Held(lent.seat.request.holder, lent.seat.device, lent.seat.pid, lent.seat.opened)
            for lent in books.lent
            if lent.seat.hardware
        ]
        shown = [_shown(known) for known in books.roster if known.device.hardware]
        workers = self._parts.pids_of_workers()
        ours = books.own_pids({*workers, *self._parts.children()}, now)
        found = reconcile((*held, *self._trials()), shown, ours, now, GRACE_S)
        books.occupied(found.foreign, found.taken)
        drifts = {finding for finding in found.findings if finding.drift is not Drift.FOREIGN}
        for finding in drifts - self._told:
            self.drift[finding.drift.value] += 1
            self._say(finding, workers.get(finding.pid))
        # Twice in a row: what was seen once may have been about to close. A process that never had an encoder of that
        # device is not ended on a vendor's word.
        for finding in drifts & self._told:
            may = finding.pid in workers and books.encoded(finding.pid, finding.device)
            if finding.drift is Drift.ORPHAN and may and finding.pid not in self._reaped:
                self._reaped.add(finding.pid)
                self._parts.reap(finding.pid, f"it holds an encoder session on {finding.device} that nobody has")
        self._told = set(sorted(drifts, key=lambda finding: finding.pid)[:TOLD])
        self._reaped &= workers.keys()

    def _say(self, finding: Finding, lobby: str | None) -> None:
        why = {
            Drift.ORPHAN: f"process {finding.pid} holds {finding.sessions} sessions that nobody has a lease for",
            Drift.UNSEEN: f"the driver shows no session of process {finding.pid}, which has a lease",
        }[finding.drift]
        log.warning("encoder.drift", drift=finding.drift.value, device=finding.device, pid=finding.pid, why=why)
        data = {"drift": finding.drift.value, "device": finding.device, "pid": finding.pid, "holder": finding.holder}
        known = {key: value for key, value in data.items() if value is not None}
        self._parts.events.publish("encoder", "encoder.drift", lobby=lobby, why=why, data=known)


def _shown(known: Known) -> Shown:
    use = known.use
    pids = None if use is None or use.sessions is None else tuple(session.pid for session in use.sessions)
    return Shown(known.device.id, known.device.pool, pids, None if use is None else use.session_count)
