"""All parts of one host in the order they need each other; they end in reverse."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from steadycast.api.app import create_app
from steadycast.config.addresses import needed_token
from steadycast.config.current import CurrentSettings
from steadycast.config.settings import Settings
from steadycast.dashboard.files import page_files
from steadycast.lobbies.egresses import Egresses
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.lobbies import Lobbies, LobbiesParts
from steadycast.lobbies.mask import masked_text
from steadycast.lobbies.receipts import ReceiptBook
from steadycast.lobbies.staging import StagingParts
from steadycast.lobbies.store import Store
from steadycast.lobbies.vetting import Vetting, check_declared
from steadycast.lobbies.worker_events import telling
from steadycast.serve.encoding import Around, start_encoders
from steadycast.serve.folders import Folders, check_room, locked, make_folders, write_host_file
from steadycast.serve.http import HttpServer
from steadycast.serve.ports import listen, port_of
from steadycast.serve.reload import ConfigFile, Reload
from steadycast.serve.welcome import welcome
from steadycast.vendors.look import find_gpus
from steadycast.workers.canary import Canary
from steadycast.workers.evidence import EvidenceFolder
from steadycast.workers.supervisor import Supervisor

log = structlog.get_logger("host")


@dataclass(frozen=True, slots=True)
class Ports:
    """The listening sockets of a host."""

    http: socket.socket
    rtsp: socket.socket


class Host:
    """A host. `start` it once; `stop` it in any state; `hasten` makes a stop that takes too long quick."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], file: ConfigFile | None = None) -> None:
        self._settings = settings
        self._file = file
        self._environment = environment
        self._stack = AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._started = False
        self.reload: Reload | None = None  # reads the config again, once it is started

    async def start(self, say: Callable[[str], None]) -> None:
        """Start everything; `say` gets what a person should read. Raises ConfigError, SteadycastError, OSError."""
        token = needed_token(self._settings)
        check_declared(self._settings)
        folders = make_folders(self._settings.state, self._environment)
        self._stack.enter_context(locked(folders))
        check_room(folders)
        events = EventLog()
        store = Store(folders.database)
        await store.open()
        self._stack.push_async_callback(store.close)
        receipts = ReceiptBook(store, events)
        self._stack.push_async_callback(receipts.close)
        supervisor = await self._start_supervisor(folders, receipts, events)
        receipts.watch(supervisor)
        adoption = await supervisor.adopt()
        await asyncio.gather(
            *(one.worker.end("nobody wants it") for one in adoption.adopted)
        )  # they have the RTSP port
        ports = self._listen()
        settings = self._settings.model_copy(update={"port": port_of(ports.http), "rtsp_port": port_of(ports.rtsp)})
        current = CurrentSettings(settings)
        around = Around(current, folders, supervisor, store, events)
        encoders, simulated = await start_encoders(around, self._stack)
        vet = Vetting(current, frozenset({settings.port, settings.rtsp_port}))
        egresses = Egresses(current, supervisor, ports.rtsp, token)
        staging = StagingParts(current, supervisor, vet, encoders)
        lobbies = Lobbies(LobbiesParts(staging, store, receipts, events, egresses, encoders))
        self._stack.push_async_callback(lobbies.close)
        await lobbies.start()
        reload = self.reload = Reload(self._file, self._settings, current, lobbies, events)
        canary = Canary()
        self._stack.push_async_callback(canary.close)
        app = create_app(
            lobbies,
            current,
            files=page_files,
            state=folders.state,
            canary=canary,
            simulated_vendor=simulated,
            reloads=reload,
        )
        server = HttpServer(app, ports.http)
        self._stack.push_async_callback(server.stop)
        self._stack.push_async_callback(reload.close)
        self._stack.callback(events.close)  # before the server waits for its streams
        await server.start()
        write_host_file(folders, settings.port, settings.rtsp_port, self._file.path if self._file else None)
        self._stack.callback(folders.host_file.unlink, missing_ok=True)
        names = [view.key or view.id for view in lobbies.list().items]
        say(welcome(settings, folders, find_gpus(), names, socket.gethostname()))
        self._started = True
        log.info("host started", port=settings.port, rtsp_port=settings.rtsp_port, state=str(folders.state))

    async def stop(self) -> None:
        """End everything that was started, in reverse order, each within its deadline."""
        write = log.info if self._started else log.debug  # why it did not start is said in one line
        write("host ends")
        await self._stack.aclose()
        write("host ended")

    def hasten(self) -> None:
        """Kill all workers: their ends are then seen at once."""
        if self._supervisor is not None:
            self._supervisor.hasten()

    def _listen(self) -> Ports:
        settings = self._settings
        http = self._stack.enter_context(listen(settings.host, settings.port, "port"))
        rtsp = self._stack.enter_context(listen(settings.host, settings.rtsp_port, "rtsp_port"))
        return Ports(http, rtsp)

    async def _start_supervisor(self, folders: Folders, receipts: ReceiptBook, events: EventLog) -> Supervisor:
        workers = self._settings.workers
        evidence = EvidenceFolder(folders.state / "evidence", workers.evidence, masked_text)
        supervisor = Supervisor(folders.runtime, workers, receipts.add, on_worker=telling(events), evidence=evidence)
        self._supervisor = supervisor
        self._stack.push_async_callback(supervisor.close)
        await supervisor.open()
        return supervisor
