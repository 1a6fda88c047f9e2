"""Servers under test, each fed with the same encoded clip: this host, Janus and MediaMTX where they are installed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measuring import free_port
from tests.support.host import running_host

START_DEADLINE_S = 30.0


@dataclass(frozen=True)
class Server:
    """A server that has the clip: its processes and where to watch."""

    name: str
    pids: dict[str, int]
    whep: str | None = None
    janus: str | None = None
    rtsp: str | None = None
    notes: tuple[str, ...] = field(default=())


@contextlib.contextmanager
def steadycast(clip: Path) -> Iterator[Server]:
    config = f"[sources]\nfile_folders = ['{clip.parent}']\n[limits]\noffers_per_s = 1000\nviewers = 5000\n"
    with running_host(config) as host:
        lobby = host.create("Benchmark", {"kind": "file", "path": str(clip)})["id"]
        view = host.wait_state(lobby, "STREAMING")
        egress = host.egress()
        source = next(process.pid for process in host.workers("lobby") if process.pid in view["workers"])
        pids = {"egress": egress.pid, "lobby": source, "control": host.process.pid}
        yield Server("steadycast", pids, f"{host.url}/whep/{lobby}", None, f"{host.rtsp}/{lobby}")


def feed(clip: Path, *to: str) -> subprocess.Popen[bytes]:
    words = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-an", "-c", "copy"]
    return subprocess.Popen([*words, *to], stdout=subprocess.DEVNULL)  # ffmpeg prints the SDP


@contextlib.contextmanager
def ended(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_http(url: str) -> None:
    end = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{url} does not answer")


@contextlib.contextmanager
def janus(clip: Path, folder: Path) -> Iterator[Server]:
    """Janus' streaming plugin, fed by RTP over UDP."""
    binary = shutil.which("janus")
    assert binary is not None
    port, rtp, admin = free_port(), free_port(), free_port()
    settings = folder / "janus"
    settings.mkdir(exist_ok=True)
    (settings / "janus.jcfg").write_text(
        'general: { debug_level = 2; interface = "127.0.0.1" }\n'
        'media: { rtp_port_range = "20000-40000" }\n'
        "nat: { full_trickle = false }\n"
        "plugins: { disable = "
        '"libjanus_audiobridge.so,libjanus_echotest.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_nosip.so,'
        'libjanus_videocall.so,libjanus_videoroom.so,libjanus_textroom.so,libjanus_voicemail.so" }\n'
        'transports: { disable = "libjanus_pfunix.so,libjanus_websockets.so,libjanus_mqtt.so,libjanus_rabbitmq.so" }\n'
    )
    (settings / "janus.transport.http.jcfg").write_text(
        f'general: {{ json = "plain"; base_path = "/janus"; http = true; port = {port}; ip = "127.0.0.1" }}\n'
        f"admin: {{ admin_http = false; admin_port = {admin} }}\n"
    )
    (settings / "janus.plugin.streaming.jcfg").write_text(
        f'clip: {{ type = "rtp"; id = 1; audio = false; video = true; videoport = {rtp}; videopt = 96;\n'
        ' videocodec = "h264"; videofmtp = "profile-level-id=42e01f;packetization-mode=1" }\n'
    )
    process = subprocess.Popen(
        [binary, "-F", str(settings), "-C", str(settings / "janus.jcfg")], stdout=subprocess.DEVNULL
    )
    stream = feed(clip, "-f", "rtp", f"rtp://127.0.0.1:{rtp}?pkt_size=1200")
    with ended(process, stream):
        wait_http(f"http://127.0.0.1:{port}/janus/info")
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        yield Server("janus", {"janus": process.pid}, None, f"http://127.0.0.1:{port}/janus", None, (version,))


@contextlib.contextmanager
def mediamtx(clip: Path, folder: Path) -> Iterator[Server]:
    """MediaMTX, fed by an RTSP publisher."""
    binary = shutil.which("mediamtx")
    assert binary is not None
    http, rtsp, rtp, ice = (free_port() for _ in range(4))
    rtp -= rtp % 2
    settings = folder / "mediamtx.yml"
    settings.write_text(
        f"logLevel: warn\nrtspAddress: 127.0.0.1:{rtsp}\n"
        f"rtpAddress: 127.0.0.1:{rtp}\nrtcpAddress: 127.0.0.1:{rtp + 1}\n"
        f"rtmp: no\nhls: no\nsrt: no\nmoq: no\nwebrtcAddress: 127.0.0.1:{http}\n"
        f"webrtcLocalUDPAddress: 127.0.0.1:{ice}\nwebrtcAdditionalHosts: [127.0.0.1]\npaths:\n  all_others:\n"
    )
    process = subprocess.Popen([binary, str(settings)])
    wait_http(f"http://127.0.0.1:{http}/clip/")
    stream = feed(clip, "-f", "rtsp", "-rtsp_transport", "tcp", f"rtsp://127.0.0.1:{rtsp}/clip")
    with ended(process, stream):
        time.sleep(2)
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        whep = f"http://127.0.0.1:{http}/clip/whep"
        yield Server("mediamtx", {"mediamtx": process.pid}, whep, None, f"rtsp://127.0.0.1:{rtsp}/clip", (version,))
