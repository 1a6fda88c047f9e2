"""The seat of what made a track before, on its way to what makes it next."""

from __future__ import annotations

import asyncio

import structlog

from steadycast.lobbies.seats import Encoding, Seat

log = structlog.get_logger("lobby")

COMES_S = 30.0  # more than the deadlines of closing an encoder and of ending its worker


class Legacy:
    """Comes once, and is taken once or given back."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._seat: asyncio.Future[Seat | None] = asyncio.get_running_loop().create_future()
        self._wanted = True

    def come(self, seat: Seat | None) -> None:
        """What was before has let go of it; None: its device has no room for what comes next."""
        if self._wanted:
            self._seat.set_result(seat)
        elif seat is not None:
            self._encoding.give_back(seat)

    async def take(self) -> Seat | None:
        """The seat; None where there is none, or it does not come in time. Once."""
        try:
            await asyncio.wait({self._seat}, timeout=COMES_S)
        except asyncio.CancelledError:
            self.refuse()
            raise
        if not self._seat.done():
            log.warning("a seat is not let go of", after_s=COMES_S)
            self.refuse()
            return None
        return self._seat.result()

    def refuse(self) -> None:
        """Nobody takes it: it is given back when it comes."""
        if self._wanted and self._seat.done():
            seat = self._seat.result()
            if seat is not None:
                self._encoding.give_back(seat)
        self._wanted = False
