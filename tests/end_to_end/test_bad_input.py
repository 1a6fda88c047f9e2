"""Bad input gets a clear error within its deadline (or is served), and nothing stays behind."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.host import Answer, Host, wait_for
from tests.support.rtsp_viewer import RtspRefused, RtspViewer

pytestmark = pytest.mark.process

SDP = "application/sdp"


def offer(host: Host, lobby: str, body: bytes, content_type: str = SDP) -> tuple[int, str]:
    """Status and body of a WHEP offer."""
    headers = {"content-type": content_type}
    request = urllib.request.Request(f"{host.url}/whep/{lobby}", body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def lobby(host: Host) -> str:
    return str(host.create("Bad input", {"kind": "test", "width": 320, "height": 240})["id"])


def refused(host: Host, source: dict[str, Any], **more: Any) -> Answer:
    with pytest.raises(Answer) as caught:
        host.create("Refused", source, **more)
    answer = caught.value
    assert 400 <= answer.status < 500
    assert answer.body["code"]
    assert answer.body.get("why") or answer.body.get("detail")
    return answer


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"v=0\r\n" + b"a=x\r\n" * 20_000, 413),
        (bytes(range(256)) * 8, 400),
        (b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", 400),
    ],
    ids=["empty", "huge", "binary", "no media"],
)
def test_bad_offers(host: Host, lobby: str, body: bytes, status: int) -> None:
    answered, text = offer(host, lobby, body)
    assert answered == status, text
    assert '"code"' in text


def test_offer_of_other_codecs_is_406(host: Host, lobby: str) -> None:
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"]
    lines += ["m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:0", "a=recvonly", "a=rtcp-mux"]
    lines += ["a=rtpmap:96 THEORA/90000", "a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=setup:actpass"]
    lines += ["a=fingerprint:sha-256 " + ":".join(["AB"] * 32)]
    status, text = offer(host, lobby, ("\r\n".join(lines) + "\r\n").encode())
    assert status == 406
    assert "H.264" in text and "THEORA" in text


def test_unknown_lobby(host: Host) -> None:
    assert offer(host, "nobody", b"v=0\r\n")[0] == 404
    with pytest.raises(Answer, match="404"):
        host.lobby("nobody")
    with pytest.raises(Answer, match="404"):
        host.delete("nobody")
    with RtspViewer(f"{host.rtsp}/nobody") as viewer, pytest.raises(RtspRefused, match="404"):
        viewer.play()


def test_five_hundred_offers_at_once(host: Host, lobby: str) -> None:
    """Each is answered: with a refusal that says when to come again, once the budget is spent."""
    statuses: list[int] = []
    body = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

    def send() -> None:
        for _ in range(50):
            statuses.append(offer(host, lobby, body)[0])

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 500
    assert set(statuses) <= {400, 429, 503}
    assert host.lobby(lobby)["state"] == "STREAMING"


@pytest.mark.parametrize("size", [(0, 720), (1, 1), (7, 13), (99_999, 720)])
def test_sizes(host: Host, size: tuple[int, int]) -> None:
    answer = refused(host, {"kind": "test", "width": size[0], "height": size[1]})
    assert "width" in str(answer.body)


@pytest.mark.parametrize("fps", [0, 1000])
def test_frame_rates(host: Host, fps: int) -> None:
    assert "fps" in str(refused(host, {"kind": "test", "fps": fps}).body)


def test_unknown_fields(host: Host) -> None:
    assert "colour" in str(refused(host, {"kind": "test", "colour": "red"}).body)
    assert "nmae" in str(refused(host, {"kind": "test"}, nmae="x").body)


@pytest.mark.parametrize("url", ["http://127.0.0.1/x", "file:///etc/passwd", "rtsp://", "unix:/run/x"])
def test_addresses_that_are_not_allowed(host: Host, url: str) -> None:
    refused(host, {"kind": "rtsp", "url": url})


def test_a_camera_address_that_is_the_host_itself(host: Host) -> None:
    refused(host, {"kind": "rtsp", "url": host.rtsp + "/x"})


def test_files_outside_the_folders(host: Host) -> None:
    refused(host, {"kind": "file", "path": "/etc/passwd"})


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program"], "not found"),
        (["false"], "exited with 1"),
        (["sh", "-c", "exit 127"], "127"),
    ],
)
def test_commands_that_do_not_run(host: Host, command: list[str], words: str) -> None:
    lobby = host.create("Command", {"kind": "desktop", "command": command, "width": 320, "height": 240})
    view = host.wait_state(lobby["id"], "DEGRADED")
    assert words in view["why"]
    deleted = host.delete(lobby["id"])
    assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted


@pytest.mark.parametrize(
    "script",
    ["trap '' TERM INT HUP; while :; do sleep 1000; done", "(setsid sleep 1000 &) ; sleep 0.2; exec sleep 1000"],
    ids=["ignores SIGTERM", "forks away"],
)
def test_commands_that_do_not_end(host: Host, script: str) -> None:
    source = {"kind": "desktop", "command": ["sh", "-c", script], "width": 320, "height": 240}
    lobby = host.create("Stubborn", source)
    host.wait_state(lobby["id"], "STREAMING")
    deleted = host.delete(lobby["id"])
    assert deleted["state"] == "DESTROYED"
    assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted
    assert "sleep" not in host.census().workers


def test_files_that_are_no_media(host: Host, bunny: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 100)
    short = tmp_path / "short.mp4"
    short.write_bytes(bunny.read_bytes()[:20_000])
    for path in (text, short):
        lobby = host.create("File", {"kind": "file", "path": str(path)})
        view = host.wait_state(lobby["id"], "DEGRADED", "STREAMING")
        if path is text:
            assert view["state"] == "DEGRADED"
            assert view["why"]
        deleted = host.delete(lobby["id"])
        assert all(receipt["clean"] for receipt in deleted["receipts"]), deleted


def test_one_key_created_twice_at_the_same_moment(host: Host) -> None:
    answers: list[str] = []

    def create() -> None:
        answers.append(host.create("Key", {"kind": "test", "width": 320, "height": 240}, key="same")["id"])

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert host.lobby("same")["id"] == answers[0]
    host.delete("same")


def test_delete_while_starting_and_twice(host: Host) -> None:
    lobby = host.create("Twice", {"kind": "desktop", "application": "ico", "width": 320, "height": 240})["id"]
    results: list[Any] = []

    def delete() -> None:
        try:
            results.append(host.delete(lobby)["state"])
        except Answer as answer:
            results.append(answer.status)

    threads = [threading.Thread(target=delete) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "DESTROYED" in results
    assert set(results) <= {"DESTROYED", 404}
    wait_for("nothing of it left", lambda: "ico" not in host.census().workers)
