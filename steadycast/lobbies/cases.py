"""What was kept of workers that hung: found by the receipt of their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from steadycast.errors import NotFoundError
from steadycast.workers.evidence import RUNG

if TYPE_CHECKING:
    from steadycast.lobbies.lobbies import LobbiesParts

READ_S = 5.0


class Cases:
    """The part of `Lobbies` about evidence."""

    _parts: LobbiesParts

    async def evidence(self, receipt: str) -> dict[str, Any]:
        """A case as `workers.evidence.Evidence`, by the id of a receipt.

        Raises NotFoundError `receipt.unknown`, `evidence.none` (of a worker that did not hang, or it had to go).
        """
        found = await self._parts.store.receipt(receipt)
        if found is None:
            raise NotFoundError("receipt.unknown", "There is no such receipt.", hint="See /api/v1/receipts.")
        folder = self._parts.staging.supervisor.evidence
        if found.evidence is not None and folder is not None:
            async with asyncio.timeout(READ_S):
                case = await asyncio.to_thread(folder.read, found.evidence)
            if case is not None:
                return case
        why = "newer cases took its place (`workers.evidence`)"
        if found.evidence is None:
            tried = (rung.note for rung in found.rungs if rung.name == RUNG)
            why = next(tried, None) or "it was not ended because something in it hung"
        raise NotFoundError("evidence.none", "No evidence is kept with this receipt.", why=why)
