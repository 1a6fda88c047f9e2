"""A real host in its own process, for tests: started as a user starts it, asked over HTTP, looked at from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

ROOT = Path(__file__).resolve().parents[2]
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 40.0
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], deadline_s: float = 30.0, every_s: float = 0.05) -> T:
    """What `look` returns once it is neither None nor False; fails with the last value after the deadline."""
    end = time.monotonic() + deadline_s
    value: T | None = None
    pause = threading.Event()  # never set: lets other processes run between two looks
    while time.monotonic() < end:
        value = look()
        if value is not None and value is not False:
            return value
        pause.wait(every_s)
    raise AssertionError(f"{what}: not within {deadline_s} s (last seen: {value!r})")


@dataclass(frozen=True)
class Census:
    """What a host holds, counted from outside: of the control plane, and of the whole tree below it."""

    descriptors: int
    threads: int
    workers: tuple[str, ...]
    children: int
    sockets: int
    files: tuple[str, ...]
    displays: tuple[str, ...]


def _is_look(link: str) -> bool:
    """Whether the tracker looks there at a process that lives: it follows who comes a moment later. One that is gone
    has no folder, so that what is kept open of it counts."""
    parts = Path(link).parts
    return len(parts) > 2 and parts[1] == "proc" and parts[2].isdigit() and Path(*parts[:3]).exists()


class Answer(Exception):
    """An HTTP answer that is not 2xx."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class Host:
    """A running `steadycast serve`."""

    def __init__(self, process: subprocess.Popen[bytes], state: Path, log: Path) -> None:
        self.process = process
        self.state = state
        self.log = log
        info = wait_for("the host's host.json", self._info, START_DEADLINE_S)
        self.runtime = Path(info["runtime"])
        self.url = f"http://127.0.0.1:{info['port']}"
        self.rtsp = f"rtsp://127.0.0.1:{info['rtsp_port']}"
        wait_for("the host's health", self._answers, START_DEADLINE_S)

    def _info(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, f"the host exited with {self.process.returncode}:\n{self.tail()}"
        for path in self.state.rglob("host.json"):
            with contextlib.suppress(json.JSONDecodeError):
                told = dict(json.loads(path.read_text()))
                if told["pid"] == self.process.pid:  # else it is of a host that was killed
                    return told
        return None

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"the host exited with {self.process.returncode}:\n{self.tail()}"
        try:
            self.get("/api/v1/system")
        except Answer as answer:
            return answer.status == 401  # it has a token
        except OSError:
            return False
        return True

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """The JSON of an answer; raises Answer where it is not 2xx."""
        data = None if body is None else json.dumps(body).encode()
        all_headers = {"content-type": "application/json"} if data is not None else {}
        request = urllib.request.Request(self.url + path, data, {**all_headers, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raw = error.read()
            raise Answer(error.code, json.loads(raw) if raw[:1] == b"{" else {"raw": raw.decode()}) from None
        return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def create(self, name: str, source: dict[str, Any], **more: Any) -> dict[str, Any]:
        return dict(self.request("POST", "/api/v1/lobbies", {"name": name, "source": source, **more}))

    def delete(self, lobby: str) -> dict[str, Any]:
        return dict(self.request("DELETE", f"/api/v1/lobbies/{lobby}"))

    def lobby(self, lobby: str) -> dict[str, Any]:
        return dict(self.get(f"/api/v1/lobbies/{lobby}"))

    def wait_state(self, lobby: str, *states: str, deadline_s: float = 40.0) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            view = self.lobby(lobby)
            return view if view["state"] in states else None

        return wait_for(f"lobby {lobby} to be {'/'.join(states)}", look, deadline_s)

    def workers(self, kind: str) -> list[psutil.Process]:
        """The host's child processes of one kind, by their command line."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(f"{kind}_child" in word for word in child.cmdline()):
                    found.append(child)
        return found

    def egress(self) -> psutil.Process:
        """The egress worker that takes viewers, of a host with one: it alone has UDP ports."""

        def look() -> psutil.Process | None:
            found = []
            for process in self.workers("egress"):
                with contextlib.suppress(psutil.NoSuchProcess):
                    found += [process] if process.net_connections("udp") else []
            return found[0] if len(found) == 1 else None

        return wait_for("one egress worker that takes viewers", look)

    def census(self) -> Census:
        root = psutil.Process(self.process.pid)
        tree = []
        for child in root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                tree.append(child.name())
        links = []
        for entry in Path(f"/proc/{root.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                link = str(entry.readlink())
                if not _is_look(link):
                    links.append(link)
        return Census(
            descriptors=len(links),
            threads=root.num_threads(),
            workers=tuple(sorted(tree)),
            children=len(tree),
            sockets=sum(link.startswith("socket:") for link in links),
            files=tuple(sorted(str(p.relative_to(self.runtime)) for p in self.runtime.rglob("*"))),
            displays=self._displays(root),
        )

    @staticmethod
    def _displays(root: psutil.Process) -> tuple[str, ...]:
        """Displays whose server is below this host, and those that nobody serves: other hosts have theirs meanwhile."""
        held = set()
        for server in root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                held |= {str(fd.readlink()) for fd in Path(f"/proc/{server.pid}/fd").iterdir()}
        inodes: dict[str, set[str]] = {}
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
            words = line.split()
            if len(words) > 7:
                inodes.setdefault(words[7], set()).add(f"socket:[{words[6]}]")
        found = []
        for path in Path("/tmp/.X11-unix").glob("X*"):
            served = inodes.get(str(path), set())
            if not served or served & held:
                found.append(path.name)
        return tuple(sorted(found))

    def kill(self) -> None:
        """SIGKILL for the control plane alone; its workers are left as they are."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGINT, as Ctrl-C; the exit code. SIGKILL for the whole tree where it does not end."""
        tree = [] if self.process.poll() is not None else psutil.Process(self.process.pid).children(recursive=True)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            for process in [psutil.Process(self.process.pid), *tree]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait()
            raise AssertionError(f"the host did not stop:\n{self.tail()}") from None


@contextlib.contextmanager
def running_host(
    config: str = "",
    *,
    lobbies: bool = False,
    kept: Path | None = None,
    before: Sequence[str] = (),
    more_env: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[Host]:
    """A host with this config (TOML), on free ports (or this HTTP `port`); stopped at the end. Its state folder is its
    own, or `kept`, which stays. `before`: a program that becomes the host, like prlimit."""
    with contextlib.ExitStack() as ending:
        folder = str(kept or ending.enter_context(tempfile.TemporaryDirectory(prefix="sc-")))
        state = Path(folder)
        words = [*before, sys.executable, "-m", "steadycast", "serve", "--port", str(port)]
        words += ["--rtsp-port", "0", "--state", folder]
        if not lobbies:
            (state / "config.toml").write_text(config)
            words += ["--config", str(state / "config.toml")]
        env = {key: value for key, value in os.environ.items() if not key.startswith("STEADYCAST_")}
        env.pop("XDG_RUNTIME_DIR", None)
        env.update(more_env or {})
        with (state / "host.log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT, env=env, start_new_session=True)
        host: Host | None = None
        try:
            host = Host(process, state, state / "host.log")
            yield host
        except BaseException:
            sys.stderr.write((state / "host.log").read_text(errors="replace")[-6000:])
            raise
        finally:
            if host is not None:
                host.stop()
            elif process.poll() is None:
                process.kill()
                process.wait()
