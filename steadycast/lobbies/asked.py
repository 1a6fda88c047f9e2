"""What a lobby was asked to be: the one place where its request stands, so that it may change while the lobby lives."""

from __future__ import annotations

from steadycast.config.settings import LobbySettings


class Asked:
    """`request` is what counts now."""

    def __init__(self, request: LobbySettings) -> None:
        self.request = request
