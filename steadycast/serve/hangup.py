"""SIGHUP: the config is read again; or, where the terminal that the host was started from is gone, the host ends."""

from __future__ import annotations

import os
from collections.abc import Callable

import structlog

from steadycast.serve.host import Host
from steadycast.serve.service_line import READY, ServiceLine, reloading

log = structlog.get_logger("host")


class Hangup:
    """Made while the terminal, if there is one, is still there."""

    def __init__(self, host: Host, stop: Callable[[str], None], manager: ServiceLine) -> None:
        self._host = host
        self._manager = manager
        self._stop = stop
        self._terminal = _has_terminal()

    def heard(self) -> None:
        """The signal came."""
        if self._terminal and not _has_terminal():
            self._stop("SIGHUP of its terminal")
        elif self._host.reload is None:
            log.warning("SIGHUP before the host is started: the config is not read again")
        else:
            log.info("told to read the config", by="SIGHUP")
            self._manager.say(reloading())
            self._host.reload.on_signal().add_done_callback(lambda _: self._manager.say(READY))


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal (tty(4): opening /dev/tty fails where it has none)."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(descriptor)
    return True
