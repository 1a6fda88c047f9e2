"""The line to a service manager: a real datagram socket, and none."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from pathlib import Path

import pytest

from steadycast.serve.service_line import READY, SOCKET, WATCHDOG, WATCHDOG_PID, ServiceLine, reloading


@pytest.mark.parametrize("abstract", [False, True])
def test_what_is_said_arrives_and_the_address_leaves_the_environment(abstract: bool, tmp_path: Path) -> None:
    name = f"@{uuid.uuid4().hex}" if abstract else str(tmp_path / "notify")
    environment = {SOCKET: name, "PATH": "/bin"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name[1:]}" if abstract else name)
        manager.settimeout(30)
        line = ServiceLine(environment)
        assert environment == {"PATH": "/bin"}, "no child speaks for this process"
        line.say(READY)
        line.say(reloading())
        assert manager.recv(100) == b"READY=1"
        first, _, second = manager.recv(100).decode().partition("\n")
        assert first == "RELOADING=1" and second.startswith("MONOTONIC_USEC=")
    line.say(READY)  # nobody is there any more


def test_without_a_manager_nothing_is_said() -> None:
    ServiceLine({}).say(READY)


@pytest.mark.parametrize("by_pid", [False, True])
async def test_a_watchdog_hears_that_the_loop_turns(by_pid: bool, tmp_path: Path) -> None:
    whom = str(os.getpid()) if by_pid else ""
    environment = {SOCKET: str(tmp_path / "notify"), WATCHDOG: "20000", **({WATCHDOG_PID: whom} if whom else {})}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(environment[SOCKET])
        manager.settimeout(30)
        line = ServiceLine(environment)
        assert (environment, line.watchdog_s) == ({}, 0.02)
        alive = asyncio.create_task(line.keep_alive())
        for _ in range(3):
            assert await asyncio.to_thread(manager.recv, 100) == b"WATCHDOG=1"
        alive.cancel()


@pytest.mark.parametrize("asked", [{}, {WATCHDOG: "0"}, {WATCHDOG: "soon"}, {WATCHDOG: "20000", WATCHDOG_PID: "1"}])
async def test_who_does_not_ask_hears_nothing(asked: dict[str, str]) -> None:
    line = ServiceLine(asked)
    assert (asked, line.watchdog_s) == ({}, None)
    await line.keep_alive()
