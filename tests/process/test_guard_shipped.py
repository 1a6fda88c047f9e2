"""The shipped policies, as they are but for paths, ports and waits, over stand-ins that behave and speak like the real
servers in containers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from steadycast.watching.guard.facts import Cause
from steadycast.watching.guard.gate import pass_gate
from steadycast.watching.guard.web import get
from tests.support.guarding import PYTHON, end, end_all, guarding, lives, write_policy

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    yield
    end_all(tmp_path)


ROOT = Path(__file__).resolve().parents[2]
WOLF = (
    ("every_s = 10\n", "every_s = 0.2\n"),
    ("backoff_s = [5, 300]", "backoff_s = [0.05, 1]"),
    ("settled_s = 300", "settled_s = 0.3"),
    ("for_s = 60", "for_s = 0.1\n"),
    ("vram_free = 1073741824", "descriptors_free = 100"),
    ("sessions = 6", "sessions = 2"),
    ("pattern = '\"client_ip\"'", "pattern = '\"client_ip\"'\nevery_s = 0.1"),
    ('[findings]\nact = "quiet"', '[findings]\nevery_s = 0.2\nact = "quiet"'),
)
NEOLINK = (
    ("every_s = 120\n", "every_s = 0.1\n"),
    ("failures = 3", "failures = 100"),
    ("backoff_s = [10, 600]", "backoff_s = [0.05, 1]"),
    ("settled_s = 600", "settled_s = 0.3"),
    ('[findings]\nact = "quiet"', '[findings]\nevery_s = 0.2\nact = "quiet"'),
)


def stand_in(home: Path, name: str, monkeypatch: pytest.MonkeyPatch, changes: tuple[tuple[str, str], ...]) -> str:
    """A folder that is a machine with docker and one container; the policy that fits it."""
    support = ROOT / "tests" / "support"
    script = home / name
    script.write_text(f"#!{PYTHON} -S\n{(support / f'stand_in_{name}_child.py').read_text()}")
    script.chmod(0o700)
    docker = home / "docker"
    docker.write_text(f"#!/bin/sh\nexec '{PYTHON}' -S '{support}/stand_in_docker_child.py' \"$@\"\n")
    docker.chmod(0o700)
    monkeypatch.setenv("PATH", str(home), prepend=":")
    monkeypatch.setenv("STAND_IN", str(home))
    text = (ROOT / "deploy" / "guard" / f"{name}.toml").read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


async def test_wolf_is_restarted_when_its_driver_refuses_and_nobody_is_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = tmp_path / "wolf.sock"
    text = stand_in(tmp_path, "wolf", monkeypatch, (*WOLF, ("/var/run/wolf/wolf.sock", str(sock))))
    async with guarding(tmp_path, text, "wolf") as kept:
        await kept.until_said("api is well")
        first = kept.pid
        for _ in range(2):
            await get("http://localhost/api/v1/sessions/add", sock)
        policy = write_policy(tmp_path, text, "wolf")
        why = await asyncio.to_thread(pass_gate, policy, [])  # it runs a loop of its own
        assert why == "This host is full, try again later: 2 of 2 sessions are there"
        await get("http://localhost/api/v1/sessions/add", sock)
        await kept.until_said("gl-out-of-memory")
        await kept.until_said("waits: the log says (gl-out-of-memory)")
        assert kept.pid == first and lives(first)  # streams that run go on
        await get("http://localhost/api/v1/sessions/stop", sock)
        await kept.until(lambda: kept.pid not in (None, first) and lives(kept.pid), "another process")
        assert not lives(first)
        await kept.until_said("the restart (signature) helped")
        assert [one.cause for one in kept.keeper.memory.restarts] == [Cause.SIGNATURE]
        last = kept.pid
    assert lives(last)
    end(last)


async def test_neolink_is_restarted_when_it_can_make_no_pipeline_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "port").write_text(str(port))
    text = stand_in(tmp_path, "neolink", monkeypatch, (*NEOLINK, ("8554", str(port))))
    async with guarding(tmp_path, text, "neolink") as kept:
        await kept.until_said("picture is well: the picture moves")
        first = kept.pid
        await kept.until_said("the log says (no-element): 3 times within 60 s")
        await kept.until(lambda: kept.pid not in (None, first) and lives(kept.pid), "another process")
        assert not lives(first)
        await kept.until_said("picture is well: the picture moves", times=2)
        evidence = (tmp_path / "state" / "evidence").iterdir()
        assert any("could not create element" in path.read_text() for path in evidence)
        last = kept.pid
        kept.keeper.pause("a test", True)
    assert lives(last)
    end(last)
