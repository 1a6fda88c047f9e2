"""What a restart did: whether what it was for went away, for how long, and what came back. What judges is pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from steadycast.watching.guard.facts import Act, Cause, Facts, Presence
from steadycast.watching.guard.journal import Journal, Kind
from steadycast.watching.guard.leaks import LeakWatch
from steadycast.watching.guard.reasons import Reason

KEPT = 50


class Came(StrEnum):
    """What came of a restart."""

    MEASURING = "measuring"
    HELPED = "helped"
    NOT = "did not help"
    BACK = "came back"


@dataclass(frozen=True, slots=True)
class Effect:
    """`level` is that of the finding, before and after, in its own unit; None where there is none. `took_s`: until it
    was well again, or until it came back."""

    at: float
    clock: float
    cause: Cause
    key: str
    why: str
    finding: str | None = None
    evidence: str | None = None
    level_before: float | None = None
    level_after: float | None = None
    came: Came = Came.MEASURING
    took_s: float | None = None

    def words(self) -> str:
        """One line for a person."""
        levels = ""
        if self.level_before is not None and self.level_after is not None:
            levels = f", {self.level_before:g} before and {self.level_after:g} after"
        took = "" if self.took_s is None else f" after {self.took_s:.1f} s"
        return f"the restart ({self.cause}) {_WORDS[self.came]}{took}{levels}"


_WORDS = {
    Came.MEASURING: "is being judged",
    Came.HELPED: "helped: it is well",
    Came.NOT: "did not help: the same is wrong",
    Came.BACK: "helped for a while: the same is wrong again",
}


def begun(reason: Reason, at: float, clock: float, level: float | None, evidence: str | None) -> Effect:
    """Right before a restart."""
    return Effect(at, clock, reason.cause, reason.key, reason.text, reason.finding, evidence, level)


def judge(effect: Effect, facts: Facts, level: float | None, clock: float, settled_s: float) -> Effect:
    """What is known of it by now. `level`: of the finding's series in the new life."""
    if effect.came in (Came.NOT, Came.BACK) or facts.server.presence is Presence.UNKNOWN:
        return effect
    ran_s = clock - effect.clock
    if effect.level_after is None and level is not None:
        effect = replace(effect, level_after=level)
    if _is_wrong_again(effect, facts):
        came = Came.BACK if effect.came is Came.HELPED else Came.NOT
        return replace(effect, came=came, took_s=ran_s)
    since = facts.server.since
    if effect.came is Came.MEASURING and since is not None and clock - since >= settled_s and _is_well(facts):
        return replace(effect, came=Came.HELPED, took_s=ran_s)
    return effect


def overtaken(effect: Effect, clock: float) -> Effect:
    """Before it could be judged there was reason for another restart, or for none any more."""
    return replace(effect, came=Came.NOT, took_s=clock - effect.clock) if effect.came is Came.MEASURING else effect


def _is_wrong_again(effect: Effect, facts: Facts) -> bool:
    if facts.server.presence is Presence.ENDED:
        return effect.cause is Cause.EXIT or effect.came is Came.MEASURING
    if effect.cause in (Cause.HEALTH, Cause.NEVER_HEALTHY):
        # One that was not well yet in this life has its time to become so; if it does not, there is another restart.
        ill = [one for one in facts.health if one.was_good and one.ok is False and one.failures >= one.allowed]
        return any(one.name == effect.key for one in ill)
    if effect.cause in (Cause.SIGNATURE, Cause.FINDING, Cause.EXHAUSTION):
        return any(sign.key == effect.key for sign in facts.signs)
    return False


def _is_well(facts: Facts) -> bool:
    """Nothing that would restart it, and nothing that cannot be told."""
    return facts.server.presence is Presence.RUNNING and all(
        one.ok is True for one in facts.health if one.act is Act.RESTART
    )


class Effects:
    """Those of the newest restarts, told as they come, and linked to the findings that set them off."""

    def __init__(self, journal: Journal, leaks: LeakWatch | None) -> None:
        self._journal = journal
        self._leaks = leaks
        self._kept: deque[Effect] = deque(maxlen=KEPT)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self._kept)

    def begin(self, effect: Effect) -> None:
        """A restart is made."""
        self._kept.append(effect)
        self._link(effect.finding, None)

    def overtake(self, clock: float) -> None:
        """As `overtaken`, of the newest."""
        if self._kept:
            self._kept[-1] = overtaken(self._kept[-1], clock)

    def judge(self, facts: Facts, clock: float, born: int | None, settled_s: float) -> None:
        """What is known by now of each. `born`: start time of the process that runs."""
        newest = {(one.cause, one.key): number for number, one in enumerate(self._kept)}
        for number in newest.values():  # those before were followed by the same again, which is told by now
            effect = self._kept[number]
            judged = judge(effect, facts, self.level(effect.finding, born), clock, settled_s)
            if judged.came is not effect.came and judged.came is not Came.MEASURING:
                self._journal.say(Kind.EFFECT, judged.words())
                self._link(judged.finding, judged.words())
            self._kept[number] = judged

    def level(self, finding: str | None, born: int | None) -> float | None:
        """The newest value of a finding's series in that life."""
        return None if self._leaks is None else self._leaks.level(finding, born)

    def _link(self, finding: str | None, effect: str | None) -> None:
        if self._leaks is not None:
            self._leaks.acted(finding, "the server was restarted", "it runs anew", effect)
