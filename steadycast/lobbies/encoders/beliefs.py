"""What is believed of each device and codec, because a trial said so; it goes on the disk, and decides what is tried
next. It runs nothing itself; times are seconds of the host's monotonic clock, `at` is Unix seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from steadycast.config.encoder_settings import FragmentSettings
from steadycast.lobbies.encoders.orders import mark_of, orders_of
from steadycast.model import Codec, EncoderFault, EncoderOrder
from steadycast.vendors.protocol import Device
from steadycast.workers.trials import TrialResult

DEVICES = 64
KEPT = 1024  # answers on the disk, of devices that are not there too; the oldest is forgotten
# A trial that failed for one of these fails again until something is changed; others are tried again.
LASTING = frozenset({EncoderFault.UNSUPPORTED, EncoderFault.VERSION, EncoderFault.SETTINGS})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 300.0
TRIES = 8  # then a change or a person is waited for

Pair = tuple[str, Codec]


class BeliefState(StrEnum):
    WORKS = "works"
    FAILS = "fails"
    UNTRIED = "untried"
    TRYING = "trying"


@dataclass(eq=False)
class Belief:
    """One device and codec. `order` is the one that worked; `again` is when it may be tried (None: not by itself)."""

    device: str
    hardware: bool
    codec: Codec
    orders: tuple[EncoderOrder, ...]
    mark: str
    state: BeliefState = BeliefState.UNTRIED
    order: EncoderOrder | None = None
    element: str | None = None
    why: str | None = None
    at: float | None = None
    tries: int = 0
    again: float | None = 0.0

    @property
    def works(self) -> bool:
        """It may be given work."""
        return self.order is not None

    @property
    def doubt(self) -> str | None:
        """Why it gets no work."""
        if self.works:
            return None
        if self.state is BeliefState.FAILS:
            return f"its trial failed: {self.why}"
        return "its trial runs" if self.state is BeliefState.TRYING else self.why or "it was not tried yet"


class Beliefs:
    """All of them. `keep` writes one down under a name; None forgets it."""

    def __init__(
        self,
        fragments: Mapping[str, FragmentSettings],
        gstreamer: str | None,
        keep: Callable[[str, Any], None],
    ) -> None:
        self._fragments = fragments
        self._gstreamer = gstreamer
        self._keep = keep
        self._kept: dict[str, Any] = {}
        self._all: dict[Pair, Belief] = {}

    def load(self, facts: Mapping[str, Any]) -> None:
        """What was kept by an earlier run."""
        self._kept = dict(facts)

    def look(self, devices: Iterable[Device]) -> None:
        """These devices are there. What is known stays as long as driver, GStreamer and orders are the same."""
        there: dict[Pair, Belief] = {}
        for device in tuple(devices)[:DEVICES]:
            for codec, orders in orders_of(device, self._fragments).items():
                mark = mark_of(device, self._gstreamer, orders)
                known = self._all.get((device.id, codec))
                fresh = known is None or known.mark != mark
                there[device.id, codec] = self._new(device, codec, orders, mark) if fresh or known is None else known
        self._all = there

    def get(self, device: str, codec: Codec) -> Belief | None:
        return self._all.get((device, codec))

    def of(self, device: str) -> Iterator[Belief]:
        """All of a device."""
        return (belief for (id, _), belief in self._all.items() if id == device)

    def of_codec(self, codec: Codec) -> Iterator[Belief]:
        """All devices that may encode a codec."""
        return (belief for (_, of), belief in self._all.items() if of is codec)

    def due(self, now: float, hardware: bool) -> tuple[Belief, ...]:
        """What may be tried now, H.264 first; what failed last comes last."""
        found = [
            belief
            for belief in self._all.values()
            if belief.hardware is hardware and belief.again is not None and belief.again <= now
        ]
        return tuple(sorted(found, key=lambda belief: (belief.tries, belief.codec is not Codec.H264)))

    def began(self, belief: Belief) -> None:
        """Its trial runs."""
        belief.state, belief.again = BeliefState.TRYING, None

    def put_off(self, belief: Belief, until: float, why: str) -> None:
        """It cannot be tried now, which says nothing about it."""
        belief.state, belief.again, belief.why = BeliefState.UNTRIED, until, why

    def ended(self, belief: Belief, order: EncoderOrder, answer: TrialResult, now: float, at: float) -> None:
        """Its trial gave this answer for this order."""
        belief.at, belief.element, belief.why = at, answer.element, answer.why or answer.what
        belief.tries += 1
        if answer.ok:
            belief.state, belief.order, belief.why = BeliefState.WORKS, order, None
            belief.again, belief.tries = None, 0
            self._write(belief, answer.fault)
            return
        belief.state, belief.order = BeliefState.FAILS, None
        if answer.fault in LASTING:
            belief.again = None
            self._write(belief, answer.fault)
        else:
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (belief.tries - 1))
            belief.again = now + pause if belief.tries < TRIES else None

    def doubted(self, device: str, codec: Codec, why: str, now: float) -> None:
        """It did not do what was believed: a trial decides."""
        belief = self._all.get((device, codec))
        if belief is not None and belief.state is not BeliefState.TRYING:
            belief.state, belief.order, belief.why = BeliefState.UNTRIED, None, why
            belief.again, belief.tries = now, 0
            self._forget(belief)

    def try_again(self, device: str, now: float, *, everything: bool = False) -> None:
        """Try what does not work on a device once more, or `everything`, which goes on working meanwhile."""
        for belief in self.of(device):
            if belief.state is not BeliefState.TRYING and (everything or not belief.works):
                belief.again, belief.tries = now, 0

    # --- inside

    def _new(self, device: Device, codec: Codec, orders: tuple[EncoderOrder, ...], mark: str) -> Belief:
        belief = Belief(device.id, device.hardware, codec, orders, mark)
        kept = self._kept.get(_name(belief))
        if isinstance(kept, dict) and kept.get("mark") == mark:
            self._remember(belief, kept)
        elif not device.hardware and codec is Codec.H264:
            # The readiness check encodes with it, and nobody should wait for it at the first start.
            belief.state, belief.order, belief.again = BeliefState.WORKS, orders[0], None
        return belief

    def _remember(self, belief: Belief, kept: Mapping[str, Any]) -> None:
        number = kept.get("order")
        at, element, why = kept.get("at"), kept.get("element"), kept.get("why")
        belief.at = at if isinstance(at, int | float) else None
        belief.element = element if isinstance(element, str) else None
        belief.why = why if isinstance(why, str) else None
        belief.again = None
        if isinstance(number, int) and 0 <= number < len(belief.orders):
            belief.state, belief.order = BeliefState.WORKS, belief.orders[number]
        else:
            belief.state = BeliefState.FAILS

    def _write(self, belief: Belief, fault: EncoderFault | None) -> None:
        number = None if belief.order is None else belief.orders.index(belief.order)
        value = {
            "mark": belief.mark,
            "order": number,
            "element": belief.element,
            "why": belief.why,
            "fault": fault,
            "at": belief.at,
        }
        self._kept.pop(_name(belief), None)
        self._kept[_name(belief)] = value
        self._keep(_name(belief), value)
        while len(self._kept) > KEPT:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            self._keep(oldest, None)

    def _forget(self, belief: Belief) -> None:
        if self._kept.pop(_name(belief), None) is not None:
            self._keep(_name(belief), None)


def _name(belief: Belief) -> str:
    return f"{belief.device} {belief.codec}"
