"""One process by pidfd: signals that cannot hit a recycled pid, and its end as a future."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess

from steadycast.patience import wait_patiently
from steadycast.tracking import proc
from steadycast.tracking.families import Identity


class Process:
    """A child of ours (`popen`) or any other process. `exited` resolves when it ended; a child is reaped by then."""

    def __init__(self, identity: Identity, pidfd: int, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.identity = identity
        self.popen = popen
        self._pidfd: int | None = pidfd
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(pidfd, self._readable)

    @classmethod
    def of_child(cls, popen: subprocess.Popen[bytes]) -> Process:
        """Right after the start: as long as nobody waits for it, its pid is its own."""
        return cls(Identity(popen.pid, proc.start_time(popen.pid) or 0), os.pidfd_open(popen.pid), popen)

    @classmethod
    def find(cls, identity: Identity) -> Process | None:
        """None where the process is gone, even if its pid was given to another. Raises OSError where it cannot tell."""
        try:
            pidfd = os.pidfd_open(identity.pid)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.EINVAL):  # EINVAL: the number is a thread's by now
                return None
            raise  # no descriptor is left, say: that it lives is not known to be false
        if not proc.is_same(identity.pid, identity.start_time):  # asked after opening: from here on it cannot change
            os.close(pidfd)
            return None
        return cls(identity, pidfd)

    @property
    def pidfd(self) -> int | None:
        return self._pidfd

    @property
    def exit_code(self) -> int | None:
        code = self.popen.returncode if self.popen else None
        return code if code is not None and code >= 0 else None

    @property
    def killed_by(self) -> int | None:
        code = self.popen.returncode if self.popen else None
        return -code if code is not None and code < 0 else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens where the process is gone."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def wait(self, seconds: float) -> bool:
        """Wait for the end for so many seconds in which this process ran; whether it came."""
        await wait_patiently([self.exited], seconds)
        return self.exited.done()

    def _readable(self) -> None:
        if self.popen is not None and self.popen.poll() is None:
            return
        self.close()
        if not self.exited.done():
            self.exited.set_result(None)

    def close(self) -> None:
        """Look no longer; the process itself is left alone."""
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None


def kill(identity: Identity, number: signal.Signals) -> None:
    """Signal a process that nobody watches; never another that got its pid."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except OSError:
        return
    try:
        if proc.is_same(identity.pid, identity.start_time):
            signal.pidfd_send_signal(pidfd, number)
    except (ProcessLookupError, PermissionError):
        return
    finally:
        os.close(pidfd)


def reap(identity: Identity) -> bool:
    """Collect an ended process if it became our child, nothing else; whether it is gone.

    A zombie that another process has to reap holds nothing but its number, and counts as gone.
    """
    one = proc.stat(identity.pid)
    if one is None or one.start_time != identity.start_time:
        return True
    if one.state != "Z":
        return False
    if one.parent != os.getpid():
        return True
    try:
        return os.waitpid(identity.pid, os.WNOHANG)[0] == identity.pid
    except ChildProcessError:
        return True
