"""What did not hold in a run of chaos, and what of it a starved machine explains."""

from __future__ import annotations

from tests.support.chaos import config
from tests.support.chaos.lag import Lag

MOST = 400  # findings, and excused ones
AFTER_S = config.HUNG_S  # a worker that could say nothing for long is taken for hung, and replaced


class Verdict:
    """`findings` must hold whatever the machine does, and their deadlines are in weighed time; `late` are a matter of
    seconds. `excused` took longer by the clock and not by weighed time."""

    def __init__(self, lag: Lag) -> None:
        self.findings: list[str] = []
        self.late: list[str] = []
        self._excused: dict[str, str] = {}
        self._lag = lag

    @property
    def excused(self) -> list[str]:
        return list(self._excused.values())

    @property
    def failed(self) -> bool:
        """What is late counts, unless most of what was late was so because the machine was starved."""
        return bool(self.findings) or (bool(self.late) and len(self.late) >= len(self._excused))

    def find(self, text: str) -> bool:
        """Something does not hold. Whether that is new."""
        return _add(self.findings, text)

    def judge(self, key: str, since: float, allowed_s: float, now: float, *, after_s: float = AFTER_S) -> bool:
        """Whether something that is so since then, and may be so for `allowed_s`, is so for too long. `key` is one for
        one occasion. Where the machine was starved for seconds, meanwhile or just before, it may take `after_s` more:
        the host's own deadlines are of the clock, and what they ended must begin again."""
        if now - since <= allowed_s:
            return False
        starved = self._lag.machine.starved_until(since - after_s) is not None
        if self._lag.worked(since, now) > allowed_s + (after_s if starved else 0.0):
            self._excused.pop(key, None)
            return True
        if len(self._excused) < MOST:
            self._excused[key] = f"{key}: {now - since:.1f} s"
        return False

    def find_late(self, text: str) -> bool:
        """As `find`, of something that `judge` found too late."""
        return _add(self.late, text)

    def excuse(self, text: str, now: float, after_s: float = AFTER_S) -> bool:
        """Whether the machine was starved so lately that this may come of it; counted then."""
        starved = self._lag.machine.starved_until(now - after_s) is not None
        if starved and len(self._excused) < MOST:
            self._excused[text] = text
        return starved

    def lines(self) -> list[str]:
        """The outcome in words."""
        lines = [f"FINDING {text}" for text in self.findings] + [f"LATE {text}" for text in self.late]
        if self._excused:
            lines.append(f"{len(self._excused)} voided, as the machine was starved then: {'; '.join(self.excused[:8])}")
        if self.late and not self.failed:
            lines.append(f"not judged: most of what was late ({len(self._excused)}) was so by the machine")
        return lines


def _add(texts: list[str], text: str) -> bool:
    if text in texts or len(texts) >= MOST:
        return False
    texts.append(text)
    return True
