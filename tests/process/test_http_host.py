"""The HTTP side of a real host: real sockets, clients that hang up or send half, and the commands that talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.host import ROOT, Answer, Host, running_host, wait_for
from tests.support.offers import h264_offer

pytestmark = pytest.mark.process

TOKEN = "kUu9Zr2dKxq0tVnB7mYw4sPaLh6EcJf1"
DEADLINE_S = 60
SDP_HEAD = "Host: localhost\nContent-Type: application/sdp\n"
# A viewer that nobody ended would stay for ten minutes.
PATIENT = "[webrtc]\nhandshake_s = 600\n[renditions]\nlinger_s = 1\n"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with running_host(PATIENT) as host:
        yield host


@pytest.fixture(scope="module")
def lobby(host: Host) -> str:
    lobby = host.create("HTTP", {"kind": "test", "width": 320, "height": 240}, key="http")["id"]
    host.wait_state(lobby, "STREAMING")
    return str(lobby)


def command(*words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STEADYCAST_")}
    line = [sys.executable, "-m", "steadycast", *words]
    env = kept | {"COLUMNS": "200"} | environment
    return subprocess.run(
        line, cwd=ROOT, env=env, input=typed, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def address(host: Host) -> tuple[str, int]:
    parts = urlsplit(host.url)
    assert parts.hostname and parts.port
    return parts.hostname, parts.port


def connect(host: Host, text: str) -> socket.socket:
    """A socket on which this request was sent."""
    connection = socket.create_connection(address(host), timeout=DEADLINE_S)
    connection.sendall(text.replace("\n", "\r\n").encode())
    return connection


def listeners(host: Host) -> int:
    return int(host.get("/api/v1/system")["statistics"]["event_subscribers"])


def sockets(host: Host) -> int:
    return host.census().sockets


def test_listeners_that_hang_up_are_forgotten(host: Host) -> None:
    before = sockets(host)
    request = "GET /api/v1/events?after=0 HTTP/1.1\nHost: localhost\n\n"
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connect(host, request)).recv(1)
            assert listeners(host) == 20
        wait_for("no listeners", lambda: listeners(host) == 0)
    wait_for("their sockets closed", lambda: sockets(host) <= before)


def test_a_listener_hears_a_lobby_come_and_go(host: Host) -> None:
    with connect(host, "GET /api/v1/events HTTP/1.0\nHost: localhost\n\n") as connection:
        stream = connection.makefile("rb")
        while b": listening" not in stream.readline():
            pass
        name = host.create("Heard", {"kind": "test", "width": 320, "height": 240})["id"]
        host.wait_state(name, "STREAMING")
        host.delete(name)
        heard: list[str] = []
        ids: list[int] = []
        while "lobby.DESTROYED" not in heard:
            line = stream.readline()
            assert line, heard
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                ids.append(event["id"])
                if event["lobby"] == name and event["kind"] == "lobby":
                    heard.append(event["name"])
    states = ["CREATED", "STARTING", "STREAMING", "DRAINING", "ENDING", "DESTROYED"]
    assert [name for name in heard if name.split(".")[1].isupper()] == [f"lobby.{state}" for state in states]
    assert ids == sorted(set(ids))


def test_clients_that_hang_up_before_their_answer_leave_no_viewer(host: Host, lobby: str) -> None:
    offer = h264_offer()
    head = f"POST /whep/{lobby} HTTP/1.1\n{SDP_HEAD}Content-Length: {len(offer)}\n\n"
    for _ in range(20):
        with connect(host, head) as connection:
            connection.sendall(offer.encode())
    # One that hung up just after its answer was written is a viewer until its browser would have been silent too long.
    answered = wait_for("the offers answered", lambda: viewers_settled(host, lobby))
    for viewer in answered:
        host.request("DELETE", f"/api/v1/viewers/{viewer}")
    with urllib.request.urlopen(whep(host, lobby, offer.encode()), timeout=DEADLINE_S) as answer:
        assert answer.status == 201
        session = answer.headers["Location"]
        assert answer.headers["ETag"].startswith('"')
    assert [v["id"] for v in host.get("/api/v1/viewers")["items"]] == [session.rsplit("/", 1)[1]]
    host.request("DELETE", session)
    assert host.get("/api/v1/viewers")["items"] == []


def viewers_settled(host: Host, lobby: str) -> list[str] | None:
    """Ids of the viewers, once no offer is on its way any more (nothing changes between three looks)."""
    looks = [[v["id"] for v in host.get(f"/api/v1/viewers?lobby={lobby}")["items"]] for _ in range(3)]
    return looks[0] if looks[0] == looks[1] == looks[2] else None


def whep(host: Host, lobby: str, body: bytes) -> urllib.request.Request:
    return urllib.request.Request(f"{host.url}/whep/{lobby}", body, {"content-type": "application/sdp"}, method="POST")


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_the_sender_of_too_much_sees_why(host: Host, lobby: str, size: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(whep(host, lobby, b"x" * size), timeout=DEADLINE_S)
    with caught.value as answer:
        assert answer.code == 413
        assert json.loads(answer.read())["code"] == "request.too_large"


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/9.9\nHost: localhost\n\n",
        "\x00\x01\x02\x03\n\n",
        "POST /whep/http HTTP/1.1\nHost: localhost\nContent-Length: -5\n\n",
        f"POST /whep/http HTTP/1.1\n{SDP_HEAD}Transfer-Encoding: chunked\n\nzz\n\n",
        f"POST /whep/http HTTP/1.1\n{SDP_HEAD}Content-Length: 500\n\nv=0\n",
        "POST /api/v1/lobbies HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: 500\n\n{",
        f"GET /{'x' * 100_000} HTTP/1.1\nHost: localhost\n\n",
        "GET ws://x/ HTTP/1.1\nHost: localhost\nUpgrade: websocket\nConnection: Upgrade\n\n",
    ],
)
def test_nonsense_is_refused_and_the_host_goes_on(host: Host, lobby: str, text: str) -> None:
    with connect(host, text) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                answer += chunk
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert host.lobby(lobby)["state"] == "STREAMING"
    assert "Traceback" not in host.log.read_text()


def test_other_names_and_origins_are_refused(host: Host) -> None:
    for headers, code in (
        ({"Host": "evil.example"}, "host.refused"),
        ({"Origin": "http://evil.example"}, "origin.refused"),
    ):
        with pytest.raises(Answer) as caught:
            host.request("GET", "/api/v1/lobbies", headers=headers)
        assert (caught.value.status, caught.value.body["code"]) == (403, code)


def test_health_plays_a_pipeline(host: Host) -> None:
    health = host.get("/api/v1/system/health")
    assert health["ok"] is True, health
    assert health["parts"]["pipeline"]["data"]["gstreamer"]


def test_commands(host: Host) -> None:
    def asked(*words: str) -> Any:
        result = command(*words, "--json", STEADYCAST_URL=host.url)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    made = asked("lobby", "create", "By command", "test", "--size", "320x240@15", "--key", "cli")
    assert (made["state"], made["source"]["fps"]) == ("STREAMING", 15)
    assert made["id"] in [view["id"] for view in asked("lobby", "list")]
    assert asked("lobby", "get", "cli")["id"] == made["id"]
    assert asked("viewers", "list", "--lobby", "cli") == []
    for words in (("lobby", "list"), ("lobby", "get", "cli"), ("viewers", "list")):
        result = command(*words, STEADYCAST_URL=host.url)
        assert result.returncode == 0
        assert result.stdout.strip()
    deleted = asked("lobby", "delete", "cli")
    assert (deleted["state"], deleted["receipts"][0]["clean"]) == ("DESTROYED", True)


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("lobby", "get", "nobody"), "lobby.unknown", 1),
        (("lobby", "delete", "nobody"), "lobby.unknown", 1),
        (("viewers", "kick", "nobody"), "viewer.unknown", 1),
        (("lobby", "create", "Bad", "test", "--size", "0x0"), "request.invalid", 1),
        (("lobby", "create", "Bad", "http://x/"), "source.scheme", 2),
        (("lobby", "--url", "ftp://x", "list"), "url.invalid", 2),
        (("lobby", "--url", "http://127.0.0.1:1", "list"), "host.unreachable", 1),
    ],
)
def test_commands_that_cannot(host: Host, words: tuple[str, ...], code: str, exit_code: int) -> None:
    result = command(*words, STEADYCAST_URL=host.url)
    assert result.returncode == exit_code
    assert code in result.stderr
    assert "Traceback" not in result.stderr


def test_a_token_is_wanted_everywhere_and_written_nowhere() -> None:
    hashed = command("token", "hash", typed=TOKEN + "\n")
    assert hashed.returncode == 0
    with running_host(f'[auth]\ntoken_hash = "{hashed.stdout.strip()}"\n') as host:
        for path in ("/api/v1/lobbies", "/api/v1/events", "/metrics", "/openapi.json", "/whep/x"):
            for headers, code in (({}, "auth.missing"), ({"Authorization": "Bearer not-this-one"}, "auth.wrong")):
                with pytest.raises(Answer) as caught:
                    host.request("GET", path, headers=headers)
                assert (caught.value.status, caught.value.body["code"]) == (401, code)
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert host.request("GET", "/api/v1/lobbies", headers=right)["items"] == []
        for path in ("/", "/docs"):
            with urllib.request.urlopen(host.url + path, timeout=DEADLINE_S) as answer:
                assert answer.status == 200
        assert "auth.missing" in command("lobby", "list", STEADYCAST_URL=host.url).stderr
        assert command("lobby", "list", STEADYCAST_URL=host.url, STEADYCAST_TOKEN=TOKEN).returncode == 0
        written = host.log.read_text()
        assert "auth.wrong" in written
        for secret in (TOKEN, "not-this-one"):
            assert secret not in written


def test_token_commands() -> None:
    new = command("token", "new")
    assert new.returncode == 0
    assert len(new.stdout.strip()) >= 40
    weak = command("token", "hash", typed="short\n")
    assert weak.returncode == 2
    assert "auth.token" in weak.stderr


def test_doctor_finds_what_is_needed() -> None:
    result = command("doctor", "--json", "--no-trials", "--port", "0", "--rtsp-port", "0")
    assert result.returncode == 0, result.stdout
    report = json.loads(result.stdout)
    assert report["ok"] is True
    assert {finding["thing"] for finding in report["findings"]} >= {"Python", "GStreamer", "Pipeline", "Xvfb", "GPU"}


def test_doctor_without_gstreamer_names_the_packages(tmp_path: Path) -> None:
    (tmp_path / "gi.py").write_text("raise ImportError('no gi here')\n")
    result = command("doctor", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert result.returncode == 1
    assert "apt-get install" in result.stdout
    assert "python3-gi" in result.stdout
