"""All looks of a host in, findings out: the one door to leak detection. Pure: it reads no clock, file or process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from steadycast.model.findings import ActionTaken, Finding, FindingEvent, ProbeOutcome
from steadycast.model.series import Bound, Look, Measured
from steadycast.tracking.leaks.book import Book, Now, Scene
from steadycast.tracking.leaks.cases import telling
from steadycast.tracking.leaks.exhaustion import Limit, LimitPolicy
from steadycast.tracking.leaks.lives import Life, Trends
from steadycast.tracking.leaks.pace import activity
from steadycast.tracking.leaks.probing import ProbeWanted
from steadycast.tracking.leaks.stored import book_of, book_state
from steadycast.tracking.leaks.trend import Trend

SWEEP_S = 60.0
REMEMBERED = 1024  # series whose trends are saved: 36 KB each after three months
EPOCHS = 4  # earlier lives of a role whose late looks are known as such


@dataclass(frozen=True, slots=True)
class DetectionPolicy:
    """Bounds, and how long (seconds) nobody of a role may be seen until it is gone."""

    lives: int = 1024
    series: int = 8192
    limits: int = 2048
    gone: float = 900.0
    limit: LimitPolicy = field(default_factory=LimitPolicy)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is followed, and what is not: `refused` series and findings were one too many, `dropped` lives were the
    longest unseen."""

    lives: int
    series: int
    limits: int
    looks: int
    refused_series: int
    refused_findings: int
    dropped_lives: int
    open: int
    past: int


class Detection:
    """Of one host."""

    def __init__(self, policy: DetectionPolicy | None = None, trends: Trends | None = None) -> None:
        """`trends` makes what judges a series of some unit against time."""
        self._trends = trends or Trend
        self._policy = policy or DetectionPolicy()
        self._book = Book()
        self._lives: dict[tuple[str, str], Life] = {}
        self._epochs: dict[str, tuple[str, ...]] = {}  # role: newest lives, the present one last
        self._limits: dict[tuple[str, str], Limit] = {}
        self._series = 0
        self._looks = self._dropped = 0
        self._now = Now(0.0, 0.0)
        self._swept = float("-inf")

    def observe(self, look: Look, bounds: Iterable[Bound] = ()) -> tuple[FindingEvent, ...]:
        """One look, and the limits that its owner runs against. A look older than the last one of its owner is none."""
        self._looks += 1
        now = self._now = Now(look.at, look.monotonic)
        life = self._life(look, now)
        if life is None:
            return ()
        return tuple(self._observe(life, look, tuple(bounds), now))

    def probes_wanted(self) -> tuple[ProbeWanted, ...]:
        """Suspects that somebody should probe, each until `probed` is told."""
        return self._book.probes(self._now.monotonic)

    def probed(self, finding: str, outcome: ProbeOutcome) -> tuple[FindingEvent, ...]:
        """What came of one."""
        return tuple(self._book.probed(finding, outcome, self._now))

    def hindered(self, finding: str, why: str) -> None:
        """Why a probe that is wanted cannot be made yet, in words."""
        self._book.hindered(finding, why)

    def acted(self, finding: str, action: ActionTaken) -> bool:
        """Something was done about it; False where it is not open."""
        return self._book.acted(finding, action)

    def roles(self) -> tuple[str, ...]:
        """Of all that are followed."""
        return tuple(self._epochs)

    def forget(self, role: str) -> tuple[FindingEvent, ...]:
        """There will be nobody of this role any more: what is open of it is over."""
        for key in [key for key in self._lives if key[0] == role]:
            self._drop(key)
        self._epochs.pop(role, None)
        self._limits = {key: one for key, one in self._limits.items() if key[0] != role}
        return tuple(self._book.gone(role, self._now))

    def note_signature(self, role: str, name: str, says: str) -> None:
        """The log of an owner said something that means `says`."""
        self._book.signature(role, name, says)

    def note_receipt(self, role: str, residue: Iterable[str]) -> None:
        """A receipt of something in this owner shows what stayed."""
        self._book.receipt(role, tuple(residue))

    def findings(self) -> tuple[Finding, ...]:
        """Open ones, then those that are over, newest last."""
        return (*(case.finding() for case in self._book.open.values()), *self._book.past)

    def statistics(self) -> Statistics:
        return Statistics(
            lives=len(self._lives),
            series=self._series,
            limits=len(self._limits),
            looks=self._looks,
            refused_series=sum(life.refused for life in self._lives.values()),
            refused_findings=self._book.refused,
            dropped_lives=self._dropped,
            open=len(self._book.open),
            past=len(self._book.past),
        )

    def saved(self) -> dict[str, Any]:
        """As JSON, so that a control plane that starts again goes on. Beyond `REMEMBERED` series, trends learn anew."""
        lives, series = [], 0
        for life in self._lives.values():
            series += len(life)
            lives.append(life.state(remembers=series <= REMEMBERED))
        return {
            "version": 1,
            "now": [self._now.at, self._now.monotonic],
            "lives": lives,
            "limits": [[role, name, one.state()] for (role, name), one in self._limits.items()],
            "book": book_state(self._book),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """What `saved` gave; of another version or shape: nothing is taken over."""
        if saved.get("version") != 1:
            return
        self._now = Now(*saved["now"])
        self._book = book_of(saved["book"])
        for state in saved["lives"][: self._policy.lives]:
            life = Life.restored(state, self._trends)
            key = life.owner.role, life.owner.epoch
            self._lives[key] = life
            self._epochs[key[0]] = (key[1],)
            self._series += len(life)
        for role, name, state in saved.get("limits", ())[: self._policy.limits]:
            limit = self._limits[str(role), str(name)] = Limit(self._policy.limit)
            limit.restore(state)

    def _observe(self, life: Life, look: Look, bounds: tuple[Bound, ...], now: Now) -> Iterator[FindingEvent]:
        before, role = len(life), look.owner.role
        scene = Scene(look.owner, life.followed, bounds, now)
        said = list(life.look(look, self._policy.series - self._series))
        for measured, verdict in sorted(said, key=lambda one: telling(one[0])) if len(said) > 1 else said:
            yield from self._book.say(scene, measured, verdict)
        self._series += len(life) - before
        if self._book.follows(role):
            yield from self._book.settle(role, look.finished, now)
        for bound in bounds:
            yield from self._limit(look, bound, now)
        if now.monotonic - self._swept >= SWEEP_S:
            self._swept = now.monotonic
            yield from self._sweep(now)

    def _limit(self, look: Look, bound: Bound, now: Now) -> Iterator[FindingEvent]:
        role = look.owner.role
        key = role, bound.name
        limit = self._limits.get(key)
        if limit is None:
            if len(self._limits) >= self._policy.limits:
                return
            limit = self._limits[key] = Limit(self._policy.limit)
        verdict = limit.update(look.monotonic, bound.used, bound.limit, activity(look))
        if verdict is not None and not self._book.elsewhere(role, bound, verdict):
            # The name of the limit tells it from a growth of the same resource.
            measured = Measured(bound.measured.resource, bound.name)
            yield from self._book.say(Scene(look.owner, (), (bound,), now), measured, verdict)

    def _life(self, look: Look, now: Now) -> Life | None:
        """The life that is looked at; None for a look that comes too late."""
        role, epoch = look.owner.role, look.owner.epoch
        life = self._lives.get((role, epoch))
        if life is not None:
            return life if look.monotonic >= life.seen else None
        epochs = self._epochs.get(role, ())
        if epoch in epochs[:-1]:
            return None
        trends = None
        if epochs and epochs[-1] != epoch:
            before = self._lives.get((role, epochs[-1]))
            trends = before.trends if before is not None else None
            self._drop((role, epochs[-1]))
            self._book.restarted(look.owner, now)
            self._limits = {key: one for key, one in self._limits.items() if key[0] != role}
        if len(self._lives) >= self._policy.lives:
            self._drop(min(self._lives, key=lambda key: self._lives[key].seen))
            self._dropped += 1
        life = self._lives[role, epoch] = Life(look.owner, look.monotonic, self._trends, trends)
        self._series += len(life)
        self._epochs[role] = (*[one for one in epochs if one != epoch][-EPOCHS:], epoch)
        return life

    def _drop(self, key: tuple[str, str]) -> None:
        life = self._lives.pop(key, None)
        if life is not None:
            self._series -= len(life)

    def _sweep(self, now: Now) -> Iterator[FindingEvent]:
        """Roles of which nobody was seen for long are gone."""
        for key, life in list(self._lives.items()):
            if now.monotonic - life.seen >= self._policy.gone:
                self._drop(key)
                if self._epochs.get(key[0], ("",))[-1] == key[1]:
                    del self._epochs[key[0]]
                    self._limits = {one: limit for one, limit in self._limits.items() if one[0] != key[0]}
                    yield from self._book.gone(key[0], now)
