"""Which lobbies a host starts with: those of the store, brought in line with those that the config declares. Pure.

What the config declares is what is there, with the id it had before, so that addresses stay. What it no longer declares
is gone; what callers created stays until they delete it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from steadycast.config.settings import LobbySettings
from steadycast.lobbies.store import StoredLobby


@dataclass(frozen=True, slots=True)
class Restored:
    """The lobbies to start, those of them that the store does not have like this, and ids that it must forget."""

    lobbies: tuple[StoredLobby, ...]
    changed: tuple[StoredLobby, ...]
    dropped: tuple[str, ...]


def restore(
    stored: Sequence[StoredLobby], declared: Sequence[LobbySettings], now: float, new_id: Callable[[], str]
) -> Restored:
    """Keys of `declared` differ. A declared lobby without a key is known again by being the same in all."""
    left = list(stored)
    lobbies, changed = [], []
    for request in declared:
        text = request.model_dump_json()
        match = next((one for one in left if _same(one, request.key, text)), None)
        lobby = StoredLobby(new_id(), request.key, now, text, True)
        if match is not None:
            left.remove(match)
            lobby = replace(match, request=text, declared=True)
        if lobby != match:
            changed.append(lobby)
        lobbies.append(lobby)
    kept = [one for one in left if not one.declared]
    dropped = tuple(one.id for one in left if one.declared)
    return Restored((*lobbies, *kept), tuple(changed), dropped)


def _same(one: StoredLobby, key: str | None, text: str) -> bool:
    return one.key == key if key is not None else one.declared and one.key is None and one.request == text
