"""Runs a host until it is told to stop: signals, event loop, exit code."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import structlog

from steadycast.config.settings import Settings
from steadycast.serve.hangup import Hangup
from steadycast.serve.host import Host
from steadycast.serve.logs import set_up_logs
from steadycast.serve.reload import ConfigFile
from steadycast.serve.service_line import READY, STOPPING, ServiceLine
from steadycast.tracking.pools import filled_pool

log = structlog.get_logger("host")

THREADS = 4  # of the loop, for what may wait: names of hosts, files, pictures of the history


def run(settings: Settings, say: Callable[[str], None], file: ConfigFile | None = None) -> None:
    """Serve until SIGINT or SIGTERM; a second one ends all workers at once. Raises ConfigError, SteadycastError.

    SIGQUIT leaves the workers alive to the next host and ends this process, with exit code 0 and within 2 s.

    SIGHUP reads the config `file` again; where the terminal that it was started from is gone, it is the end.
    """
    set_up_logs(settings)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, say, file, ServiceLine(os.environ)))


async def _serve(settings: Settings, say: Callable[[str], None], file: ConfigFile | None, manager: ServiceLine) -> None:
    host = Host(settings, os.environ, file)
    stopping, leaving = asyncio.Event(), asyncio.Event()

    def stop(name: str) -> None:
        if stopping.is_set():
            log.warning("hastened", by=name)
            host.hasten()
        log.info("told to stop", by=name)
        manager.say(STOPPING)
        stopping.set()

    loop = asyncio.get_running_loop()
    loop.set_default_executor(filled_pool(THREADS, "default"))
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop, one.name)
    loop.add_signal_handler(signal.SIGHUP, Hangup(host, stop, manager).heard)
    loop.add_signal_handler(signal.SIGQUIT, leaving.set)
    alive = loop.create_task(manager.keep_alive(), name="watchdog")
    starting = asyncio.create_task(host.start(say))
    try:
        await _first(starting, stopping, leaving)
        if not starting.done():
            starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
            manager.say(READY)
        await _first(None, stopping, leaving)
        if leaving.is_set() and not stopping.is_set():
            manager.say(STOPPING)
            await host.leave()
            _end_now()
    finally:
        await host.stop()
        alive.cancel()


async def _first(task: asyncio.Task[None] | None, *events: asyncio.Event) -> None:
    """Wait until the task is done or one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    tasks: set[asyncio.Task[Any]] = {*waits, *([] if task is None else [task])}
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _end_now() -> NoReturn:
    """Without unwinding: what still runs here would take the workers that were left for lost."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, as it spends less on each wake-up."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
