"""Room on the disk that is kept for what must be written when the disk is full: that a lobby is deleted, receipts.

A file of the state folder that holds nothing. It gets shorter, a step at a time, when a write finds no room, and is
made whole again when there is room for long. On a full disk one step is enough for some writes; after each one SQLite
is told to move its log into the database, so that the room of the log is used again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import structlog

log = structlog.get_logger("store")

BYTES = 1 << 20
STEP_BYTES = 1 << 16
FREE_BYTES = 4 << 20  # must be free beside it before it is made whole again
RESTORE_S = 10.0  # between looks at whether it can be


class Reserve:
    """One file. Used by one thread. A disk on which it cannot be made has none, which is logged once."""

    def __init__(self, path: Path, bytes_: int = BYTES) -> None:
        self._path = path
        self._bytes = bytes_
        self._left = 0
        self._look_at = 0.0
        self._said = False

    @property
    def left(self) -> int:
        """Bytes that can still be given."""
        return self._left

    def open(self) -> None:
        """Find what is there of it, and make it whole where there is room."""
        self._left = self._path.stat().st_size if self._path.exists() else 0
        self.restore()

    def give(self, keep: int) -> bool:
        """Free a step of it, but not below `keep` bytes; False where there is nothing to give."""
        if self._left <= keep:
            return False
        try:
            os.truncate(self._path, max(keep, self._left - STEP_BYTES))
        except OSError:  # a disk that may only be read
            return False
        self._left = max(keep, self._left - STEP_BYTES)
        return True

    def restore(self) -> None:
        """Make it whole again where there is plenty of room; looks only now and then."""
        now = time.monotonic()
        if self._left >= self._bytes or now < self._look_at:
            return
        self._look_at = now + RESTORE_S
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize >= self._bytes + FREE_BYTES:
                self._fill()
        except OSError as error:
            if not self._said:
                log.warning("no room is kept for when the disk is full", why=error.strerror)
            self._said = True

    def _fill(self) -> None:
        file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, self._bytes)
            self._left = self._bytes
        finally:
            os.close(file)
