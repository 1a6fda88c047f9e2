"""The RTSP port at the start: handed over by an egress worker of a former control plane, or listened on anew.

Players connect all the time; a socket that is handed over refuses none of them.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from steadycast.config.settings import Settings
from steadycast.errors import ConfigError, SteadycastError
from steadycast.lobbies.loss import hang_of
from steadycast.serve.ports import listen, port_of
from steadycast.workers.adoption import Adopted, Adoption
from steadycast.workers.messages import DrainEgress, HandListener, RtspListener
from steadycast.workers.messages.stock import EgressStock
from steadycast.workers.records import read_all

log = structlog.get_logger("host")

HAND_S = 2.0  # for a worker to hand its listener over, or to let go of it
FREE_S = 12.0  # for the port to become free once workers were told to let go of it, or are being ended
AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class RtspPort:
    """The listening socket, and the workers that were found: those that listen elsewhere are draining now."""

    listening: socket.socket
    adopted: tuple[Adopted, ...]


def free_port(settings: Settings, runtime: Path) -> socket.socket | None:
    """The listening socket, before anything is started, where no worker is left that may have it; None: one is.
    Raises ConfigError where the port is in use."""
    return None if read_all(runtime) else listen(settings.host, settings.rtsp_port, "rtsp_port")


async def rtsp_port(settings: Settings, found: Adoption) -> RtspPort:
    """Raises ConfigError where the port is in use.

    Where workers themselves have it, at another address, they let go of it first, and one that is not adopted ends;
    where others have it nothing changes.
    """
    adopted, ending = found.adopted, any(not one.gone.done() for one in found.refused)
    held = [one for one in adopted if isinstance(one.stock, EgressStock) and one.stock.order and not one.stock.draining]
    ports = set()  # that they have
    for one in held:
        listening = await _handed(one)
        if listening is not None:
            ports.add(port_of(listening))
        if listening is not None and _fits(settings, one, listening):
            return RtspPort(listening, adopted)
        if listening is not None:
            listening.close()
    try:
        listening = listen(settings.host, settings.rtsp_port, "rtsp_port")
    except ConfigError as error:
        if error.code != "port.taken" or not (ending or settings.rtsp_port in ports):
            raise
        await asyncio.gather(*(_let_go(one) for one in held))
        listening = await _listen_soon(settings)
    else:
        await asyncio.gather(*(_let_go(one) for one in held))
    return RtspPort(listening, tuple(_draining(one) if one in held else one for one in adopted))


def _draining(one: Adopted) -> Adopted:
    assert isinstance(one.stock, EgressStock)
    return replace(one, stock=replace(one.stock, draining=True))


async def _handed(one: Adopted) -> socket.socket | None:
    try:
        await one.worker.request(HandListener(), deadline=HAND_S)
        fds = one.worker.pick(RtspListener)
        return None if fds is None else socket.socket(fileno=fds.take())
    except (SteadycastError, OSError) as error:
        log.warning("no RTSP port is handed over", pid=one.worker.pid, why=str(error))
        return None


def _fits(settings: Settings, one: Adopted, listening: socket.socket) -> bool:
    """Whether it is where the settings want it; port 0: wherever it is."""
    assert isinstance(one.stock, EgressStock) and one.stock.order is not None
    return one.stock.order.host == settings.host and settings.rtsp_port in (0, port_of(listening))


async def _let_go(one: Adopted) -> None:
    """Viewers stay; whoever does not let go is ended."""
    try:
        await one.worker.request(DrainEgress(), deadline=HAND_S)
    except SteadycastError as error:
        log.warning("the RTSP port is not let go", pid=one.worker.pid, what=error.what)
        one.worker.begin_end("it does not let go of the RTSP port", hang=hang_of(error))


async def _listen_soon(settings: Settings) -> socket.socket:
    loop = asyncio.get_running_loop()
    until = loop.time() + FREE_S
    while True:
        try:
            return listen(settings.host, settings.rtsp_port, "rtsp_port")
        except ConfigError as error:
            if error.code != "port.taken" or loop.time() > until:
                raise
        await asyncio.sleep(AGAIN_S)
