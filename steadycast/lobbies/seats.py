"""A seat: one encoder that a rendition was given, and what keeps all of them. What the rest of this room sees of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from steadycast.errors import EncoderError
from steadycast.leases.decisions import Denial, EncodeRequest, Trail
from steadycast.model import EncoderFault, EncoderOrder, EncoderReport


@dataclass(eq=False)
class Seat:
    """A place at a device, reserved before anything is built. Given back once, whatever happened.

    `number` is unique for the life of the host. `code` and `why` say why it is software though hardware is preferred.
    `no_hardware`: nothing here is made for it, so nothing is amiss. `pid`, `report` and `opened` (monotonic seconds)
    are there once it encodes, `fault` when it did not open or failed.
    """

    number: int
    request: EncodeRequest
    device: str
    device_name: str
    hardware: bool
    order: EncoderOrder
    taken: float
    code: Denial | None = None
    why: str | None = None
    trail: Trail = ()
    pid: int | None = None
    report: EncoderReport | None = None
    opened: float | None = None
    no_hardware: bool = False
    fault: EncoderFault | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands in the line for hardware: 1 is next. `promotion`: it encodes in software meanwhile."""

    holder: str
    position: int
    since: float
    code: Denial
    why: str
    promotion: bool = False


# Moves a holder to a new seat: True when it encodes there (`opened` was called), False when it did not work out
# (`refused` was called) or the holder is gone (`give_back` was called).
Mover = Callable[[str, Seat], Awaitable[bool]]


class Encoding(Protocol):
    """Who may encode where. Each seat that is given is ended by one of `refused`, `failed`, `give_back`,
    `renew`."""

    async def take(self, request: EncodeRequest) -> Seat:
        """A seat; waits in the line where the policy says so. Raises RefusedError (HTTP 503), its code a `Denial`."""

    def beside(self, request: EncodeRequest) -> Seat | None:
        """A seat that is free now, for a holder that goes on elsewhere and keeps what it has until then. Hardware, or
        software where the policy lets it at once; None: neither is free. Never waits, and passes nobody in the line."""

    def renew(self, seat: Seat, request: EncodeRequest) -> Seat | None:
        """It is closed, or its process is gone, and its holder goes on at once on the same device: gives the seat back
        and lends one for `request` in its place, before anybody in the line. None: the device has no room for that."""

    def adopt(self, request: EncodeRequest, order: EncoderOrder, pid: int, report: EncoderReport | None) -> Seat:
        """It encodes already, in a process of a former control plane: a seat for what is so, however little room there
        is. Works before the devices were looked at."""

    def opening(self, seat: Seat) -> AbstractAsyncContextManager[None]:
        """Around the opening of the encoder: some drivers bear only one at a time."""

    def opened(self, seat: Seat, pid: int, report: EncoderReport | None) -> None:
        """It encodes, in this process."""

    def reported(self, seat: Seat, report: EncoderReport) -> None:
        """More is known of its encoder."""

    def refused(self, seat: Seat, error: EncoderError) -> None:
        """It did not open. Learns from it and gives the seat back; ask again with the device in `refused`."""

    def failed(self, seat: Seat, fault: EncoderFault, what: str) -> None:
        """It had opened and failed later. Gives the seat back."""

    def give_back(self, seat: Seat) -> None:
        """It is closed, or its process is gone."""

    def idle(self, seat: Seat, give_up: Callable[[], Awaitable[None]] | None) -> None:
        """Nobody watches it: `give_up` closes it when somebody else needs its place. None: it is watched again."""

    def pass_to(self, seat: Seat, request: EncodeRequest) -> None:
        """It was idle, and another track of its lobby goes on with it, which asks for the same but for its bitrate."""

    def unfit(self, seat: Seat) -> None:
        """It was idle, and could not be taken over: it is ended by one of the others next."""

    def place(self, holder: str) -> Place | None:
        """Where a holder stands in the line."""
