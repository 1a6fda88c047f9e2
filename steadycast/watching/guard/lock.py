"""One guard for one target: a lock file for what the policy names, and one for the process that was found."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from pathlib import Path

from steadycast.errors import ConfigError, ConflictError
from steadycast.tracking.families import Identity


def lock_folder() -> Path:
    """The same for all guards of one user on one machine. Raises ConfigError where it is not the user's own."""
    if os.geteuid() == 0:
        folder = Path("/run/steadycast-guard")
    else:
        shared = Path(os.environ.get("XDG_RUNTIME_DIR") or "")
        own = shared.is_absolute() and shared.is_dir()
        folder = shared / "steadycast-guard" if own else Path(f"/tmp/steadycast-guard-{os.geteuid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigError("guard.lock", f"{folder}: {error.strerror or error}.") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigError("guard.lock", f"{folder} is not a folder of this user.")
    return folder


class Locks:
    """Held until closed or until this process ends, however it ends; children do not inherit them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}
        self._process: str | None = None

    def take(self, what: str) -> None:
        """Raises ConflictError where another guard has it."""
        if what in self._held:
            return
        path = self._folder / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            text = f"Another guard looks after {what} already (pid {holder})."
            raise ConflictError("guard.taken", text, hint="`steadycast guard status POLICY` shows it.") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._held[what] = descriptor

    def take_process(self, identity: Identity) -> None:
        """The process, under whatever name it was found; the one before is let go. Raises ConflictError."""
        name = f"process {identity.pid} ({identity.start_time})"
        self.take(name)
        if self._process not in (None, name):
            self._release(self._process or "")
        self._process = name

    def _release(self, what: str) -> None:
        descriptor = self._held.pop(what, None)
        if descriptor is not None:
            # The file goes first, while nobody else can hold it: names of processes never come again.
            path = self._folder / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock"
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(descriptor)

    def close(self) -> None:
        """Let all go."""
        if self._process is not None:
            self._release(self._process)
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()


def is_held(folder: Path, what: str) -> bool | None:
    """Whether a guard runs for a target; None where that cannot be told."""
    path = folder / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
