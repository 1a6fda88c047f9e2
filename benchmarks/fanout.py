"""CPU a viewer: `python -m benchmarks.fanout [--viewers 1,8,32,128] [--seconds 10]`.

This host, Janus and MediaMTX in turn, on the same encoded clip with the same receivers. Peers that are not installed
are left out, and said so. Janus offers no loopback address; to measure it without a word to the network, run all of it
in a network namespace: `unshare -n sh -c 'ip link set lo up; ip link add d0 type veth peer name d1;
ip addr add 10.9.9.1/24 dev d0; ip link set d0 up; ip link set d1 up; python -m benchmarks.fanout'`.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.measuring import Load, Receivers, load_of, make_clip, show_table
from benchmarks.servers import Server, janus, mediamtx, steadycast

SETTLE_S = 3.0  # joining costs more than watching


def ways(server: Server) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Protocols of a server, with the receivers' words."""
    if server.whep:
        yield "webrtc", ("webrtc", "--whep", server.whep)
    if server.janus:
        yield "webrtc", ("webrtc", "--janus", server.janus)
    if server.rtsp:
        yield "rtsp udp", ("rtsp", "--url", server.rtsp, "--transport", "udp")
        yield "rtsp tcp", ("rtsp", "--url", server.rtsp, "--transport", "tcp")


def measure(server: Server, words: tuple[str, ...], viewers: int, seconds: float) -> Load:
    receivers = Receivers(*words, "--count", str(viewers))
    try:
        time.sleep(SETTLE_S)
        return load_of(server.pids, receivers, seconds)
    finally:
        receivers.close()


def row(server: Server, protocol: str, load: Load, idle: Load | None) -> list[Any]:
    """CPU and memory of the process that sends (Steadycast: the egress worker); the others go to the last column."""
    sends = next(iter(load.cpu))
    others = ", ".join(f"{name} {cpu:.1f} %" for name, cpu in load.cpu.items() if name != sends)
    marginal = "-"
    if idle is not None and load.viewers > idle.viewers:
        each = (load.cpu[sends] - idle.cpu[sends]) / (load.viewers - idle.viewers)
        marginal = f"{each:.3f}" + (f" ({100 / each:.0f})" if each > 0 else "")
    data = f"{load.with_data}/{load.viewers}"
    cells = [server.name, protocol, load.viewers, data, f"{load.packets_s:.0f}", f"{load.cpu[sends]:.1f}", marginal]
    return [*cells, load.lost, load.bad, f"{load.pss[sends]:.0f}", load.threads, others]


def run(server: Server, counts: list[int], seconds: float) -> list[list[Any]]:
    rows = []
    for protocol, words in ways(server):
        idle: Load | None = None
        for viewers in counts:
            load = measure(server, words, viewers, seconds)
            rows.append(row(server, protocol, load, idle))
            idle = idle or load
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", default="1,8,32,128")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    counts = [int(word) for word in arguments.viewers.split(",")]
    rows: list[list[Any]] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sc-bench-") as name:
        folder = Path(name)
        clip = make_clip(folder)
        servers: dict[str, Callable[[], AbstractContextManager[Server]]] = {"steadycast": lambda: steadycast(clip)}
        for peer, start in (("janus", janus), ("mediamtx", mediamtx)):
            if shutil.which(peer):
                servers[peer] = lambda start=start: start(clip, folder)  # type: ignore[misc]
            else:
                notes.append(f"{peer}: not on PATH, left out")
        for start_server in servers.values():
            with contextlib.ExitStack() as stack:
                server = stack.enter_context(start_server())
                notes += [f"{server.name}: {note}" for note in server.notes]
                try:
                    rows += run(server, counts, arguments.seconds)
                except RuntimeError as error:  # a peer that does not serve these receivers spoils no other row
                    notes.append(f"{server.name}: {error}")
    columns = ["server", "protocol", "viewers", "with data", "packets/s", "CPU %", "% a viewer (a core)"]
    show_table("Fan-out, 720p30 2.5 Mbit/s", [*columns, "lost", "bad", "PSS MiB", "threads", "other processes"], rows)
    for note in notes:
        print(note)


if __name__ == "__main__":
    main()
