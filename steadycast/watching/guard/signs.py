"""What the server's log says: the policy's own patterns, and the shipped signatures with the diagnosis they make."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

from steadycast.model import Remedy
from steadycast.tracking.signatures import Diagnosis, Incidents
from steadycast.tracking.signatures.facts import Facts
from steadycast.tracking.signatures.masking import masked
from steadycast.tracking.signatures.matcher import Match, Matcher
from steadycast.tracking.signatures.schema import load_table
from steadycast.watching.common.patterns import LINE
from steadycast.watching.guard.facts import Act, Cause, Sign
from steadycast.watching.guard.policy import KnownPolicy, SignaturePolicy

SHOWN = 200  # characters of a line
SIGNS = 50  # of one life


class OwnPattern:
    """One pattern of the policy: so many lines within so many seconds are a sign."""

    def __init__(self, policy: SignaturePolicy) -> None:
        self.policy = policy
        self._pattern = re.compile(policy.pattern)
        self._seen: deque[float] = deque(maxlen=policy.times)

    def look(self, line: str, clock: float) -> Sign | None:
        """The sign, where this line makes it."""
        if self._pattern.search(line[:LINE]) is None:
            return None
        self._seen.append(clock)
        policy = self.policy
        if len(self._seen) < policy.times or self._seen[0] < clock - policy.within_s:
            return None
        often = "" if policy.times == 1 else f"{policy.times} times within {policy.within_s:g} s, "
        text = f"the log says ({policy.name}): {often}{masked(line)[:SHOWN].strip()}"
        return Sign(Cause.SIGNATURE, Act(policy.act), policy.name, text)

    def forget(self) -> None:
        """Another life."""
        self._seen.clear()


class KnownSignatures:
    """The shipped table over this log."""

    def __init__(self, policy: KnownPolicy, look: Callable[[Match], Facts | None]) -> None:
        self._policy = policy
        self._table = load_table()
        self._look = look
        self._matcher = Matcher(self._table)
        self._incidents = Incidents(look)

    def feed(self, data: bytes) -> list[Diagnosis]:
        """What new bytes of the log tell."""
        told = (self._incidents.add(match) for match in self._matcher.feed(data))
        return [one for one in told if one is not None and one.signature not in self._policy.ignore]

    def sign(self, one: Diagnosis) -> Sign:
        """What the policy does about a diagnosis: nothing but a word where it is not sure enough, or only follows."""
        acts = {
            Remedy.RECYCLE: self._policy.recycle,
            Remedy.DENY: self._policy.deny,
            Remedy.GPU: self._policy.gpu,
            Remedy.LIMIT: self._policy.limit,
        }
        act = Act(acts.get(one.remedy, "tell"))
        if one.sure < self._policy.at_least or one.only_follow_ups:
            act = Act.TELL
        return Sign(Cause.SIGNATURE, act, one.signature, f"{one.what} ({one.words}): {one.why}")

    def forget(self) -> None:
        """Another life."""
        self._matcher = Matcher(self._table)
        self._incidents = Incidents(self._look)


class LogSigns:
    """All signs of the log in this life of the server, each once."""

    def __init__(self, own: Sequence[SignaturePolicy], known: KnownSignatures | None) -> None:
        self._own = [OwnPattern(policy) for policy in own]
        self._known = known
        self._signs: dict[str, Sign] = {}

    @property
    def signs(self) -> tuple[Sign, ...]:
        return tuple(self._signs.values())

    def feed(self, data: bytes, lines: Sequence[str], clock: float) -> list[Sign]:
        """New bytes and their lines: the signs that are new, or act on more than they did."""
        found = [sign for line in lines for one in self._own if (sign := one.look(line, clock)) is not None]
        if self._known is not None and data:
            found += [self._known.sign(one) for one in self._known.feed(data)]
        new = []
        for sign in found:
            before = self._signs.get(sign.key)
            if before is not None and (before.act == sign.act or before.act is Act.RESTART):
                continue
            if before is None and len(self._signs) >= SIGNS:
                continue
            self._signs[sign.key] = sign
            new.append(sign)
        return new

    def begin(self) -> None:
        """Another life: what the one before wrote is its own."""
        self._signs.clear()
        for one in self._own:
            one.forget()
        if self._known is not None:
            self._known.forget()
