"""The control plane under chaos: started, killed, stopped and started again on one state and the same ports."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.support.chaos.ground import Ground
from tests.support.chaos.lag import Lag
from tests.support.chaos.touches import Outage, Touches

UP_S = 20.0  # from exec until the API answers, in weighed time
PATIENCE_S = 90.0  # for anything of which only the order is tried, not how long it takes
CLOCKS = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
)


def free_port() -> int:
    """Below those that the kernel gives to everybody, so that nobody takes it while no control plane listens."""
    while True:
        port = random.SystemRandom().randrange(18_000, 30_000)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Plane:
    """At most one runs. `lock` is held by whoever does something to it."""

    def __init__(
        self, ground: Ground, touches: Touches, note: Callable[[str], None], finding: Callable[[str], None]
    ) -> None:
        self.pid = 0
        self.started = 0.0  # monotonic, of the present one
        self.lock = asyncio.Lock()
        self.log = ground.folder / "host.log"
        self.config = ground.folder / "config.toml"
        self.state = ground.disk / "state"
        self.ports = (free_port(), free_port())
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        self.rtsp = f"rtsp://127.0.0.1:{self.ports[1]}"
        self.clock = next((path for path in CLOCKS if path.exists()), None)
        self.strangers: set[int] = set()  # pids of other control planes that were tried
        self.lag: Lag | None = None
        self.http = httpx.AsyncClient(base_url=self.url, timeout=40, limits=httpx.Limits(max_connections=200))
        self._ground = ground
        self._touches = touches
        self._note = note
        self._finding = finding
        self._outage: Outage | None = None
        self._away()  # until the first one is up
        self._hour = ground.folder / "clock"
        self._hour.write_text("+0")

    @property
    def runtime(self) -> Path:
        """As it is seen from here."""
        return self._ground.seen_disk / "state" / "run"

    @property
    def up(self) -> bool:
        """Whether it should answer."""
        return self._outage is None and bool(self.pid)

    def words(self, ports: tuple[int, int] | None = None) -> list[str]:
        port, rtsp = ports or self.ports
        words = [sys.executable, "-m", "steadycast", "serve", "--port", str(port), "--rtsp-port", str(rtsp)]
        return [*words, "--state", str(self.state), "--config", str(self.config)]

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("STEADYCAST_") and k != "XDG_RUNTIME_DIR"}
        if self.clock is not None:
            kept |= {"LD_PRELOAD": str(self.clock), "FAKETIME_TIMESTAMP_FILE": str(self._hour)}
            kept |= {"FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return kept

    def jump(self, seconds: float) -> None:
        """The wall clock of the host, from about now; it stays so."""
        self._hour.write_text(f"{seconds:+.0f}")

    async def start(self) -> None:
        """Raises AssertionError with the log where it does not come up."""
        began = time.monotonic()
        self.pid = await self._ground.start(self.words(), self.environment(), self.log)
        while not await self._answers():
            code = await self._ground.wait(self.pid, 0.05)
            assert code is None, f"the control plane exited with {code}:\n{self.tail()}"
            now = time.monotonic()
            worked = now - began if self.lag is None else self.lag.worked(began, now)
            assert worked < UP_S, f"the control plane is not up after {now - began:.0f} s:\n{self.tail()}"
        self.started = time.monotonic()
        self._over()
        self._note(f"control plane {self.pid} is up after {self.started - began:.2f} s")

    async def kill(self, number: signal.Signals = signal.SIGKILL, deadline_s: float = PATIENCE_S) -> int:
        """Its exit code, once it is gone."""
        self._away()
        os.kill(self.pid, number)
        code = await self._ground.wait(self.pid, deadline_s)
        assert code is not None, f"the control plane did not end by {number.name}:\n{self.tail()}"
        return code

    async def freeze(self, seconds: float) -> None:
        """SIGSTOP for so long."""
        self._away()
        os.kill(self.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(self.pid, signal.SIGCONT)
        self._over()

    async def second(self, before: list[str] | None = None) -> int | None:
        """Start another one on the same state; its exit code, None where it goes on (it is killed then)."""
        log = self._ground.folder / "second.log"
        words = [*(before or []), *self.words((0, 0))]
        pid = await self._ground.start(words, self.environment(), log)
        self.strangers.add(pid)
        code = await self._ground.wait(pid, PATIENCE_S)
        if code is None:
            os.kill(pid, signal.SIGKILL)
            await self._ground.wait(pid, PATIENCE_S)
        return code

    async def ask(self, method: str, path: str, body: Any = None, timeout_s: float = 40.0) -> httpx.Response | None:
        """None where there is no answer."""
        try:
            sent = None if method in ("GET", "DELETE") else body or {}
            answer = await self.http.request(method, path, json=sent, timeout=timeout_s)
        except httpx.TransportError:
            return None
        if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            self._finding(f"{method} {path}: {answer.text[:300]}")
        return answer

    async def get(self, path: str, timeout_s: float = 40.0) -> Any:
        """The JSON of an answer; None where there is none."""
        answer = await self.ask("GET", path, timeout_s=timeout_s)
        return answer.json() if answer is not None and answer.status_code == 200 else None

    async def items(self, what: str) -> list[dict[str, Any]] | None:
        """All of a list of the API, page by page."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await self.get(f"/api/v1/{what}?limit=200{after}")
            if page is None:
                return None
            found += page["items"]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def _answers(self) -> bool:
        answer = await self.ask("GET", "/api/v1/system", timeout_s=2.0)
        try:
            told = json.loads((self.runtime / "host.json").read_text())
        except (OSError, json.JSONDecodeError):
            return False
        return answer is not None and answer.status_code == 200 and told["pid"] == self.pid

    def _away(self) -> None:
        if self._outage is None:
            self._outage = Outage(time.monotonic())
            self._touches.outages.append(self._outage)

    def _over(self) -> None:
        if self._outage is not None:
            self._outage.until = time.monotonic()
            self._outage = None
