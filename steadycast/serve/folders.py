"""Where a host keeps its things: the state folder (database, lock) and the runtime folder (sockets, records, logs)."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steadycast.errors import ConfigError

SOCKET_PATH = 107  # bytes of a Unix socket's path, unix(7)
ROOM_BYTES = 262_144  # what a start writes: the database's first pages, records of workers
LONGEST_NAME = 40  # bytes below the runtime folder: `/workers/<kind>-<8 hex>.sock`, and some to spare


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one host; both exist, are writable and are the user's alone."""

    state: Path
    runtime: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state / "steadycast.db"

    @property
    def host_file(self) -> Path:
        """What other programs read to find this host."""
        return self.runtime / "host.json"


def make_folders(state: Path | None, environment: Mapping[str, str]) -> Folders:
    """Find and make the folders; raises ConfigError."""
    folders = find_folders(state, environment)
    for folder in (folders.state, folders.runtime):
        _make(folder)
    return folders


def find_folders(state: Path | None, environment: Mapping[str, str]) -> Folders:
    """Where they are, or would be; raises ConfigError. A given state folder has its runtime folder inside."""
    home = environment.get("HOME") or "~"
    if state is not None:
        state = state.expanduser().absolute()
        runtime = state / "run"
    else:
        state = Path(environment.get("XDG_STATE_HOME") or f"{home}/.local/state").expanduser() / "steadycast"
        shared = Path(environment.get("XDG_RUNTIME_DIR") or "")
        runtime = shared / "steadycast" if shared.is_absolute() and shared.is_dir() else state / "run"
    length = len(os.fsencode(runtime)) + LONGEST_NAME
    if length > SOCKET_PATH:
        what = f"state: {runtime} is too long for Unix sockets by {length - SOCKET_PATH} bytes."
        raise ConfigError("state.long", what, hint="Choose a shorter folder with --state.")
    return Folders(state, runtime)


@contextmanager
def locked(folders: Folders) -> Iterator[None]:
    """Hold the state folder as the only host; raises ConfigError where another one does. Ends with the process."""
    path = folders.state / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError("state.unwritable", f"state: {path} cannot be written: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            what = f"state: another host (process {pid}) uses {folders.state}."
            hint = "Stop it, or give this one a folder of its own with --state."
            raise ConfigError("state.taken", what, hint=hint) from None
        _write_pid(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def check_room(folders: Folders) -> None:
    """Raise ConfigError where nothing more can be written: no worker could be started then."""
    for folder in (folders.state, folders.runtime):
        probe = folder / "room"
        try:
            probe.write_bytes(bytes(ROOM_BYTES))
        except OSError as error:
            what = f"state: {folder} cannot be written: {error.strerror}."
            hint = "Free some space, or choose another folder with --state."
            raise ConfigError("state.unwritable", what, hint=hint) from None
        finally:
            probe.unlink(missing_ok=True)


def write_host_file(folders: Folders, port: int, rtsp_port: int, config: Path | None = None) -> None:
    """Say where this host is, and the config file that it read; raises ConfigError where that cannot be written."""
    told: dict[str, int | str | None] = {"pid": os.getpid(), "port": port, "rtsp_port": rtsp_port}
    told |= {"state": str(folders.state), "runtime": str(folders.runtime)}
    told["config"] = None if config is None else str(config)
    fresh = folders.host_file.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(told))
        fresh.replace(folders.host_file)
    except OSError as error:
        raise ConfigError("state.unwritable", f"state: {folders.host_file}: {error.strerror}.") from None


def _write_pid(descriptor: int, path: Path) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise ConfigError("state.unwritable", f"state: {path} cannot be written: {error.strerror}.") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
        if folder.stat().st_uid != os.geteuid():
            raise PermissionError(13, "it belongs to another user")
    except OSError as error:
        what = f"state: {folder} cannot be written: {error.strerror}."
        raise ConfigError("state.unwritable", what, hint="Choose another folder with --state.") from None
