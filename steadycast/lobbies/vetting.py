"""Looks at what a request names: where files and host names lead. The judgement is in `rules`."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from pathlib import Path

import psutil

from steadycast.config.current import HostSettings
from steadycast.config.settings import LobbySettings
from steadycast.errors import CallerError, ConfigError
from steadycast.lobbies import rules
from steadycast.model import FileSource, RtspSource

RESOLVE_S = 5.0


class Vetting:
    """Checks requests for this host. `ports` are those it listens on."""

    def __init__(self, settings: HostSettings, ports: frozenset[int]) -> None:
        self._settings = settings
        self._ports = ports

    async def __call__(self, request: LobbySettings) -> None:
        """Raise CallerError where a request can never work, or reaches for what it must not."""
        rules.check_request(request, self._settings)
        if isinstance(request.source, FileSource):
            await asyncio.to_thread(self._check_file, request.source)
        elif isinstance(request.source, RtspSource):
            await self._check_camera(request.source)

    def _check_file(self, source: FileSource) -> None:
        try:
            is_file = _resolve_file(source, self._settings).is_file()
        except (OSError, ValueError, RuntimeError) as error:  # too long, a loop of links
            raise CallerError("source.file", f"source.path: {error}.") from None
        if not is_file:
            raise CallerError("source.file", f"source.path: there is no file {source.path!r}.")

    async def _check_camera(self, source: RtspSource) -> None:
        host, port = rules.camera_address(source)
        facts = rules.HostFacts(_own_addresses(), self._ports)
        rules.check_camera(host, port, await _resolve(host, port), facts)


def check_declared(settings: HostSettings) -> None:
    """Raise ConfigError for a lobby of the config that can never work with this config.

    Files and cameras that are away are no mistake: they may come.
    """
    for number, lobby in enumerate(settings.lobbies):
        try:
            rules.check_request(lobby, settings)
            if isinstance(lobby.source, FileSource):
                _resolve_file(lobby.source, settings)
        except CallerError as error:
            raise ConfigError("config.invalid", f"lobbies.{number}.{error.what}", hint=error.hint) from None
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError("config.invalid", f"lobbies.{number}.source.path: {error}.") from None


def _resolve_file(source: FileSource, settings: HostSettings) -> Path:
    if "\0" in source.path:  # each Python says it in other words
        raise CallerError("source.file", "source.path: embedded null character.")
    path = Path(source.path)
    resolved = path.resolve()
    rules.check_file(path, resolved, [folder.resolve() for folder in settings.sources.file_folders])
    return resolved


async def _resolve(host: str, port: int) -> tuple[rules.Address, ...]:
    """What a name leads to; empty where it leads nowhere now: the camera is away, which is no fault of the caller."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return ()
    return tuple(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)


def _own_addresses() -> frozenset[rules.Address]:
    kinds = (socket.AF_INET, socket.AF_INET6)
    every = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    return frozenset(ipaddress.ip_address(a.address.partition("%")[0]) for a in every if a.family in kinds)
