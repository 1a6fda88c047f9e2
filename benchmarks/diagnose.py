"""How fast logs are read: `python -m benchmarks.diagnose [--mb 1000]`.

Generated logs: a healthy server's; one full of warnings that mean nothing known; a storm of a dozen kinds of lines, all
known; a debug log each of whose lines comes near some signature and is none; and lines of every signature in turn,
which no server writes. Each is read by `steadycast diagnose` in a process
of its own, beside `grep -F` for one word and for all literals of the table. Megabytes a second are by CPU time, so that
other programs on the machine do not count.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import show_table
from steadycast.tracking.signatures import load_table

PIECE = 16  # megabytes that are generated, and then repeated
MB = 1_000_000
_COUNT = itertools.count()
_WORDS = (
    "viewer",
    "lobby",
    "packets",
    "sent",
    "rtt",
    "keyframe",
    "asked",
    "bitrate",
    "queue",
    "codec",
    "joined",
    "left",
)
_WARNED = ("Failed to open stream", "connection timed out", "could not allocate frame", "error code", "invalid request")
_STORM = (
    "ERROR smithay::backend::renderer::gles: [GL] GL_OUT_OF_MEMORY error generated. Failed to allocate memory",
    "ERROR smithay::backend::egl::ffi: eglCreateImageKHR: EGL_BAD_PARAMETER error: could not bind to DMA buffer",
    "ERROR smithay::backend::egl::display: error=Failed to create `EGLImage` from the buffer",
    "ERROR waylanddisplaycore::comp: Rendering failed. err=BindBufferEGLError(EGLImageCreationFailed)",
    "WARN cudautils: CUDA call failed: CUDA_ERROR_NOT_PERMITTED, operation not permitted",
    "ERROR | [GSTREAMER] Pipeline error: Internal data stream error.",
    "ERROR nvencoder: NvEnc API call failed: 0x15, NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY",
    "ERROR accept: Too many open files (os error 24)",
)

_NEAR = (
    "eglInitialize: version 1.5",
    "vaInitialize returned",
    "OpenEncodeSessionEx took its turn",
    "cuvidCreateDecoder done",
    "zwp_linux_dmabuf_v1 was bound",
    "inotify_add_watch returned",
)


@dataclass(frozen=True)
class Run:
    """A process that read a log: CPU seconds, wall seconds, its largest memory in MiB, and what it printed."""

    cpu: float
    wall: float
    memory: float
    output: str


def stamped(rng: random.Random, text: str) -> str:
    """Lines come a thousand a second."""
    micro = next(_COUNT) * 1000 + rng.randrange(1000)
    seconds = micro // 10**6
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{micro % 10**6:06d}"
    return f"2026-03-01T{clock}Z {text}\n"


def healthy(rng: random.Random) -> str:
    words = " ".join(f"{rng.choice(_WORDS)}={rng.randrange(10**5)}" for _ in range(8))
    return stamped(rng, f"INFO  server::session: {words}")


def warning(rng: random.Random) -> str:
    return stamped(rng, f"WARN  server::session: {rng.choice(_WARNED)} {rng.randrange(99)}: {rng.choice(_WARNED)}")


def near(rng: random.Random) -> str:
    return stamped(rng, f"DEBUG server::encoder: {rng.choice(_NEAR)} after {rng.randrange(10**5)} us")


def storm(rng: random.Random) -> str:
    return stamped(rng, rng.choice(_STORM))


def every(examples: Sequence[str]) -> Callable[[random.Random], str]:
    return lambda rng: stamped(rng, rng.choice(examples))


def write(path: Path, line: Callable[[random.Random], str], size: int) -> None:
    """At least `size` megabytes; the same lines again after the first PIECE."""
    rng = random.Random(7)
    lines: list[str] = []
    length = 0
    while length < min(PIECE, size) * MB:
        lines.append(line(rng))
        length += len(lines[-1])
    piece = "".join(lines).encode()
    with path.open("wb") as file:
        for _ in range(max(1, size * MB // len(piece))):
            file.write(piece)


def run(words: Sequence[str]) -> Run:
    began = time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Run(usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024, output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=1000, help="of each log; near misses: a fifth, the last: a twentieth")
    size = parser.parse_args().mb
    table = load_table()
    examples = [line for one in table.signatures.values() for line in one.examples]
    logs = (
        ("healthy", healthy, size), ("warnings", warning, size), ("storm", storm, size),
        ("near misses", near, max(1, size // 5)), ("every signature", every(examples), max(1, size // 20)),
    )  # fmt: skip
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path, words = Path(folder) / "log", Path(folder) / "literals"
        words.write_text("\n".join(table.by_literal))
        for name, line, megabytes in logs:
            write(path, line, megabytes)
            read = path.stat().st_size / MB
            ours = run([sys.executable, "-m", "steadycast", "diagnose", "--json", str(path)])
            one = run(["grep", "-c", "-F", "GL_OUT_OF_MEMORY", str(path)])
            all_ = run(["grep", "-c", "-i", "-F", "-f", str(words), str(path)])
            rows.append([
                name, f"{read:.0f}", f"{read / ours.cpu:.0f}", f"{ours.memory:.0f}", f"{read / one.cpu:.0f}",
                f"{read / all_.cpu:.0f}", f"{all_.cpu / ours.cpu:.2f}", f"{ours.output.count('remedy_sure')}",
            ])  # fmt: skip
    show_table(
        "Reading logs",
        ["log", "MB", "diagnose, MB/s", "its memory, MiB", "grep, one word, MB/s", "grep, all literals, MB/s",
         "diagnose against that", "kinds of trouble"],
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
