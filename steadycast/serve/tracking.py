"""Starts the host's looks at itself. Whatever is wrong with the files of that: the host starts."""

from __future__ import annotations

from pathlib import Path

import structlog

from steadycast.config.current import HostSettings
from steadycast.errors import ConfigError
from steadycast.lobbies.lobbies import Lobbies
from steadycast.serve.folders import Folders
from steadycast.upkeep.upkeep import Upkeep
from steadycast.workers.records import folder

log = structlog.get_logger("host")

BROKEN = ".broken"  # the file of before, if it cannot be used; one is kept
MEMORY = Path(":memory:")


def start_upkeep(settings: HostSettings, lobbies: Lobbies, folders: Folders) -> Upkeep | None:
    """None where it is not wanted. A file that cannot be used is put aside; where that cannot be done either, what is
    measured is kept in memory only, and said so."""
    if not settings.tracking.enabled:
        return None
    history, logs = folders.state / "history.db", folder(folders.runtime)
    for path in (history, history, MEMORY):
        try:
            upkeep = Upkeep(settings, lobbies, folders.state, logs, path)
        except ConfigError as error:
            log.error("the history is begun anew", what=error.what)
            _put_aside(history)
            continue
        upkeep.start()
        return upkeep
    log.error("nothing is measured, and no leak is found")
    return None


def _put_aside(history: Path) -> None:
    try:
        history.replace(history.with_name(history.name + BROKEN))
        for rest in ("-wal", "-shm"):
            history.with_name(history.name + rest).unlink(missing_ok=True)
    except OSError as error:
        log.error("the history cannot be put aside", path=str(history), why=error.strerror)
