"""The seats that are lent, found by number, device and holder: nothing here takes longer because others are lent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from steadycast.leases.ledger import Reservation
from steadycast.leases.quota import LeaseError
from steadycast.lobbies.seats import Seat


@dataclass(frozen=True, slots=True)
class Lent:
    """A seat and what is reserved for it."""

    seat: Seat
    reservation: Reservation

    @property
    def load(self) -> int:
        """Pixels a second."""
        return int(self.seat.request.pixels_per_s)


class LentSeats:
    """All of them, the oldest first."""

    def __init__(self) -> None:
        self._all: dict[int, Lent] = {}
        self._on: dict[str, dict[int, Lent]] = {}
        self._holders: Counter[tuple[str, bool]] = Counter()  # with whether it is hardware
        self._loads: Counter[str] = Counter()
        self._instead: dict[int, Seat] = {}

    def __iter__(self) -> Iterator[Lent]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, seat: Seat) -> bool:
        return self.get(seat) is not None

    def get(self, seat: Seat) -> Lent | None:
        lent = self._all.get(seat.number)
        return lent if lent is not None and lent.seat is seat else None

    def add(self, lent: Lent) -> None:
        seat = lent.seat
        self._all[seat.number] = self._on.setdefault(seat.device, {})[seat.number] = lent
        self._holders[seat.request.holder, seat.hardware] += 1
        self._loads[seat.device] += lent.load
        if seat.code is not None:
            self._instead[seat.number] = seat

    def reserved(self, seat: Seat, reservation: Reservation) -> None:
        """Another reservation takes the place of what it had."""
        self._all[seat.number] = self._on[seat.device][seat.number] = Lent(seat, reservation)

    def remove(self, seat: Seat) -> Lent:
        """Raises LeaseError where it is not lent (any more)."""
        lent = self.get(seat)
        if lent is None:
            raise LeaseError(f"the seat {seat.number} of {seat.request.holder!r} is not lent")
        del self._all[seat.number]
        self._instead.pop(seat.number, None)
        here = self._on[seat.device]
        del here[seat.number]
        self._loads[seat.device] -= lent.load
        if not here:
            del self._on[seat.device], self._loads[seat.device]
        holder = seat.request.holder, seat.hardware
        self._holders[holder] -= 1
        if not self._holders[holder]:
            del self._holders[holder]
        return lent

    def on(self, device: str) -> Collection[Lent]:
        """Those on a device."""
        return self._on.get(device, {}).values()

    def load(self, device: str) -> int:
        """Pixels a second of a device."""
        return self._loads[device]

    @property
    def devices(self) -> frozenset[str]:
        """Where anything is lent."""
        return frozenset(self._on)

    def holds(self, holder: str, *, hardware: bool) -> bool:
        """Whether somebody has a seat on hardware, or on software."""
        return (holder, hardware) in self._holders

    def instead(self) -> Collection[Seat]:
        """Those in software though hardware is preferred."""
        return self._instead.values()
