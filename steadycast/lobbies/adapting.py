"""What bitrate a shared rendition is made with, by what the ways to its viewers carry. Pure: time is an argument.

All viewers of a rendition see the same packets, so the worst of them counts. Down goes it at once, up by steps and only
after the way has carried more for a while; a fall soon after a rise makes the next rise wait twice as long, so that a
way that stays narrow is tried less and less often.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

SHARE = 0.9  # of the estimate that the picture may take: frames are uneven
DOWN = 0.95  # a bound above this part of the bitrate changes nothing
UP = 1.1  # nor does one below so many times the bitrate
STEP = 1.5  # a rise is at most so many times the bitrate
SOON_S = 20.0  # a fall within this time of a rise was caused by it
HOLD_MOST_S = 120.0
LEAST_KBPS = 100  # no floor is below: H.264 of any size is of no use with less
_ROUND = 10  # kbit/s


@dataclass(frozen=True, slots=True)
class Bounds:
    """kbit/s. `ceiling` is the rendition's own bitrate."""

    floor: int
    ceiling: int


@dataclass(frozen=True, slots=True)
class Tuning:
    """The bitrate that a rendition shall have now, kbit/s, and why. `more_since`: the ways have carried more since
    then; `rose`: when it last went up, `fell`: and came down after that; `hold_s`: how long more must be carried before
    it goes up."""

    kbps: int
    why: str | None
    hold_s: float
    more_since: float | None = None
    rose: float | None = None
    fell: bool = False


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was set on an encoder that plays. `asked` None: its rendition's own bitrate; 0: not known. `in_force` is
    what the encoder tells, kbit/s. `fixed`: why it takes no other bitrate while it plays; `tried`: when it was last
    replaced for that, or was to be."""

    asked: int | None = None
    in_force: int | None = None
    fixed: str | None = None
    tried: float | None = None


def bounds(own_kbps: int, least_kbps: int | None, floor: float) -> Bounds:
    """`floor` is a part of the rendition's own bitrate, `least_kbps` its own word on it. A rendition whose least is its
    own bitrate, or more, is never lowered."""
    least = max(LEAST_KBPS, round(own_kbps * floor)) if least_kbps is None else least_kbps
    return Bounds(min(least, own_kbps), own_kbps)


def tune(limits: Bounds, before: Tuning | None, ways: Sequence[float], now: float, hold_s: float) -> Tuning | None:
    """The next state of a rendition. `ways` are what is known of what the ways to its viewers carry, kbit/s; a viewer
    of whom nothing is known is not in it. None: it has its own bitrate, and nothing is to be remembered."""
    worst = min(ways, default=None)
    room = limits.ceiling if worst is None else _within(worst * SHARE, limits)
    if before is None and room >= limits.ceiling * DOWN:
        return None
    state = before or Tuning(limits.ceiling, None, hold_s)
    kbps = min(max(state.kbps, limits.floor), limits.ceiling)  # the rendition may have become another one
    if room < kbps * DOWN:
        return _fall(state, room, f"the way to a viewer carries some {round(worst or 0)} kbit/s", now, hold_s)
    if kbps == limits.ceiling:
        calm = state.rose is None or now - state.rose > HOLD_MOST_S
        return None if calm else replace(state, kbps=kbps, why=None, more_since=None)
    if room < kbps * UP and room < limits.ceiling:
        return replace(state, kbps=kbps, more_since=None)
    if state.more_since is None:
        return replace(state, kbps=kbps, more_since=now)
    if now - state.more_since < state.hold_s:
        return replace(state, kbps=kbps)
    higher = min(room, _within(kbps * STEP, limits))
    hold = state.hold_s if state.fell else hold_s
    return Tuning(higher, "the ways to its viewers carry more again", hold, now, now)


def _fall(state: Tuning, room: int, why: str, now: float, hold_s: float) -> Tuning:
    soon = state.rose is not None and now - state.rose <= SOON_S
    hold = min(2 * state.hold_s, HOLD_MOST_S) if soon else max(hold_s, state.hold_s)
    return Tuning(room, why, hold, None, state.rose, fell=True)


def _within(kbps: float, limits: Bounds) -> int:
    return min(max(int(kbps) // _ROUND * _ROUND, limits.floor), limits.ceiling)


# --- one whose way is far narrower than the others'

WORSE = 0.5  # of the median of the others
TURN_S = 5.0  # that it must be so
REST_S = 60.0  # after a turn that did not work, or before the first turn back
REST_MOST_S = 1800.0
BACK = 1.2  # of its own bitrate that the way of a viewer must carry, before it is turned back


def far_worse(rooms: Mapping[str, float]) -> str | None:
    """The viewer whose way carries less than half of what the others' do, by their median; None: there is none such.
    `rooms` are what the rendition may have for each, its own bitrate for one of whom nothing is known."""
    if len(rooms) < 2:
        return None
    worst = min(rooms, key=lambda viewer: rooms[viewer])
    others = statistics.median(room for viewer, room in rooms.items() if viewer != worst)
    return worst if rooms[worst] < WORSE * others else None


def smaller(own: Mapping[str, int], of: str, room: float) -> str | None:
    """The rendition for a viewer that `of` is too much for: the largest that its way carries, else the smallest there
    is. `own` are bitrates by rendition, kbit/s, of the same codec. None: there is none that is smaller."""
    less = {name: kbps for name, kbps in own.items() if kbps < own[of]}
    if not less:
        return None
    fitting = [name for name, kbps in less.items() if kbps <= room]
    return max(fitting, key=lambda name: less[name]) if fitting else min(less, key=lambda name: less[name])


@dataclass(frozen=True, slots=True)
class Turned:
    """A viewer that was brought to a smaller rendition, at a moment, and may go back to its own (`home`) after `rest_s`
    in which its way carried more."""

    home: str
    at: float
    rest_s: float = REST_S


def turn_again(before: Turned | None, home: str, now: float) -> Turned:
    """It is brought to a smaller one: where it had been turned back not long ago, it stays there twice as long."""
    if before is None or now - before.at > 2 * before.rest_s:
        return Turned(home, now)
    return Turned(home, now, min(2 * before.rest_s, REST_MOST_S))
