"""Process ids that a driver tells: the host's, which need not be those that this process sees."""

from __future__ import annotations

import os
from pathlib import Path

# Inode of the first pid namespace: PROC_PID_INIT_INO, include/linux/proc_ns.h.
_INITIAL = "pid:[4026531836]"
_NAME = 64


class HostPids:
    """Translates host pids, below the root of a file system. A pid that cannot be told for certain is None."""

    def __init__(self, root: Path, nodes: str) -> None:
        """`nodes` is how the device nodes of the driver begin: `/dev/nvidia`."""
        self._proc = root / "proc"
        self._nodes = nodes
        self.same = _link(self._proc / "self/ns/pid") == _INITIAL

    def local(self, pid: int) -> int | None:
        """The process as seen here. In a container the same number may be somebody else, so there it must hold one of
        the driver's nodes open."""
        folder = self._proc / str(pid)
        if pid <= 0 or not folder.exists():
            return None
        return pid if self.same or self._holds_node(folder) else None

    def name(self, pid: int | None) -> str | None:
        """A process's short name."""
        try:
            return (self._proc / str(pid) / "comm").read_text(errors="replace").strip()[:_NAME] or None
        except OSError:
            return None

    def _holds_node(self, folder: Path) -> bool:
        try:
            return any((_link(entry) or "").startswith(self._nodes) for entry in (folder / "fd").iterdir())
        except OSError:
            return False


def _link(path: Path) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - Path.readlink makes a path of `pid:[1]`, which is none
    except OSError:
        return None
