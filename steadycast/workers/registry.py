"""GStreamer's registry (its cache of plugins), built once by a throw-away child before any worker needs it.

Workers that update one registry at the same time can spoil it, and building it costs each of them seconds.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from steadycast.errors import ConfigError
from steadycast.workers.launch import environment
from steadycast.workers.process import Process

BUILD_S = 120  # a cold disk and two hundred plugins
HINT = (
    "apt-get install python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-x"
)
# One element of each package that the pipelines need.
_ELEMENTS = ("opusenc", "rtph264pay", "ximagesrc", "h264parse", "x264enc", "avdec_h264", "multisocketsink", "rtspsrc")
_BUILD = f"""
import sys
try:
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as error:
    sys.exit(str(error))
Gst.init(None)
missing = [name for name in {_ELEMENTS!r} if Gst.ElementFactory.find(name) is None]
if missing:
    sys.exit("no element " + ", ".join(missing))
print(".".join(str(part) for part in Gst.version()[:3]))
"""


def registry_path(runtime: Path) -> Path:
    return runtime / f"gst-registry-{platform.machine()}.bin"


def registry_environment(runtime: Path) -> dict[str, str]:
    """What a worker needs to use the registry that `build_registry` made, and never to change it."""
    return {"GST_REGISTRY": str(registry_path(runtime)), "GST_REGISTRY_UPDATE": "no", "GST_REGISTRY_FORK": "no"}


def _start(output: IO[bytes], registry: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _BUILD],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment(os.environ, {"GST_REGISTRY": str(registry)}),
        cwd="/",
        start_new_session=True,
    )


async def build_registry(runtime: Path) -> str | None:
    """Build it, or bring it up to date; the version of GStreamer. Raises ConfigError where a part of it is missing."""
    with os.fdopen(os.memfd_create("said"), "w+b") as output:  # the disk may be full
        process = Process.of_child(_start(output, registry_path(runtime)))
        try:
            in_time = await process.wait(BUILD_S)
        finally:
            if not process.exited.done():
                process.send(signal.SIGKILL)
                await process.wait(BUILD_S)
            process.close()
        output.seek(0)
        said = output.read(65_536).decode(errors="replace").strip().splitlines()
    if not in_time:
        raise ConfigError("gstreamer.slow", f"GStreamer did not list its plugins within {BUILD_S} s")
    if process.exit_code != 0:
        why = said[-1] if said else f"the check ended with {process.exit_code}"
        raise ConfigError("gstreamer.missing", f"GStreamer missing: {why}", hint=HINT)
    return next((line for line in reversed(said) if line.replace(".", "").isdigit()), None)  # among warnings
