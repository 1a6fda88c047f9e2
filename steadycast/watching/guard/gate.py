"""The command that a server's hook runs before a session: looks, decides, remembers who was let in.

All gates of one server decide one after the other. With a command, the place is held by an open lock file that the
command inherits: it is free when the command and all that inherited it are gone, however they end.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from steadycast.errors import ConfigError, ConflictError
from steadycast.tracking import proc
from steadycast.tracking.probes.devices import Devices
from steadycast.tracking.probes.limits import meminfo, open_files
from steadycast.watching.guard import record as records
from steadycast.watching.guard.admit import Room, refused
from steadycast.watching.guard.assemble import make_target, state_folder
from steadycast.watching.guard.counts import count
from steadycast.watching.guard.load import load_policy
from steadycast.watching.guard.policy import GatePolicy, Policy

REFUSED = 75  # EX_TEMPFAIL of sysexits(3): the same may work later
WAIT_S = 30.0  # for the gates before this one
DRIVER_S = 3.0  # for drivers to answer
LET_S = 30.0  # that a session counts which nobody else counts


def pass_gate(path: Path, command: Sequence[str]) -> str | None:
    """Why no session is let in; None: it is. With a command it does not come back. Raises SteadycastError."""
    policy = load_policy(path)
    if policy.gate is None:
        raise ConfigError("guard.no_gate", f"{path}: there is no table [gate].", hint="docs/guard.md describes it.")
    folder = state_folder(policy, os.environ) / "gate"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            why, place = _decide(policy, policy.gate, folder, bool(command))
    except OSError as error:
        raise ConfigError("guard.gate", f"{folder}: {error.strerror or error}.") from None
    if why is not None or not command:
        return why
    return _become(command, place)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One gate at a time. Raises ConflictError where those before do not come to an end."""
    descriptor = os.open(folder / "turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    what = f"Other gates did not come to an end within {WAIT_S:g} s."
                    raise ConflictError("guard.gate_busy", what) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _decide(policy: Policy, gate: GatePolicy, folder: Path, keeps: bool) -> tuple[str | None, int]:
    held = held_places(folder, gate.hold_s if gate.count is not None else None)
    room, unknown = _look(policy, gate, held)
    why = refused(gate, room, unknown)
    if why is not None or gate.sessions is None:
        return why, -1
    return None, _take_place(folder, keeps)


def held_places(folder: Path, hold_s: float | None) -> int:
    """Places that are taken: by a command that runs, or for `hold_s` seconds by a session that was let in. Those that
    are free again are removed. Where a probe counts the sessions, a running command counts for `hold_s` only."""
    taken = 0
    for path in sorted(folder.glob("place-*")):
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - path.stat().st_mtime
            is_young = hold_s is not None and -1.0 <= age < hold_s
            if path.name.startswith("place-run") and not _is_free(path):
                taken += hold_s is None or is_young
            elif path.name.startswith("place-let") and (is_young or (hold_s is None and age < LET_S)):
                taken += 1
            else:
                path.unlink()
    return taken


def _is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _take_place(folder: Path, keeps: bool) -> int:
    """Note that one was let in; the descriptor of its lock where a command will hold it."""
    kind = "run" if keeps else "let"
    path = folder / f"place-{kind}-{os.getpid()}-{time.monotonic_ns()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    if not keeps:
        os.close(descriptor)
        return -1
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.set_inheritable(descriptor, True)
    return descriptor


def _look(policy: Policy, gate: GatePolicy, held: int) -> tuple[Room, dict[str, str]]:
    unknown: dict[str, str] = {}
    pid = _pid(policy)
    sessions = None
    if gate.count is not None:
        counted = asyncio.run(count(gate.count, pid, policy.target.environment))
        sessions = counted.number
        unknown["sessions"] = counted.text
    room = Room(
        sessions,
        held,
        _vram_free(unknown) if gate.vram_free is not None else None,
        _descriptors_free(pid, unknown) if gate.descriptors_free is not None else None,
        meminfo().get("MemAvailable") if gate.memory_free is not None else None,
    )
    return room, unknown


def _pid(policy: Policy) -> int | None:
    """The server, as its guard wrote it down."""
    folder = state_folder(policy, os.environ)
    record = records.read(folder, make_target(policy, folder).name)
    life = record.life if record is not None else None
    identity = life.identity if life is not None else None
    return identity.pid if identity is not None and proc.is_same(identity.pid, identity.start_time) else None


def _vram_free(unknown: dict[str, str]) -> int | None:
    """Of the GPU that has most: a session goes to one of them."""
    look = Devices().look(time.monotonic(), DRIVER_S)
    pairs = [(use.vram_total, use.vram_used) for use in look.uses]
    free = [total - used for total, used in pairs if total and used is not None]
    if not free:
        unknown["vram_free"] = "; ".join(look.why) or "no GPU tells how much of its memory is used"
    return max(free, default=None)


def _descriptors_free(pid: int | None, unknown: dict[str, str]) -> int | None:
    if pid is None:
        unknown["descriptors_free"] = "no guard says which process the server is"
        return None
    used = proc.descriptors(pid)
    try:
        limit = open_files((proc.PROC / str(pid) / "limits").read_text())
    except OSError:
        limit = None
    if used is None or limit is None:
        unknown["descriptors_free"] = f"/proc/{pid} does not tell"
        return None
    return limit - len(used)


def _become(command: Sequence[str], place: int) -> str:
    """Run the command in place of this one."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and that would be inherited
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        if place >= 0:
            os.close(place)
        what = f"{command[0]} cannot be run: {error.strerror or error}."
        raise ConfigError("guard.gate", what) from None
