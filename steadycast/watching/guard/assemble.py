"""Builds guard from a policy and runs it until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from steadycast.errors import ConfigError
from steadycast.watching.common.growing import CommandSource, FileSource, Log, Source
from steadycast.watching.guard.command import OUTPUT, CommandTarget
from steadycast.watching.guard.given import GivenTarget
from steadycast.watching.guard.journal import Journal, Kind
from steadycast.watching.guard.keeper import Keeper
from steadycast.watching.guard.leaks import LeakWatch
from steadycast.watching.guard.lock import Locks, lock_folder
from steadycast.watching.guard.log_facts import log_facts
from steadycast.watching.guard.policy import Policy
from steadycast.watching.guard.signs import KnownSignatures, LogSigns
from steadycast.watching.guard.target import Target
from steadycast.watching.guard.unit import UnitTarget
from steadycast.watching.guard.watchers import Watchers


def state_folder(policy: Policy, environment: Mapping[str, str]) -> Path:
    """Where guard keeps its things of this server; not made here."""
    if policy.state is not None:
        return policy.state.expanduser().absolute()
    home = environment.get("HOME") or "~"
    state = Path(environment.get("XDG_STATE_HOME") or f"{home}/.local/state").expanduser()
    return state / "steadycast" / "guard" / policy.name


def make_target(policy: Policy, folder: Path) -> Target:
    """The server of a policy."""
    if policy.target.is_command:
        return CommandTarget(policy, folder)
    return UnitTarget(policy) if policy.target.is_unit else GivenTarget(policy)


def make_log(policy: Policy, folder: Path) -> Log | None:
    """Where its log is read; None where that is not known."""
    target, source = policy.target, policy.log
    made: Source
    if source.file is not None:
        made = FileSource(source.file)
    elif source.command is not None:
        made = CommandSource(source.command, target.environment)
    elif target.is_command:
        made = FileSource(folder / OUTPUT, source.keep_bytes)
    elif target.unit is not None:
        which = "--user-unit" if target.user else "--unit"
        follow = ("journalctl", "--follow", "--lines=0", "--output=cat", "--no-pager", which, target.unit)
        made = CommandSource(follow, {})
    else:
        return None
    return Log(made, policy.evidence.lines)


async def keep(policy: Policy, *, dry: bool) -> int:
    """Run guard; the exit code. Raises SteadycastError where it cannot begin or go on."""
    if sys.platform != "linux":
        raise ConfigError("guard.system", "guard needs Linux: it finds and ends processes by pidfd and /proc.")
    folder = state_folder(policy, os.environ)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("guard.state", f"{folder}: {error.strerror or error}.") from None
    target = make_target(policy, folder)
    locks = None if dry else Locks(lock_folder())
    if locks is not None:
        locks.take(target.name)
        locks.take(f"state {folder}")
    try:
        return await _run(policy, folder, target, locks)
    finally:
        if locks is not None:
            locks.close()


def build(policy: Policy, folder: Path, target: Target, locks: Locks | None) -> Keeper:
    """Guard of one server, not running yet; without locks it does nothing but say what it would do."""
    journal = Journal(policy.name)
    leaks = None
    if policy.findings is not None:
        leaks = LeakWatch(policy.name, policy.findings, folder, lambda: watchers.watching.number)
    known = None
    if policy.known is not None:
        known = KnownSignatures(policy.known, lambda _: log_facts(target.life, leaks.bounds if leaks else {}))
    watchers = Watchers(policy, journal, make_log(policy, folder), LogSigns(policy.signatures, known), leaks)
    return Keeper(policy, folder, target, watchers, journal, locks)


async def _run(policy: Policy, folder: Path, target: Target, locks: Locks | None) -> int:
    keeper = build(policy, folder, target, locks)
    _on_signals(keeper)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    keeper.journal.say(Kind.GUARD, f"guards {target.name}", state=folder, dry_run=True if keeper.dry else None)
    if policy.api.port is None or keeper.dry:
        return await keeper.run()
    from steadycast.watching.guard.api import Api  # half of what guard imports

    api = Api(keeper, policy.api)
    await api.start()
    keeper.journal.say(Kind.GUARD, "answers", at=f"http://127.0.0.1:{policy.api.port}/api/v1/state")
    try:
        return await keeper.run()
    finally:
        await api.close()


def _on_signals(keeper: Keeper) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, keeper.stop)
    loop.add_signal_handler(signal.SIGUSR1, keeper.reset, "SIGUSR1")
