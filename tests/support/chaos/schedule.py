"""What strikes when, by the seed alone. Pure: the same seed gives the same strikes, so that a failure replays."""

from __future__ import annotations

import random
from dataclasses import dataclass

MEAN_S = 1.1  # between two strikes
WAVE = 13  # strikes until a calm


@dataclass(frozen=True, slots=True)
class Kind:
    """How often a kind comes in one deck, and how long it lasts (seconds); `never` is the chance that it stays so."""

    cards: int = 1
    lasts: tuple[float, float] = (0.0, 0.0)
    never: float = 0.0


KINDS = {
    "kill_plane": Kind(3, (0.2, 3.0)),
    "quit_plane": Kind(1, (0.2, 1.0)),
    "stop_plane": Kind(1, (0.5, 5.0)),
    "kill_lobby": Kind(3),
    "stop_lobby": Kind(2, (0.3, 4.0), 0.5),
    "kill_egress": Kind(2),
    "stop_egress": Kind(1, (0.3, 3.0), 0.4),
    "kill_spare": Kind(1),
    "stop_spare": Kind(1, (1.0, 3.0), 0.5),
    "kill_own": Kind(1),
    "kill_display": Kind(1),
    "stop_display": Kind(1, (0.3, 4.0), 0.5),
    "kill_x": Kind(1),
    "stop_x": Kind(1, (0.3, 3.0)),
    "kill_application": Kind(1),
    "stop_application": Kind(1, (0.5, 4.0), 0.3),
    "kill_camera": Kind(1, (0.5, 4.0)),
    "freeze_camera": Kind(1, (0.5, 4.0)),
    "fill_disk": Kind(1, (1.0, 3.0)),
    "read_only": Kind(1, (1.0, 3.0)),
    "start_read_only": Kind(1, (0.2, 0.5)),
    "few_descriptors": Kind(1, (1.0, 3.0)),
    "jump_clock": Kind(1),
    "crowd": Kind(1, (0.5, 2.0)),
    "equal_keys": Kind(2, (0.5, 2.0)),
    "fault": Kind(2, (0.5, 3.0)),
    "second_plane": Kind(1),
    "slow_reader": Kind(1, (3.0, 8.0)),
    "little_memory": Kind(1, (1.0, 3.0)),
    "recycle": Kind(3),
    "patch": Kind(2),
    "reload": Kind(2),
    "visit": Kind(3, (0.0, 3.0)),
}


@dataclass(frozen=True, slots=True)
class Strike:
    """At `at` seconds of its wave; `lasts` None: for ever. `pick` and `amount` (0 to 1) choose among what is there."""

    at: float
    kind: str
    pick: float
    amount: float
    lasts: float | None

    def choose(self, number: int) -> int:
        """One of so many."""
        return min(int(self.pick * number), number - 1)

    def __str__(self) -> str:
        lasts = "for ever" if self.lasts is None else f"{self.lasts:.2f} s"
        return f"{self.kind} pick={self.pick:.2f} amount={self.amount:.2f} {lasts}"


def schedule(
    seed: int, strikes: int, without: frozenset[str] = frozenset(), wave_of: int = WAVE
) -> tuple[tuple[Strike, ...], ...]:
    """So many strikes in waves, with a calm after each. Every kind comes before any comes more often than its cards."""
    dice = random.Random(seed)
    deck: list[str] = []
    waves: list[tuple[Strike, ...]] = []
    left = strikes
    while left > 0:
        wave, at = [], 0.0
        for _ in range(min(wave_of, left)):
            deck = deck or _shuffled(dice, without)
            at += dice.expovariate(1 / MEAN_S)
            wave.append(_strike(dice, at, deck.pop()))
        waves.append(tuple(wave))
        left -= len(wave)
    return tuple(waves)


def _shuffled(dice: random.Random, without: frozenset[str]) -> list[str]:
    """One card of each kind lies on top, so that a short run has as many kinds as it can."""
    first = [name for name in KINDS if name not in without]
    rest = [name for name in first for _ in range(KINDS[name].cards - 1)]
    dice.shuffle(first)
    dice.shuffle(rest)
    return rest + first


def _strike(dice: random.Random, at: float, name: str) -> Strike:
    kind = KINDS[name]
    lasts: float | None = dice.uniform(*kind.lasts)
    if dice.random() < kind.never:
        lasts = None
    return Strike(at, name, dice.random(), dice.random(), lasts)
