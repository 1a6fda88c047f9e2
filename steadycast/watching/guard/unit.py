"""A server that systemd runs: guard asks systemctl, restarts by it, and leaves a unit that a person stopped alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from steadycast.tracking import proc
from steadycast.tracking.families import Identity
from steadycast.watching.common.ladder import Outcome, Rung
from steadycast.watching.common.running import Ran, run
from steadycast.watching.guard.facts import Ended, Presence, Server
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.record import Life, born, clock
from steadycast.watching.guard.target import target_name

ASK_S = 10.0
_KEYS = ("LoadState", "ActiveState", "SubState", "Result", "MainPID", "ControlGroup", "ExecMainStatus", "ExecMainCode")
CGROUPS = "/sys/fs/cgroup"
_EXITED, _SIGNALLED = "1", ("2", "3")  # CLD_EXITED, CLD_KILLED, CLD_DUMPED (siginfo(2))


@dataclass(frozen=True, slots=True)
class UnitState:
    """What `systemctl show` says (systemd.unit(5), org.freedesktop.systemd1(5))."""

    load: str
    active: str
    sub: str
    result: str
    pid: int
    cgroup: str
    status: str
    code: str


def parse_unit(text: str) -> UnitState | None:
    """None where something is missing."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if any(key not in found for key in _KEYS[:5]) or not found["MainPID"].isdigit():
        return None
    return UnitState(
        load=found["LoadState"],
        active=found["ActiveState"],
        sub=found["SubState"],
        result=found["Result"],
        pid=int(found["MainPID"]),
        cgroup=found.get("ControlGroup", ""),
        status=found.get("ExecMainStatus", ""),
        code=found.get("ExecMainCode", ""),
    )


def presence(unit: UnitState, was_running: bool, now: float) -> Server:
    """What a state of the unit means. Pure."""
    if unit.load == "not-found":
        return Server(Presence.UNKNOWN, "systemd knows no such unit")
    if unit.active in ("active", "reloading"):
        return Server(Presence.RUNNING)
    if unit.active == "activating":
        return Server(Presence.AWAY, f"systemd is starting it ({unit.sub})")
    if unit.active == "deactivating":
        return Server(Presence.AWAY, "it is being stopped")
    if unit.active == "failed":
        code = int(unit.status) if unit.code == _EXITED and unit.status.isdigit() else None
        killed_by = int(unit.status) if unit.code in _SIGNALLED and unit.status.isdigit() else None
        return Server(Presence.ENDED, f"systemd calls it failed ({unit.result})", ended=Ended(now, code, killed_by))
    if unit.active == "inactive" and was_running:
        return Server(Presence.AWAY, "it was stopped, by a person or because it was done; it is left so")
    if unit.active == "inactive":
        return Server(Presence.ABSENT, "the unit is not active")
    return Server(Presence.UNKNOWN, f"systemd calls it {unit.active}")


class UnitTarget:
    """The unit of a policy."""

    def __init__(self, policy: Policy) -> None:
        assert policy.target.unit is not None
        self.name = target_name(None, policy.target.unit, policy.target.user, None)
        self.life: Life | None = None
        self._policy = policy
        self._was_running = False
        self._ended: Ended | None = None
        self._started_by_us = False
        self._cgroup = ""
        self._since: float | None = None  # of a unit without a main process: when it was first seen active

    async def _systemctl(self, *words: str, deadline_s: float = ASK_S) -> Ran:
        user = ("--user",) if self._policy.target.user else ()
        return await run(("systemctl", *user, "--no-ask-password", *words), deadline_s)

    async def look(self) -> Server:
        """Ask systemd."""
        assert self._policy.target.unit is not None
        ran = await self._systemctl("show", "--property", ",".join(_KEYS), self._policy.target.unit)
        unit = parse_unit(ran.output) if ran.ok else None
        if unit is None:
            return Server(Presence.UNKNOWN, f"systemctl show {ran.words()}")
        self._cgroup = unit.cgroup
        server = presence(unit, self._was_running, clock())
        if server.presence is Presence.RUNNING:
            return self._running(unit)
        self._since = None
        if server.presence is Presence.ENDED:
            self._ended = self._ended or server.ended
            return Server(Presence.ENDED, server.why, ended=self._ended)
        return server

    def _running(self, unit: UnitState) -> Server:
        self._was_running, self._ended = True, None
        started = proc.start_time(unit.pid) if unit.pid else None
        if started is None:  # a unit without a main process, or one that is not in our pid namespace
            self._since = clock() if self._since is None else self._since
            return Server(Presence.RUNNING, since=self._since, adopted=not self._started_by_us)
        identity = Identity(unit.pid, started)
        if self.life is None or self.life.identity != identity:
            if self.life is not None and self.life.pid is not None:
                self._started_by_us = False  # systemd, or a person, began another life
            since = born(identity)
            self.life = Life("", identity.pid, started, since, time.time() - (clock() - since))
        return Server(Presence.RUNNING, since=self.life.since, adopted=not self._started_by_us)

    async def start(self, life: Life) -> Outcome:
        """Start it; a unit that failed is forgiven first, or systemd's own limit would refuse."""
        assert self._policy.target.unit is not None
        self.life, self._ended, self._started_by_us = None, None, True
        await self._systemctl("reset-failed", self._policy.target.unit)
        ran = await self._systemctl("start", self._policy.target.unit, deadline_s=self._policy.start.ready_s)
        if not ran.ok:
            return Outcome(False, f"systemctl start {ran.words()}")
        return Outcome(True, "systemd started it")

    async def stop(self) -> Outcome:
        """Stop it gracefully, then by SIGKILL to its whole cgroup."""
        unit, stop = self._policy.target.unit, self._policy.stop
        assert unit is not None
        rungs: list[Rung] = []
        ran = await self._rung(rungs, "systemctl stop", "stop", unit, deadline_s=stop.graceful_s)
        if not ran.ok:
            await self._rung(rungs, "systemctl kill", "kill", "--signal=SIGKILL", unit, deadline_s=stop.kill_s)
            ran = await self._rung(rungs, "systemctl stop", "stop", unit, deadline_s=stop.kill_s)
        text = "; ".join(f"{one.name}: {one.outcome}" for one in rungs)
        if not ran.ok:
            return Outcome(False, f"systemd cannot stop it: {text}", tuple(rungs), stuck=True)
        self._was_running, self._ended = False, Ended(clock())
        return Outcome(True, text, tuple(rungs))

    async def _rung(self, rungs: list[Rung], name: str, *words: str, deadline_s: float) -> Ran:
        began = time.monotonic()
        ran = await self._systemctl(*words, deadline_s=deadline_s)
        rungs.append(Rung(name, time.monotonic() - began, "done" if ran.ok else ran.words()))
        return ran

    def members(self) -> tuple[Identity, ...]:
        """The main process and all of its cgroup."""
        head = self.life.identity if self.life is not None else None
        found = [] if head is None else [head]
        try:
            with open(f"{CGROUPS}{self._cgroup}/cgroup.procs") as file:  # noqa: PTH123 - an absolute path as text
                pids = [int(line) for line in file if line.strip().isdigit()]
        except OSError:
            return tuple(found)
        for pid in pids:
            started = proc.start_time(pid)
            if started is not None and (head is None or pid != head.pid):
                found.append(Identity(pid, started))
        return tuple(found)

    def forgive(self) -> None:
        """Nothing is kept: systemd is asked each time."""

    def close(self) -> None:
        """Nothing is held."""
