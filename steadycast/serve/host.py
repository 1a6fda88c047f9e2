"""All parts of one host in the order they need each other; they end in reverse."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from steadycast.api.app import Extras, create_app
from steadycast.config.addresses import needed_token
from steadycast.config.current import CurrentSettings
from steadycast.config.settings import Settings
from steadycast.dashboard.files import page_files
from steadycast.errors import ConfigError, SteadycastError
from steadycast.lobbies.egresses import Egresses
from steadycast.lobbies.events import EventLog, first_id
from steadycast.lobbies.lobbies import Lobbies, LobbiesParts
from steadycast.lobbies.mask import masked_text
from steadycast.lobbies.receipts import ReceiptBook
from steadycast.lobbies.staging import StagingParts
from steadycast.lobbies.store import Store
from steadycast.lobbies.vetting import Vetting, check_declared
from steadycast.lobbies.worker_events import telling
from steadycast.model import Receipt, Subject
from steadycast.serve.encoding import Around, start_encoders
from steadycast.serve.folders import Folders, check_room, locked, make_folders, write_host_file
from steadycast.serve.http import HttpServer
from steadycast.serve.ports import listen, port_of
from steadycast.serve.reload import ConfigFile, Reload
from steadycast.serve.rtsp_port import RtspPort, free_port, rtsp_port
from steadycast.serve.tracking import start_upkeep
from steadycast.serve.welcome import welcome
from steadycast.upkeep.upkeep import Upkeep
from steadycast.vendors.look import find_gpus
from steadycast.vendors.simulated.vendor import SimulatedVendor
from steadycast.workers.adoption import Adoption
from steadycast.workers.canary import Canary
from steadycast.workers.evidence import EvidenceFolder
from steadycast.workers.records import forget, keep_ended, read_all
from steadycast.workers.supervisor import Supervisor

log = structlog.get_logger("host")


@dataclass(frozen=True, slots=True)
class Written:
    """What is told and written down."""

    events: EventLog
    store: Store
    receipts: ReceiptBook

    async def close(self) -> None:
        """Write what is left."""
        await self.receipts.flush()
        await self.store.close()


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served over HTTP."""

    http: socket.socket
    folders: Folders
    lobbies: Lobbies
    settings: CurrentSettings
    reload: Reload
    simulated: SimulatedVendor | None


T = TypeVar("T")

LEAVE_S = 1.0  # to let go of the workers; those that are ending have no more time than this
FLUSH_S = 0.5  # to write what is not written yet


class Host:
    """A host. `start` it once; then `stop` it in any state, or `leave` its workers to the next one. `hasten` makes a
    stop that takes too long quick."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], file: ConfigFile | None = None) -> None:
        self._settings = settings
        self._file = file
        self._environment = environment
        self._stack = AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._lobbies: Lobbies | None = None
        self._written: Written | None = None
        self._upkeep: Upkeep | None = None
        self._adoption: Adoption | None = None  # once it is over
        self._started = self._failed = False
        self.reload: Reload | None = None  # reads the config again, once it is started

    async def start(self, say: Callable[[str], None]) -> None:
        """Start everything; `say` gets what a person should read. Raises ConfigError, SteadycastError, OSError.

        The HTTP port is listened on first: who asks meanwhile waits, and a port in use leaves all as it was.
        """
        try:
            await self._start(say)
        except Exception:  # also a fault of the program: an upgrade that does not start ends nobody's stream
            self._failed = True
            raise

    async def _start(self, say: Callable[[str], None]) -> None:
        token = needed_token(self._settings)
        check_declared(self._settings)
        folders = make_folders(self._settings.state, self._environment)
        self._stack.enter_context(locked(folders))
        self._check_room(folders)
        http = self._stack.enter_context(listen(self._settings.host, self._settings.port, "port"))
        if (free := free_port(self._settings, folders.runtime)) is not None:
            self._stack.enter_context(free)
        written, supervisor = await to_the_end(self._open_books(folders))
        await supervisor.open()
        written.receipts.watch(supervisor)
        found = self._adoption = await supervisor.adopt()
        port = await rtsp_port(self._settings, found) if free is None else RtspPort(free, found.adopted)
        rtsp = self._stack.enter_context(port.listening)
        settings = self._settings.model_copy(update={"port": port_of(http), "rtsp_port": port_of(rtsp)})
        current = CurrentSettings(settings)
        around = Around(current, folders, supervisor, written.store, written.events)
        encoders, simulated = await start_encoders(around, self._stack)
        vet = Vetting(current, frozenset({settings.port, settings.rtsp_port}))
        egresses = Egresses(current, supervisor, rtsp, token)
        staging = StagingParts(current, supervisor, vet, encoders)
        parts = LobbiesParts(staging, written.store, written.receipts, written.events, egresses, encoders)
        lobbies = self._lobbies = Lobbies(parts)
        self._stack.push_async_callback(lobbies.close)
        await lobbies.start(replace(found, adopted=port.adopted))
        if (upkeep := start_upkeep(current, lobbies, folders)) is not None:
            self._upkeep = upkeep
            self._stack.push_async_callback(upkeep.close)
        reload = self.reload = Reload(self._file, self._settings, current, lobbies, written.events)
        await self._serve(Serving(http, folders, lobbies, current, reload, simulated))
        self._write_host_file(folders, settings)
        self._stack.callback(folders.host_file.unlink, missing_ok=True)
        names = [view.key or view.id for view in lobbies.list().items]
        say(welcome(settings, folders, find_gpus(), names, socket.gethostname(), lobbies.adoption))
        self._started = True
        log.info("host started", port=settings.port, rtsp_port=settings.rtsp_port, state=str(folders.state))

    def _check_room(self, folders: Folders) -> None:
        """A full disk is a reason not to start, but none to let workers of a former control plane end."""
        try:
            check_room(folders)
        except ConfigError as error:
            if not read_all(folders.runtime):
                raise
            log.error("nothing new can be started", what=error.what, hint=error.hint)

    def _write_host_file(self, folders: Folders, settings: Settings) -> None:
        try:
            write_host_file(folders, settings.port, settings.rtsp_port, self._file.path if self._file else None)
        except ConfigError as error:
            log.error("other programs do not find this host", what=error.what)

    async def stop(self) -> None:
        """End everything that was started, in reverse order, each within its deadline. Nothing new is begun, viewers
        are told, the lobbies end, and only then nobody is answered any more.

        A host that could not start leaves what it found: it runs on until the next one starts, or for its own time.
        """
        if self._failed and self._holds_found():
            await self.leave()
            return
        write = log.info if self._started else log.debug  # why it did not start is said in one line
        write("host ends")
        await self._stack.aclose()
        write("host ended")

    def _holds_found(self) -> bool:
        """Whether it has workers of a former host."""
        if self._adoption is not None:
            return bool(self._adoption.adopted)
        return self._supervisor is not None and bool(self._supervisor.workers)

    async def leave(self) -> None:
        """Let go of all workers, alive, and write down what is to be written; the process must end at once then."""
        log.info("host leaves its workers")
        await self._within(LEAVE_S, self._let_go())
        if self._written is not None:
            await self._within(FLUSH_S, self._written.close())
        log.info("host left its workers")

    def hasten(self) -> None:
        """Kill all workers: their ends are then seen at once."""
        if self._supervisor is not None:
            self._supervisor.hasten()

    async def _let_go(self) -> None:
        if self._lobbies is not None:
            await self._lobbies.leave()
            if self._upkeep is not None:
                await self._upkeep.close()
        elif self._supervisor is not None:
            await self._supervisor.leave()

    async def _within(self, seconds: float, work: Coroutine[None, None, None]) -> None:
        try:
            async with asyncio.timeout(seconds):
                await work
        except TimeoutError:
            log.warning("not all was done before the host left", within_s=seconds)
        except SteadycastError as error:
            log.warning("not all was done before the host left", what=error.what)

    async def _open_books(self, folders: Folders) -> tuple[Written, Supervisor]:
        """From here on whoever is told to end ends what a former host left, too."""
        events, store = EventLog(first=first_id(time.time())), Store(folders.database)
        await store.open()
        self._stack.push_async_callback(store.close)
        keep_ended(folders.runtime)

        def settled(receipt: Receipt) -> None:
            if receipt.subject is Subject.WORKER:
                forget(folders.runtime, receipt.worker)

        receipts = ReceiptBook(store, events, settled)
        self._stack.push_async_callback(receipts.close)
        written = self._written = Written(events, store, receipts)
        workers = self._settings.workers
        evidence = EvidenceFolder(folders.state / "evidence", workers.evidence, masked_text)
        evidence.sweep()
        supervisor = self._supervisor = Supervisor(
            folders.runtime, workers, receipts.add, on_worker=telling(events), evidence=evidence
        )
        self._stack.push_async_callback(self._end_workers, supervisor)
        return written, supervisor

    async def _end_workers(self, supervisor: Supervisor) -> None:
        await supervisor.close(found=not self._failed)  # one that could not start leaves what it did not come to

    async def _serve(self, serving: Serving) -> None:
        canary = Canary()
        self._stack.push_async_callback(canary.close)
        app = create_app(
            serving.lobbies,
            serving.settings,
            files=page_files,
            state=serving.folders.state,
            canary=canary,
            more=Extras(serving.simulated, serving.reload, self._upkeep),
        )
        server = HttpServer(app, serving.http)
        self._stack.push_async_callback(server.stop)
        self._stack.push_async_callback(serving.reload.close)
        self._stack.callback(serving.lobbies.events.close)  # before the server waits for its streams
        self._stack.push_async_callback(serving.lobbies.close)  # while callers are still answered
        await server.start()


async def to_the_end(work: Coroutine[None, None, T]) -> T:
    """Do it also where it is cut off: CancelledError comes when it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
