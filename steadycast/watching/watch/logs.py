"""The log of what is watched: its lines count sessions, and what they mean is told beside the findings."""

from __future__ import annotations

from pathlib import Path

from steadycast.errors import ConfigError
from steadycast.tracking.signatures import Incidents, Matcher, load_table
from steadycast.watching.common.growing import CommandSource, FileSource, Source
from steadycast.watching.watch.aims import Aim
from steadycast.watching.watch.cycle_log import CycleLog
from steadycast.watching.watch.observing import Observing

EVERY_S = 0.25


class Listening:
    """`feed` it the log, from wherever it comes."""

    def __init__(self, role: str, cycles: CycleLog | None, observing: Observing) -> None:
        self._role = role
        self._cycles = cycles
        self._observing = observing
        self._matcher = Matcher(load_table())
        self._incidents = Incidents(None)

    def feed(self, data: bytes) -> None:
        """More of it."""
        if self._cycles is not None:
            self._cycles.feed(data)
        for match in self._matcher.feed(data):
            found = self._incidents.add(match)
            if found is not None:
                self._observing.note_signature(self._role, found.signature, found.what)


def log_source(aim: Aim, log: Path | None, *, counts: bool) -> Source | None:
    """Where the log is read; None where nobody said, or where it is the output of the command. Raises ConfigError."""
    if log is not None:
        try:
            with log.open("rb"):
                return FileSource(log)
        except OSError as error:
            raise ConfigError("watch.log", f"--log {log} cannot be read: {error.strerror}.") from None
    if not counts or aim.command:
        return None
    if aim.unit is None:
        hint = "Name the log with --log FILE. The output of a COMMAND and the journal of a --unit are read anyway."
        raise ConfigError("watch.log", "--cycle-log needs a log to read.", hint=hint)
    follow = ("journalctl", "--follow", "--lines=0", "--output=cat", "--no-pager", "--unit", aim.unit)
    return CommandSource(follow, {})
