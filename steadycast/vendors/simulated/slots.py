"""The slots of the pretended driver: records of one file, each locked by whoever holds it.

A session is an open-file-description lock (fcntl(2), F_OFD_SETLK) on its record. It belongs to the open file, not to
the process, so two sessions of one process do not share it, and the kernel lets go of it when the process dies,
however it dies. Readers ask with F_OFD_GETLK, which locks nothing and so never makes an opener fail.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

RECORD_BYTES = 512
SLOTS = 16_384  # more sessions than the settings can ask for (16 GPUs with 1,000 each)
NAME_CHARACTERS = 64
LOCK_S = 2.0  # until whoever changes the driver's state is done, which takes a millisecond
_RETRY_S = 0.002
_FLOCK = "hhqqi"  # struct flock of fcntl(2) on 64-bit Linux: type, whence, start, length, pid


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a session. `vram` in bytes; a size is None until the encoder knows it. `foreign`: another program."""

    pid: int
    name: str
    gpu: int
    codec: str
    width: int | None
    height: int | None
    vram: int
    foreign: bool = False


class Slot:
    """One record, held until `close` or the end of the process."""

    def __init__(self, fd: int, index: int, holder: Holder) -> None:
        self._fd = fd
        self._index = index
        self.holder = holder
        self._closing = weakref.finalize(self, _release, fd, index * RECORD_BYTES)
        self._write(_record(holder))

    def resize(self, width: int, height: int) -> None:
        """Note the size that the encoder learned; the caller holds `exclusive`."""
        self.holder = replace(self.holder, width=width, height=height)
        self._write(_record(self.holder))

    def close(self) -> None:
        """Give it back. Twice is no error."""
        self._closing()

    def _write(self, record: bytes) -> None:
        os.pwrite(self._fd, record, self._index * RECORD_BYTES)


class SlotTable:
    """All slots. Whoever takes one, changes its record or reads holds `exclusive` meanwhile: then the record of each
    locked slot is whole and its holder's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, holder: Holder) -> Slot | None:
        """The first free slot; None: all are held. Raises OSError."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            free = next((n for n in range(SLOTS) if _lock(fd, n * RECORD_BYTES, RECORD_BYTES)), None)
        except BaseException:
            os.close(fd)
            raise
        if free is None:
            os.close(fd)
            return None
        return Slot(fd, free, holder)  # which closes it from now on

    def held(self) -> tuple[Holder, ...]:
        """Who holds slots now, the lowest slot first. Raises OSError."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return ()
        try:
            count = min(os.fstat(fd).st_size // RECORD_BYTES, SLOTS)
            taken = [index for index in range(count) if _is_locked(fd, index * RECORD_BYTES, RECORD_BYTES)]
            records = [os.pread(fd, RECORD_BYTES, index * RECORD_BYTES) for index in taken]
        finally:
            os.close(fd)
        return tuple(Holder(**json.loads(record.rstrip(b"\0"))) for record in records)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the driver's one lock. Raises TimeoutError after `LOCK_S`, FileNotFoundError where there is no driver."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        end = time.monotonic() + LOCK_S
        while not _lock(fd, 0, 0):
            if time.monotonic() > end:
                raise TimeoutError(errno.ETIMEDOUT, "the simulated driver is busy")
            time.sleep(_RETRY_S)
        yield
    finally:
        os.close(fd)


def _release(fd: int, start: int) -> None:
    """Unlocked before it is closed: a child that was just started may hold a copy until its exec closes it, a little
    after the parent goes on."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_UNLCK, os.SEEK_SET, start, RECORD_BYTES, 0))
    os.close(fd)


def _lock(fd: int, start: int, length: int) -> bool:
    """Lock these bytes (length 0: to the end) if nobody else does."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _is_locked(fd: int, start: int, length: int) -> bool:
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    answer: bytes = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _record(holder: Holder) -> bytes:
    text = json.dumps(asdict(replace(holder, name=holder.name[:NAME_CHARACTERS], codec=holder.codec[:16])))
    # 64 characters outside the basic plane are 768 bytes as JSON, so such a name is left out.
    if len(text) > RECORD_BYTES:
        text = json.dumps(asdict(replace(holder, name="?", codec=holder.codec[:16])))
    return text.encode().ljust(RECORD_BYTES, b"\0")
