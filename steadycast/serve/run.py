"""Runs a host until it is told to stop: signals, event loop, exit code."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

import structlog

from steadycast.config.settings import Settings
from steadycast.serve.hangup import Hangup
from steadycast.serve.host import Host
from steadycast.serve.logs import set_up_logs
from steadycast.serve.reload import ConfigFile

log = structlog.get_logger("host")


def run(settings: Settings, say: Callable[[str], None], file: ConfigFile | None = None) -> None:
    """Serve until SIGINT or SIGTERM; a second one ends all workers at once. Raises ConfigError, SteadycastError.

    SIGHUP reads the config `file` again; where the terminal that it was started from is gone, it is the end.
    """
    set_up_logs(settings)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, say, file))


async def _serve(settings: Settings, say: Callable[[str], None], file: ConfigFile | None) -> None:
    host = Host(settings, os.environ, file)
    stopping = asyncio.Event()

    def stop(name: str) -> None:
        if stopping.is_set():
            log.warning("hastened", by=name)
            host.hasten()
        log.info("told to stop", by=name)
        stopping.set()

    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop, one.name)
    loop.add_signal_handler(signal.SIGHUP, Hangup(host, stop).heard)
    try:
        starting = asyncio.create_task(host.start(say))
        waiting = asyncio.create_task(stopping.wait())
        tasks: set[asyncio.Task[Any]] = {starting, waiting}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        await waiting
    finally:
        waiting.cancel()
        await host.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, as it spends less on each wake-up."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
