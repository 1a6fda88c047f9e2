"""A server that guard starts as a command: its output goes to a file, not to a pipe, so that it outlives guard; all
that descends from it carries a mark, so that the next guard finds it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.watching.common import tree
from steadycast.watching.common.ladder import Outcome
from steadycast.watching.common.tree import MARK
from steadycast.watching.guard.facts import Ended, Presence, Server
from steadycast.watching.guard.followed import FollowedProcess
from steadycast.watching.guard.journal import Journal, Kind
from steadycast.watching.guard.pidnames import Named, pid_from_file
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.record import Life, born, clock
from steadycast.watching.guard.target import ladder_of, target_name
from steadycast.workers.process import Process

OUTPUT = "output.log"
STAYS_S = 2.0  # after the command exited: what is left for longer is no child that cleans up
_BACKGROUND = (
    "the command went into the background: it exited with 0 and left {pids} running. Start it in the foreground, or "
    "set target.background = 'follow' (and target.pid_file, where it writes one)"
)


class CommandTarget(FollowedProcess):
    """The command of a policy. `life` is set by whoever found the record of an earlier guard."""

    def __init__(self, policy: Policy, folder: Path) -> None:
        super().__init__()
        target = policy.target
        assert target.command is not None
        self.name = target_name(target.command, None, False, None)
        self._policy = policy
        self._folder = folder
        self._adopted = False
        self._followed = False
        self._ended: Ended | None = None

    def adopt(self, life: Life) -> bool:
        """Take over what an earlier guard started; whether it runs. Raises OSError where that cannot be told."""
        head = life.identity or self._by_mark(life.mark)
        if head is None:
            return False
        self.life = Life(life.mark, head.pid, head.start_time, life.since or born(head), life.at)
        self._process, self._adopted = Process.find(head), True
        if self._process is None and self._policy.target.background == "follow":
            self._follow(head)
        if self._process is not None:
            return True
        left = tree.marked(head, life.mark, self._known, by_session=False)
        self._ended = Ended(clock())
        return bool(left)

    def _by_mark(self, mark: str) -> Identity | None:
        """Guard died between the start of a command and writing its pid down."""
        return next((identity for identity, found in _marks() if found == mark), None)

    def adopt_unknown(self, family: str) -> Life | None:
        """One whose record is lost: found by the beginning of its mark. The life, where it was taken over."""
        for _, mark in _marks():
            if mark.startswith(family):
                life = Life(mark)
                return self.life if self.adopt(life) else None
        return None

    async def start(self, life: Life) -> Outcome:
        """Start the command; its pid is in `life` from here on."""
        target = self._policy.target
        assert target.command is not None
        self._forget()
        try:
            child = self._spawn(target.command, {**os.environ, **target.environment, MARK: life.mark})
        except (OSError, ValueError) as error:
            self._ended = Ended(clock(), code=127)
            return Outcome(False, f"{target.command[0]} cannot be started: {getattr(error, 'strerror', None) or error}")
        self._process = Process.of_child(child)
        head = self._process.identity
        self.life = Life(life.mark, head.pid, head.start_time, clock(), life.at)
        return Outcome(True, f"started as process {child.pid}")

    def _spawn(self, command: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self._folder / OUTPUT).open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._policy.target.folder,
                env=environment,
                start_new_session=True,
            )

    def _forget(self) -> None:
        self.close()
        self.life, self._known = None, set()
        self._adopted = self._followed = False
        self._ended = self._stuck = None

    async def look(self) -> Server:
        """What became of it."""
        if self._stuck is not None:
            return Server(Presence.STUCK, self._stuck)
        if self._process is not None and not self._process.exited.done():
            since = self.life.since if self.life else None
            return Server(Presence.RUNNING, since=since, adopted=self._adopted)
        if self._process is None:
            return Server(Presence.ENDED if self._ended else Presence.ABSENT, ended=self._ended)
        return self._after_exit(self._process)

    def _after_exit(self, process: Process) -> Server:
        assert self.life is not None
        code, killed_by = process.exit_code, process.killed_by
        self._ended = self._ended or Ended(clock(), code, killed_by)
        head = process.identity
        ran_s = self._ended.clock - (self.life.since or self._ended.clock)
        if code == 0 and not self._followed:
            left = tree.marked(head, self.life.mark, self._known, by_session=False)
            if left and self._policy.target.background == "follow":
                self._ended = None
                self._follow(head)
                return self._following(ran_s)
            if left and ran_s < self._policy.start.ready_s:
                return self._left_behind(left, self._ended.clock)
        return Server(Presence.ENDED, ended=self._ended)

    def _left_behind(self, left: set[Identity], exited: float) -> Server:
        """It exited with 0 early and left processes. One that cleans up is gone soon; one that stays is the server."""
        pids = ", ".join(str(one.pid) for one in sorted(left)[:8])
        begun = self.life.since if self.life is not None and self.life.since is not None else exited
        if clock() < max(begun + self._policy.start.ready_s, exited + STAYS_S):
            why = f"the command exited with 0 and left {pids} running: that may be the server, in the background"
            return Server(Presence.UNKNOWN, why)
        self._stuck = _BACKGROUND.format(pids=pids)
        return Server(Presence.STUCK, self._stuck)

    def _following(self, ran_s: float) -> Server:
        if self._followed:
            return Server(Presence.RUNNING, since=self.life.since if self.life else None)
        if ran_s < self._policy.start.ready_s:
            return Server(Presence.UNKNOWN, "it went into the background, and its pid file does not name it yet")
        self._stuck = "it went into the background, and its pid file never named one of its processes"
        return Server(Presence.STUCK, self._stuck)

    def _follow(self, head: Identity) -> None:
        """Look at what it left in the background instead of the command: by its pid file, else the oldest."""
        assert self.life is not None
        target = self._policy.target
        left = tree.marked(head, self.life.mark, self._known, by_session=False)
        chosen = min(left, key=lambda one: one.start_time, default=None)
        if target.pid_file is not None:
            found = pid_from_file(target.pid_file, target.program)
            chosen = found.identity if isinstance(found, Named) and found.identity in left else None
        process = None if chosen is None else Process.find(chosen)
        if process is None or chosen is None:
            return
        self.close()
        self._process, self._followed = process, True
        self.life = Life(self.life.mark, chosen.pid, chosen.start_time, self.life.since, self.life.at)

    async def stop(self) -> Outcome:
        """End it and all that descends from it."""
        outcome = await tree.end(
            self._process, self._belonging, ladder_of(self._policy.stop), self._policy.target.environment
        )
        if outcome.stuck:
            self._stuck = outcome.text
        elif self._ended is None:
            self._ended = Ended(clock(), *self._codes())
        return outcome

    def _codes(self) -> tuple[int | None, int | None]:
        return (None, None) if self._process is None else (self._process.exit_code, self._process.killed_by)

    def _belonging(self) -> set[Identity]:
        if self.life is None or self.life.identity is None:
            return set()
        by_session = self._process is not None and not self._process.exited.done()
        found = tree.marked(self.life.identity, self.life.mark, self._known, by_session=by_session)
        return found - {self.life.identity}


def _marks() -> list[tuple[Identity, str]]:
    """Processes that carry a mark of any guard, the oldest first."""
    table = sorted(proc.processes().values(), key=lambda one: (one.start_time, one.pid))
    living = [(Identity(one.pid, one.start_time), proc.environment(one.pid)) for one in table if one.state != "Z"]
    return [(identity, found[MARK]) for identity, found in living if found and MARK in found]


def recall(target: CommandTarget, life: Life | None, family: str, journal: Journal) -> None:
    """Take over what an earlier guard started, where it still runs."""
    if life is None:
        found = target.adopt_unknown(family)
        if found is not None:
            journal.say(Kind.SERVER, "found a server of an earlier guard that left no record", pid=found.pid)
    elif target.adopt(life):
        journal.say(Kind.SERVER, "found what an earlier guard started", pid=life.pid)
    else:
        journal.say(Kind.SERVER, "what an earlier guard started is gone", pid=life.pid)
