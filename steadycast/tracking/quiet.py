"""Renditions and viewers that ended in a worker that lives on: when it is looked at, and what of them stayed. Pure.

A look counts only where nothing came or went during it. What ended is clean once the worker holds no more than with the
same things open before. Else it is looked at again until threads have settled; then what is beyond is residue, told
once. Where nothing can be compared, that is said after a while, and the level found then is what later ends meet.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from steadycast.model import Check, Measures, Subject
from steadycast.tracking.levels import Levels, composition

KINDS = 64  # that are told apart in one worker
OPEN = 20_000  # things open in one worker that are followed
ENDED = 2_000  # that wait for a look
FIRST = "nothing was measured before with the same things open"
BUSY = "others came and went all the time, so nothing could be compared"
MANY = "too many ended at once to wait for a look"


@dataclass(frozen=True, slots=True)
class Lent:
    """A rendition or viewer in a worker. `key` is its own in that worker; `kind` is what those have in common that hold
    the same; `since` Unix seconds."""

    subject: Subject
    key: str
    name: str
    kind: str
    lobby: str | None
    since: float


@dataclass(frozen=True, slots=True)
class Ended:
    """One that ended, `at` Unix seconds and `when` on the clock of the looks; `before` was measured when it opened."""

    lent: Lent
    cause: str
    at: float
    when: float
    before: Measures | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one that ended."""

    ended: Ended
    checks: tuple[Check, ...]
    after: Measures | None


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `first`: from a change until the first look, which waits for more changes no longer than `most`.

    `settle`: after it all that goes has gone: idle threads of GLib's pools live for 15. `patience`: what ended so long
    ago and could not be compared is given up.
    """

    first: float = 0.5
    most: float = 2.0
    settle: float = 20.0
    patience: float = 60.0


class Quiet:
    """One worker. Times are of one monotonic clock, in seconds."""

    def __init__(self, pace: Pace) -> None:
        self.changes = 0  # how often something came or went
        self._pace = pace
        self._levels = Levels()
        self._open: dict[str, tuple[Lent, Measures | None]] = {}
        self._kinds: Counter[str] = Counter()
        self._warmed: set[str] = set()  # kinds of which one came and went
        self._ended: deque[Ended] = deque()
        self._last: Measures | None = None
        self._changed = 0.0
        self._since: float | None = None  # the first change that no look has seen
        self._wait: float | None = None  # from the last change until the next look; None: there is no need

    @property
    def waiting(self) -> int:
        """How many ended and are not judged yet."""
        return len(self._ended)

    @property
    def open(self) -> int:
        """How many are open."""
        return len(self._open)

    def opened(self, lent: Lent, now: float) -> None:
        """Something is open from now on; once only for a key."""
        if lent.key in self._open or len(self._open) >= OPEN:
            return
        self._open[lent.key] = lent, self._last
        self._kinds[self._kind(lent)] += 1
        self._change(now)

    def closed(self, lent: Lent, cause: str, at: float, now: float) -> tuple[Judged, ...]:
        """Something is gone; one that was never told as open counts as well. Answers with who waits no longer."""
        found = self._open.pop(lent.key, None)
        kind = self._kind(lent)
        if found is not None:
            lent = found[0]
            self._kinds[kind] -= 1
        self._warmed.add(kind)
        self._ended.append(Ended(lent, cause, at, now, None if found is None else found[1]))
        self._change(now)
        if len(self._ended) <= ENDED:
            return ()
        return (_unknown(self._ended.popleft(), MANY, None),)

    def due(self) -> float | None:
        """When to look; None: there is nothing to see."""
        if self._wait is None:
            return None
        if not self._ended:  # only the level of what is open now is wanted
            return self._changed + self._pace.settle
        at = self._changed + self._wait
        return at if self._since is None else min(at, self._since + self._pace.most)

    def seen(self, held: Measures | None, around: Mapping[str, int] | None, changes: int, now: float) -> list[Judged]:
        """A look that began when there had been so many `changes`. `around` is what else is open in the worker, None
        where that changed meanwhile; `held` is None where nothing could be measured."""
        self._since = None
        if held is None or held.descriptors is None or around is None or changes != self.changes:
            self._later(now)
            return self._give_up(now)
        self._last = held
        open_now, warmed = composition(self._kinds, around), frozenset(self._warmed)
        settled = now - self._changed >= self._pace.settle
        found = self._levels.compare(open_now, warmed, held)
        if found is not None and all(check.residue == () for check in found):
            if settled:
                self._levels.settle(open_now, warmed, held)
            self._rest(settled)
            return [Judged(one, found, held) for one in self._take()]
        if not settled:
            self._later(now)
            return self._give_up(now)
        self._rest(True)
        if found is None:
            self._levels.settle(open_now, warmed, held)
            return [_unknown(one, FIRST, held) for one in self._take()]
        self._levels.accept(open_now, warmed, held)
        return _shared(self._take(), found, held)

    def gone(self, checks: tuple[Check, ...], cause: str, at: float, now: float) -> list[Judged]:
        """The worker is gone, and all with it; `checks` are what was seen of that."""
        for lent, _ in tuple(self._open.values()):
            self.closed(lent, cause, at, now)
        self._wait = None
        return [Judged(one, checks, None) for one in self._take()]

    def unseen(self, checks: tuple[Check, ...]) -> list[Judged]:
        """No look will come any more."""
        return [Judged(one, checks, self._last) for one in self._take()]

    def _change(self, now: float) -> None:
        self.changes += 1
        self._changed = now
        self._since = now if self._since is None else self._since
        self._wait = self._pace.first

    def _later(self, now: float) -> None:
        """Look again after twice the time, at last when all has settled."""
        passed = max(now - self._changed, self._pace.first / 2)
        self._wait = self._pace.settle if passed < self._pace.settle < 2 * passed else 2 * passed

    def _rest(self, settled: bool) -> None:
        """Nothing waits; a composition that did not settle yet is looked at once more when it has."""
        self._wait = None if settled else self._pace.settle

    def _take(self) -> list[Ended]:
        taken = list(self._ended)
        self._ended.clear()
        return taken

    def _give_up(self, now: float) -> list[Judged]:
        found = []
        while self._ended and now - self._ended[0].when > self._pace.patience:
            found.append(_unknown(self._ended.popleft(), BUSY, self._last))
        return found

    def _kind(self, lent: Lent) -> str:
        known = self._kinds.keys() | self._warmed
        return lent.kind if lent.kind in known or len(known) < KINDS else "others"


def _unknown(one: Ended, why: str, after: Measures | None) -> Judged:
    return Judged(one, (Check("comparison", None, why),), after)


def _shared(ended: list[Ended], checks: tuple[Check, ...], after: Measures) -> list[Judged]:
    """Of several that ended together nobody knows whose it is: one receipt names it, the others name that one."""
    if len(ended) < 2:
        return [Judged(one, checks, after) for one in ended]
    first, *others = ended
    why = f"of this one and {len(others)} more that ended before the same look"
    told = tuple(check if not check.residue else Check(check.name, check.residue, why) for check in checks)
    refer = f"something stayed of those that ended together, told with {first.lent.name}"
    return [Judged(first, told, after), *(_unknown(one, refer, after) for one in others)]
