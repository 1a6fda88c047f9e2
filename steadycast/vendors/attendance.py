"""Calls the vendors off the event loop, each with a deadline: one that hangs, raises or lies harms nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import structlog

from steadycast.vendors.answers import fault_in
from steadycast.vendors.protocol import Vendor, VendorError, VendorLook, VendorReport, VendorState

CLOSE_S = 2.0  # for a vendor to let go; one that does not is left to the end of the process
WHY = 1000  # characters of a report's text

_T = TypeVar("_T")
_log = structlog.get_logger("vendors")


@dataclass(frozen=True, slots=True)
class Attended:
    """A vendor of the config: `vendor` None where it is off. `deadline_s` is for one look."""

    name: str
    vendor: Vendor | None
    deadline_s: float


class _Call(Generic[_T]):
    """One blocking call in a daemon thread of its own, which is gone when the call returns. It may return never: the
    thread does not keep the process from exiting."""

    def __init__(self, function: Callable[[], _T], name: str) -> None:
        self.began = time.monotonic()
        self.ended: float | None = None
        self.value: _T | None = None
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._function = function
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self.ended is not None

    async def wait(self, deadline_s: float) -> bool:
        """Whether it returned in time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), deadline_s)
        return self.is_over

    def _run(self) -> None:
        try:
            self.value = self._function()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody else's code: judged, logged and told below
            self.error = error
        finally:
            self.ended = time.monotonic()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._over.set)


class _Post:
    """One vendor and how its last look went."""

    def __init__(self, attended: Attended) -> None:
        self._attended = attended
        self._call: _Call[VendorLook | None] | None = None
        self.report = VendorReport(attended.name, VendorState.OFF)

    async def look(self) -> None:
        vendor = self._attended.vendor
        if vendor is None:
            return
        if self._call is not None and not self._call.is_over:
            self._enter(self._hung(self._call))
            return
        self._call = call = _Call(vendor.look, f"vendor-{self._attended.name}")
        over = await call.wait(self._attended.deadline_s)
        self._enter(self._judged(call) if over else self._hung(call), call.error if over else None)

    async def close(self) -> None:
        """Its last call is given time to return; a vendor that still hangs is not called again."""
        vendor, until = self._attended.vendor, time.monotonic() + CLOSE_S
        if vendor is None or (self._call is not None and not await self._call.wait(CLOSE_S)):
            return
        closing = _Call(vendor.close, f"vendor-{self._attended.name}-close")
        over = await closing.wait(max(0.1, until - time.monotonic()))
        if not over or closing.error is not None:
            _log.warning("vendor not closed", vendor=self._attended.name, why=str(closing.error or "it hangs"))

    def _judged(self, call: _Call[VendorLook | None]) -> VendorReport:
        took = (call.ended or call.began) - call.began
        why, hint = _explained(call.error) if call.error is not None else (None, None)
        if call.error is None:
            why = fault_in(self._attended.name, call.value)
            hint = why and "This is a fault of the vendor's code: tell its makers, or switch it off in the config."
        if why is not None:
            return replace(self.report, state=VendorState.FAILS, why=why[:WHY], hint=hint, took_s=took)
        if call.value is None:
            return VendorReport(self._attended.name, VendorState.ABSENT, took_s=took)
        return VendorReport(self._attended.name, VendorState.WORKS, call.value, time.time(), took_s=took)

    def _hung(self, call: _Call[VendorLook | None]) -> VendorReport:
        hung = time.monotonic() - call.began
        why = f"no answer for {hung:.1f} s; it is not asked again before it answered"
        hint = "Its driver may hang: see the kernel's log (dmesg). Other devices go on."
        return replace(self.report, state=VendorState.HUNG, why=why, hint=hint, took_s=hung)

    def _enter(self, report: VendorReport, error: BaseException | None = None) -> None:
        before, self.report = self.report, report
        if before.state is report.state:
            return
        is_well = report.state in (VendorState.WORKS, VendorState.ABSENT)
        ours = error is None or isinstance(error, VendorError)
        tell = _log.info if is_well else _log.warning
        trace = {} if ours else {"exc_info": error}
        tell(f"vendor {report.state}", vendor=report.vendor, before=before.state, why=report.why, **trace)


def _explained(error: BaseException) -> tuple[str, str | None]:
    if isinstance(error, VendorError):
        return str(error.what), error.hint and str(error.hint)
    return f"{type(error).__name__}: {error}", None


class Attendance:
    """All vendors of the config. At most one call a vendor is outstanding, so a hung one costs one thread."""

    def __init__(self, attended: Sequence[Attended]) -> None:
        self._posts = tuple(map(_Post, attended))
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def look_all(self) -> tuple[VendorReport, ...]:
        """One look at every vendor, all at the same time; takes at most the longest deadline. Who asks while a look is
        under way gets its answer."""
        if not self._closed:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            await asyncio.shield(self._looking)
        return self.reports()

    def reports(self) -> tuple[VendorReport, ...]:
        """How the last looks went, without a new one."""
        return tuple(post.report for post in self._posts)

    async def close(self) -> None:
        """Vendors let go, within `CLOSE_S`. Nobody is called afterwards."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        await asyncio.gather(*(post.close() for post in self._posts))

    async def _look(self) -> None:
        await asyncio.gather(*(post.look() for post in self._posts))
