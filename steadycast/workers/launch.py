"""Starts a child by exec: its environment, control socket, log file and record; all of it is gone again if it fails."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import steadycast
from steadycast.config.settings import WorkerSettings
from steadycast.errors import WorkerError
from steadycast.model import WorkerKind
from steadycast.tracking import proc
from steadycast.workers import records
from steadycast.workers.child import BACKLOG, HOME, PARAMETERS, WORKER, ChildParameters
from steadycast.workers.codec import to_plain
from steadycast.workers.process import Process
from steadycast.workers.records import WorkerRecord

PACKAGE_ROOT = Path(steadycast.__file__).parent.parent
START = "steadycast.workers.start"
SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without its closing zero

# glibc makes up to 8 heaps a core for threads: two keep a worker small. Once a frame was freed it raises the size
# from which memory is its own mapping to that of the frame, and all frames after it stay with the process; with both
# thresholds fixed, resident memory grew 1 KB a pipeline instead of 58 (400 pipelines), at no more CPU time.
MALLOC = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}

# GStreamer writes warnings into the worker's log, where their meaning is looked up; who sets another level has that.
GSTREAMER = {"GST_DEBUG": "2", "GST_DEBUG_NO_COLOR": "1"}


@dataclass(frozen=True, slots=True)
class Launched:
    """A child that was started and has not said hello yet. `sock` is connected to its control socket."""

    record: WorkerRecord
    process: Process
    sock: socket.socket


def environment(own: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: ours without anything of Steadycast's own, which may hold secrets, and `extra`."""
    kept = {key: value for key, value in own.items() if not key.startswith("STEADYCAST_")}
    paths = [str(PACKAGE_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    # CUDA counts GPUs by speed where it is not told to, and GStreamer names encoders by that number: the bus has NVML's
    # order.
    ours = {"PYTHONPATH": os.pathsep.join(paths), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return GSTREAMER | kept | ours | MALLOC | dict(extra)


def launch(
    runtime: Path,
    kind: WorkerKind,
    module: str,
    settings: WorkerSettings,
    *,
    lobby: str | None,
    extra: Mapping[str, str],
) -> Launched:
    """Start `python -m module` as a worker. Raises WorkerError where that fails (no memory, full disk, ...)."""
    worker = f"{kind.value}-{secrets.token_hex(4)}"
    try:
        return _launch(runtime, worker, kind, module, settings, lobby, extra)
    except OSError as error:
        records.remove_files(runtime, worker)
        article = "an" if kind is WorkerKind.EGRESS else "a"
        what = f"{article} {kind.value} worker cannot be started"
        raise WorkerError("worker.launch", what, why=error.strerror or str(error)) from None


def _launch(
    runtime: Path,
    worker: str,
    kind: WorkerKind,
    module: str,
    settings: WorkerSettings,
    lobby: str | None,
    extra: Mapping[str, str],
) -> Launched:
    folder = records.folder(runtime)
    token = secrets.token_hex(16)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        at_socket(folder, f"{worker}.sock", listener.bind)
        (folder / f"{worker}.sock").chmod(0o600)
        listener.listen(BACKLOG)
        own = {
            WORKER: worker,
            HOME: str(runtime),
            PARAMETERS: _parameters(runtime, worker, kind, token, listener, settings),
        }
        popen = _execute(folder / f"{worker}.log", module, environment(os.environ, own | dict(extra)), listener)
        process = Process.of_child(popen)
        started = process.identity.start_time
        record = WorkerRecord(worker, kind, popen.pid, started, proc.boot_id(), token, lobby, time.time())
        # While our own copy still listens: a child that ended at once is then seen to end, and its log is read.
        sock = _connected(folder, record, process, popen)
    return Launched(record, process, sock)


def _connected(folder: Path, record: WorkerRecord, process: Process, popen: subprocess.Popen[bytes]) -> socket.socket:
    """The control socket of a child that is written down; nothing of the child stays where that fails."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        records.write(folder / f"{record.id}.json", record)
        at_socket(folder, f"{record.id}.sock", sock.connect)
    except OSError:
        sock.close()
        process.close()
        popen.kill()
        popen.wait()  # SIGKILL of a process that is only just starting: some milliseconds
        raise
    return sock


def _parameters(
    runtime: Path, worker: str, kind: WorkerKind, token: str, listener: socket.socket, settings: WorkerSettings
) -> str:
    """What the child reads from its environment."""
    parameters = ChildParameters(
        id=worker,
        kind=kind.value,
        token=token,
        runtime=str(runtime),
        listener=listener.fileno(),
        heartbeat_s=settings.heartbeat_s,
        orphan_timeout_s=settings.orphan_timeout_s,
        end_s=settings.end_s,
    )
    return json.dumps(to_plain(parameters))


def _execute(
    log: Path, module: str, environment: Mapping[str, str], listener: socket.socket
) -> subprocess.Popen[bytes]:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-X", "faulthandler", "-m", START, module],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
    finally:
        os.close(output)


def at_socket(folder: Path, name: str, act: Callable[[str], None]) -> None:
    """Bind or connect at `folder/name`, also where that is longer than a socket's path may be."""
    if len(os.fsencode(folder / name)) <= SOCKET_PATH_BYTES:
        act(str(folder / name))
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        act(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)
