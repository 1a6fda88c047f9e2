"""Reads the lobbies of a store that a host may have open, and changes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog
from pydantic import ValidationError

from steadycast.config.settings import LobbySettings
from steadycast.errors import RefusedError
from steadycast.lobbies.reloading import RunningLobby

log = structlog.get_logger("store")

WAIT_S = 3.0  # for a host that writes


def peek(database: Path) -> tuple[RunningLobby, ...]:
    """The lobbies that are stored there, oldest first; none where there is no such file. Those that cannot be read are
    left out, as at a start. Raises RefusedError `store.failed`."""
    if not database.exists():
        return ()
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", timeout=WAIT_S, uri=True)) as db:
            rows = db.execute("SELECT id, key, created, request, declared FROM lobbies ORDER BY created, id").fetchall()
    except sqlite3.Error as error:
        raise RefusedError("store.failed", f"{database} cannot be read: {error}.") from None
    found = []
    for id, key, created, text, declared in rows:
        try:
            found.append(RunningLobby(id, key, LobbySettings.model_validate_json(text), bool(declared), created))
        except ValidationError as error:
            log.error("a stored lobby is left out: it cannot be read", lobby=id, problems=error.error_count())
    return tuple(found)
