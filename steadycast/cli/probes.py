"""Looks at this machine for `doctor`. GStreamer is asked in a child, so that the command works without it."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import socket
import sys

from steadycast.cli.findings import (
    judge_canary,
    judge_descriptors,
    judge_gpus,
    judge_gstreamer,
    judge_port,
    judge_program,
    judge_python,
)
from steadycast.cli.probes_encoders import Encoders, look_at_encoders
from steadycast.config.settings import Settings
from steadycast.vendors.look import find_gpus
from steadycast.workers.canary import Canary

CANARY_S = 30.0  # a first start of GStreamer writes its registry


def probe(port: int, rtsp_port: int, settings: Settings, with_trials: bool) -> Encoders:
    """Everything that a host needs, in the order in which one would mend it; then the encoders."""
    return asyncio.run(_probe(port, rtsp_port, settings, with_trials))


async def _probe(port: int, rtsp_port: int, settings: Settings, with_trials: bool) -> Encoders:
    result = await Canary(deadline_s=CANARY_S).look()
    findings = [judge_python(sys.version_info[:3]), judge_gstreamer(result.told, result.why)]
    if result.told.get("gstreamer"):
        findings.append(judge_canary(result.ok, result.why, result.took_s))
    gpus = find_gpus()
    nodes = [gpu.node for gpu in gpus if gpu.node]
    findings += [
        judge_program("Xvfb", shutil.which("Xvfb"), "xvfb", "a desktop"),
        judge_gpus(gpus, [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]),
        judge_port("HTTP", port, port_taken(port)),
        judge_port("RTSP", rtsp_port, port_taken(rtsp_port)),
        judge_descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE)),
    ]
    encoders = await look_at_encoders(settings, with_trials and bool(result.told.get("gstreamer")))
    return Encoders((*findings, *encoders.findings), encoders.rows)


def port_taken(port: int, host: str = "127.0.0.1") -> str | None:
    """Why a port cannot be had; None where it can."""
    with socket.socket() as probe_socket:
        probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe_socket.bind((host, port))
        except OSError as error:
            return "in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0).lower()
    return None
