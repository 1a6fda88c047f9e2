"""Why a lobby does not stream, as its viewers and a person are told. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from steadycast.errors import SourceError
from steadycast.lobbies.retry import Loss, LossKind


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a lobby is DEGRADED. `retry_at`: when it is tried again (Unix seconds); None: not by itself."""

    loss: Loss
    retry_at: float | None
    stays: str | None  # why it is not tried again, where the loss itself does not say
    lobby: str
    latched: bool = False  # by the breaker

    def why(self) -> str:
        """For a person."""
        words = self.loss.what if self.loss.why is None else f"{self.loss.what}: {self.loss.why}"
        return words if self.stays is None else f"{words} ({self.stays})"

    def hint(self) -> str | None:
        """What a person can do about it."""
        if self.retry_at is not None:
            return self.loss.hint
        again = f"Then `steadycast lobby restart {self.lobby}`, or POST /api/v1/lobbies/{self.lobby}/restart."
        return f"{self.loss.hint or 'Put it right; receipts, evidence and the log say more.'} {again}"

    def refusal(self, now: float) -> SourceError | None:
        """What somebody is told who wants to watch; None where it is worth waiting: our worker is started again."""
        if self.loss.kind is LossKind.WORKER and self.retry_at is not None:
            return None
        lost = self.loss
        wait = None if self.retry_at is None else max(1.0, self.retry_at - now)
        return SourceError(lost.code, lost.what, why=lost.why or self.stays, hint=self.hint(), retry_after=wait)
