"""Two switches of prctl(2) that Python does not have."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """From now on descendants whose parents ended become children of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def resign_as_subreaper() -> None:
    """From now on such descendants go to the next above, as they would have before."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def die_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when the thread that started it ends. It survives exec, not fork."""
    _prctl(_PR_SET_PDEATHSIG, int(number))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
