"""Refusals in words for a tired operator. Pure."""

from __future__ import annotations

from steadycast.errors import RefusedError
from steadycast.leases.decisions import Denial, Deny

_WHAT = {
    Denial.ENCODER_SESSIONS: "No encoder session is free.",
    Denial.VRAM: "Too little video memory is free.",
    Denial.CPU_BUDGET: "The CPU has no room for another software encoder.",
    Denial.GPU_QUARANTINED: "The GPU gets no new work at the moment.",
    Denial.DRIVER_REFUSED: "The driver refused the encoder.",
    Denial.NO_ENCODER: "Nothing here encodes this.",
    Denial.DESCRIPTORS: "Too few file descriptors are free.",
    Denial.QUEUE_FULL: "Too many wait for an encoder already.",
}


def refusal(denial: Deny) -> RefusedError:
    """The error of a decision."""
    what = _WHAT.get(denial.code, "The encoder is refused.")
    return RefusedError(denial.code.value, what, why=denial.why, hint=denial.hint, retry_after=denial.retry_after)


def timed_out(position: int, waited_s: float, why: str) -> RefusedError:
    """Its turn in the line did not come in time."""
    what = f"No encoder became free within {waited_s:.0f} s."
    text = f"It was number {position} in the line. {why}"
    hint = 'Ask again, end another encoding, or allow software (`when_full = "fallback"`).'
    return RefusedError(Denial.QUEUE_TIMEOUT.value, what, why=text, hint=hint, retry_after=5)


def not_looked(seconds: float) -> RefusedError:
    """The vendors did not say yet which devices there are."""
    what = "Which encoders are here is not known yet."
    return RefusedError(
        Denial.GPU_QUARANTINED.value, what, why=f"No vendor answered within {seconds:g} s.", retry_after=2
    )


def closing() -> RefusedError:
    return RefusedError("host.closing", "The host ends.", retry_after=10)
