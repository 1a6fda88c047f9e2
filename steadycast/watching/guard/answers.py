"""What a probe answers: yes, no, or that it cannot tell. A probe that could not ask has not failed."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

# Of ours, not of the server: no descriptor, no memory, no network of our own, no right to ask.
_OURS = frozenset({
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EACCES, errno.EPERM, errno.ENETUNREACH,
    errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EHOSTUNREACH,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """`ok`: None is "cannot tell". `text` says it in words."""

    ok: bool | None
    text: str


def failed_to_connect(error: OSError) -> Answer:
    """What an error of a connection says of the server."""
    text = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        return Answer(None, f"it could not be asked: {error.strerror}")
    if error.errno in _OURS:
        return Answer(None, f"it could not be asked: {text}")
    return Answer(False, f"no connection: {text}")
