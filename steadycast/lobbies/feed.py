"""One track of a lobby that is in use: who holds it, what makes it, and the buses that carry it. No I/O."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from steadycast.errors import SteadycastError
from steadycast.leases.budget import Budget
from steadycast.lobbies.adapting import Tuning
from steadycast.lobbies.asking import Tried
from steadycast.lobbies.choose import AUDIO
from steadycast.lobbies.egresses import Egress
from steadycast.lobbies.feed_life import Facts, FeedLife
from steadycast.lobbies.instances import Instance
from steadycast.lobbies.legacy import Legacy
from steadycast.lobbies.seats import Seat
from steadycast.model import Rendition, TrackInfo

NO_TRACK = "track.none"  # the source has no such track (any more)
# A bus that breaks, or an encoder that fails, is replaced this often (a second, and at once); then its viewers go.
REPLACED_PER_S = 0.2
REPLACED_AT_ONCE = 5.0
FACTS = frozenset({"instance", "moving", "closing", "closed"})  # fields of a feed that its state follows from


async def after(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait for what moves a track already. Cut off it takes that along: who gives a track up knows only the last."""
    try:
        if tasks:
            await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise


def replacements(now: float) -> Budget:
    """How often something may be replaced."""
    return Budget(REPLACED_PER_S, REPLACED_AT_ONCE, now)


@dataclass(frozen=True, slots=True)
class Bus:
    """What an egress worker reads: packets of an instance. `name` is its reader's in the lobby worker, too."""

    instance: Instance
    name: str


@dataclass(eq=False)
class Swap:
    """An instance that shall take over. `buses` are those of egress workers that read the one before; in `taken` each
    has, by its name, what is set when its egress worker goes on with it (True) or needs it no more (False)."""

    instance: Instance
    buses: dict[Egress, Bus] = field(default_factory=dict)
    taken: dict[str, asyncio.Future[bool]] = field(default_factory=dict)

    def answer(self, name: str, taken: bool) -> None:
        """What became of a bus, said once; others than those waited for are no matter."""
        waiting = self.taken.get(name)
        if waiting is not None and not waiting.done():
            waiting.set_result(taken)

    def stop_waiting(self) -> None:
        """Nothing more will come."""
        for name in self.taken:
            self.answer(name, False)


@dataclass(eq=False)
class Feed:
    """One track; `encode` is None for a copy and for audio.

    `opening` brings the first instance on a stage, and all who need it wait for it; `moving` brings another; `waking`
    takes over one that is parked. `legacy`
    is the seat that comes to it from the one before. `lock` is held while buses are laid or closed. `failures` bounds
    the encoders that fail, `relays` the buses that break. `closing` and `closed` are its end; `life` follows all that.
    """

    track: str
    encode: Rendition | None
    failures: Budget
    tried: Tried
    life: FeedLife
    instance: Instance | None = None
    swap: Swap | None = None
    opening: asyncio.Task[Instance] | None = None
    moving: asyncio.Task[Any] | None = None
    waking: asyncio.Task[None] | None = None
    legacy: Legacy | None = None
    parked: Seat | None = None  # that others may have: nobody watches it
    holds: dict[str, Egress] = field(default_factory=dict)
    buses: dict[Egress, Bus] = field(default_factory=dict)
    relays: dict[Egress, Budget] = field(default_factory=dict)
    closing: bool = False
    closed: bool = False
    closes_at: float | None = None  # Unix seconds
    timer: asyncio.TimerHandle | None = None
    tuning: Tuning | None = None  # its bitrate by the ways to its viewers; None: its own
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in FACTS and hasattr(self, "lock"):  # whoever changes one of these cannot forget the state
            self.follow()

    def follow(self) -> None:
        """Bring its state to what is there of it; called where `holds` changed, too."""
        made, moving, held = self.instance is not None, self.moving is not None, bool(self.holds)
        self.life.follow(Facts(made, moving, held, self.closing, self.closed), time.monotonic())

    @property
    def info(self) -> TrackInfo | None:
        """What it carries now; None while it is not open."""
        return None if self.instance is None else self.instance.info

    @property
    def seat(self) -> Seat | None:
        """Where it encodes now."""
        return None if self.instance is None else self.instance.seat

    @property
    def newest(self) -> Instance | None:
        """What a new reader is given: what shall take over, where there is one."""
        if self.swap is not None and not self.swap.instance.dead:
            return self.swap.instance
        return self.instance

    @property
    def ends(self) -> bool:
        """Whether it is closed, or about to be: nothing takes over any more."""
        return self.closing or self.closed

    @property
    def can_move(self) -> bool:
        """Whether another encoder may take over now: it is encoded, is watched, and does not move."""
        return self.seat is not None and self.moving is None and bool(self.holds)

    def carried(self, egress: Egress) -> TrackInfo | None:
        """What an egress worker gets already, from what makes the track now; None: nothing."""
        bus, instance = self.buses.get(egress), self.instance
        if bus is None or instance is None or bus.instance is not instance:
            return None
        return None if instance.dead or not instance.stage.works else instance.info

    def may_relay(self, egress: Egress, now: float) -> bool:
        """Whether a bus to this egress worker may break once more."""
        return self.relays.setdefault(egress, replacements(now)).take(now) == 0

    def stop_opening(self) -> None:
        """Not there, or not now."""
        if self.opening is not None:
            self.opening.cancel()
            self.opening = None

    def awake(self, waking: asyncio.Task[None] | None) -> None:
        """A take-over is done, one way or the other."""
        if self.waking is waking:
            self.waking = None

    def give_up(self) -> set[asyncio.Task[Any]]:
        """Stop opening and moving: the tasks that end of it, and end their seats."""
        busy: set[asyncio.Task[Any]] = {task for task in (self.opening, self.moving) if task is not None}
        for task in busy:
            task.cancel()
        self.opening = None
        self.refuse_legacy()
        return busy

    def inherit(self, legacy: Legacy) -> None:
        """What is opened next gets this seat."""
        self.refuse_legacy()
        self.legacy = legacy

    def refuse_legacy(self) -> None:
        """Nothing is opened on the seat of the one before."""
        if self.legacy is not None:
            self.legacy.refuse()
            self.legacy = None

    def stop_waiting(self, egress: Egress) -> None:
        """This egress worker goes on with nothing of a swap: its bus is gone, or the worker is."""
        if self.swap is not None and egress in self.swap.buses:
            self.swap.answer(self.swap.buses.pop(egress).name, False)

    def egresses(self) -> frozenset[Egress]:
        """Where it is needed, or was read."""
        return frozenset({*self.holds.values(), *self.buses})


@dataclass(frozen=True, slots=True)
class Failed:
    """A track that cannot be brought to an egress worker, and why."""

    track: str
    egress: Egress
    error: SteadycastError

    @property
    def is_silence(self) -> bool:
        """Whether only the sound is gone, since the source has none."""
        return self.track == AUDIO and self.error.code == NO_TRACK
