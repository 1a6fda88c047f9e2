"""How long a decision about an encoder takes: `python -m benchmarks.admission`.

First the pure part on books of its own, then what the host really does: `Encoders` with 8 devices, the line, promotion
and the store, from the request to the seat, and a seat given back.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from benchmarks.measuring import show_table
from steadycast.config.settings import Settings
from steadycast.leases.admission import admit
from steadycast.leases.cost import DEFAULT_FACTORS, cpu_pixels
from steadycast.leases.decisions import DeviceFacts, EncodeRequest, Grant, Snapshot
from steadycast.leases.encoder_memory import in_hardware
from steadycast.leases.ledger import Ledger
from steadycast.leases.line import Line
from steadycast.lobbies.encoders.encoders import Encoders
from steadycast.lobbies.encoders.parts import EncodersParts
from steadycast.lobbies.events import EventLog
from steadycast.lobbies.store import Store
from steadycast.model import Codec, EncoderOrder
from steadycast.vendors.protocol import Device, DeviceUse, EncoderChoice, VendorLook, VendorReport, VendorState
from steadycast.vendors.software import CHOICES
from steadycast.workers.trials import Calibration, TrialResult

DEVICES = 8
CODECS = frozenset({Codec.H264, Codec.H265, Codec.AV1})
GIB = 1 << 30


def names(device: int) -> tuple[str, str]:
    """Id and pool: two GeForce cards share one, the others have their own."""
    return f"nvidia:GPU-{device}", "geforce" if device < 2 else f"nvidia:GPU-{device}"


def books(leases: int) -> Ledger:
    """So many encodings, four of five of them in hardware."""
    ledger = Ledger()
    for device in range(DEVICES):
        name, pool = names(device)
        ledger.quota(f"sessions:{pool}").resize(12 if pool == "geforce" else leases)
        ledger.quota(f"vram:{name}").resize(48 * GIB)
        ledger.quota(f"bar1:{name}").resize(GIB)
    ledger.quota("cpu").resize(1e12)
    for number in range(leases):
        name, pool = names(2 + number % (DEVICES - 2))
        wants = {f"sessions:{pool}": 1.0, f"vram:{name}": float(in_hardware(Codec.H264, 1280, 720).total // 4)}
        if number % 5 == 0:
            wants = {"cpu": cpu_pixels(Codec.H264, 1280 * 720 * 30, DEFAULT_FACTORS)}
        assert ledger.reserve(f"lobby-{number}/720p", wants, float(number)) is not None
    return ledger


def whole(free: float | None) -> int | None:
    return None if free is None else int(free)


def snapshot(ledger: Ledger, line: Line, request: EncodeRequest) -> Snapshot:
    devices = []
    for number in range(DEVICES):
        name, pool = names(number)
        sessions = ledger.quota(f"sessions:{pool}")
        devices.append(
            DeviceFacts(
                id=name,
                name=f"GPU {number}",
                hardware=True,
                pool=pool,
                codecs=CODECS,
                sessions_free=whole(sessions.free),
                sessions_limit=whole(sessions.limit),
                vram_free=whole(ledger.quota(f"vram:{name}").free),
                bar1_free=whole(ledger.quota(f"bar1:{name}").free),
                load=ledger.quota(f"vram:{name}").lent,
            )
        )
    cpu = ledger.quota("cpu")
    ahead = line.ahead(request.since, request.priority)
    free, total = cpu.free or 0.0, cpu.limit or 0.0
    return Snapshot(tuple(devices), free, total, DEFAULT_FACTORS, CODECS, ahead, line.full)


def microseconds(rounds: int, once: Callable[[float], None], clock: Callable[[], float]) -> list[str]:
    """What `once` takes, as `cut` shows it."""
    times = []
    for number in range(rounds):
        start = clock()
        once(2000.0 + number)
        times.append((clock() - start) * 1e6)
    return cut(times)


def cut(times: list[float]) -> list[str]:
    """Median, 99th percentile, longest."""
    cuts = statistics.quantiles(times, n=100)
    return [f"{cuts[49]:.0f}", f"{cuts[98]:.0f}", f"{max(times):.0f}"]


def measure(leases: int, waiting: int, rounds: int) -> list[list[object]]:
    ledger, line = books(leases), Line(10_000)
    for number in range(waiting):
        line.join(f"waiting-{number}", 1500.0 + number / 1000, number % 101, None)

    def decide(now: float) -> None:
        request = EncodeRequest("new/720p", Codec.H264, 1280, 720, 30, now, priority=50)
        assert admit(request, snapshot(ledger, line, request), now)

    def lend(now: float) -> None:
        request = EncodeRequest("new/720p", Codec.H264, 1280, 720, 30, now, priority=50)
        decision = admit(request, snapshot(ledger, Line(1), request), now)
        assert isinstance(decision, Grant)
        reservation = ledger.reserve(request.holder, decision.takes, now)
        assert reservation is not None
        ledger.give_back(reservation)

    rows: list[list[object]] = []
    for name, once in (("look at the books and decide", decide), ("decide, reserve, give back", lend)):
        wall, cpu = microseconds(rounds, once, time.perf_counter), microseconds(rounds, once, time.thread_time)
        rows.append([name, leases, waiting, " / ".join(wall), " / ".join(cpu)])
    return rows


class Pretended:
    """Devices that are not there: `Looking` and `Trying`. All of them encode."""

    def __init__(self, sessions: int) -> None:
        choice = (EncoderChoice(Codec.H264, "pretended", ("none",)),)
        device = Device("gpu:0", "gpu", "GPU", True, "geforce", choice, "1.0", sessions)
        pairs = [(f"gpu:{number}", names(number)[1]) for number in range(DEVICES)]
        devices = tuple(replace(device, id=id, pool=pool) for id, pool in pairs)
        uses = tuple(DeviceUse(id, (), 0, 1 << 42, 0, bar1_total=1 << 40, bar1_used=0) for id, _ in pairs)
        cpu = Device("software", "software", "CPU", False, "software", CHOICES)
        gpus = VendorReport("gpu", VendorState.WORKS, VendorLook(devices, uses))
        self._reports = (gpus, VendorReport("software", VendorState.WORKS, VendorLook((cpu,))))

    async def look_all(self) -> tuple[VendorReport, ...]:
        return self._reports

    def reports(self) -> tuple[VendorReport, ...]:
        return self._reports

    async def trial(self, order: EncoderOrder) -> TrialResult:
        return TrialResult(True, element=order.entry)

    async def calibrate(self) -> Calibration:
        return Calibration(1e12, {})


async def measure_host(leases: int, rounds: int) -> list[list[object]]:
    """What stands between a request and its seat in a host, and between its end and the next one's turn."""
    settings = Settings.model_validate({"encoders": {"cpu_pixels_per_s": 1e12, "look_s": 3600}})
    pretended = Pretended(leases + 1000)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db", 1 << 24)
        await store.open()
        encoders = Encoders(EncodersParts(settings, pretended, pretended, store, EventLog()))
        await encoders.start()
        seats = []
        for number in range(leases):
            seat = await encoders.take(EncodeRequest(f"lobby-{number}/main", Codec.H264, 1280, 720, 30, 0.0))
            encoders.opened(seat, 1_000_000 + number, None)
            seats.append(seat)
        spent: dict[tuple[str, str], list[float]] = {}
        for clock in (time.perf_counter, time.thread_time):
            for number in range(rounds):
                request = EncodeRequest(f"new-{number}/main", Codec.H264, 1280, 720, 30, time.monotonic())
                start = clock()
                seat = await encoders.take(request)
                taken = clock()
                encoders.give_back(seat)
                spent.setdefault(("request to seat", clock.__name__), []).append((taken - start) * 1e6)
                spent.setdefault(("seat given back", clock.__name__), []).append((clock() - taken) * 1e6)
        for seat in seats:
            encoders.give_back(seat)
        await encoders.close()
        await store.close()
    return [
        [
            f"host: {name}",
            leases,
            0,
            " / ".join(cut(spent[name, "perf_counter"])),
            " / ".join(cut(spent[name, "thread_time"])),
        ]
        for name in ("request to seat", "seat given back")
    ]


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # as a quiet host
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    rows = [row for leases, waiting in ((0, 0), (1000, 0), (1000, 1000)) for row in measure(leases, waiting, rounds)]
    for leases in (0, 1000):
        rows += asyncio.run(measure_host(leases, max(100, rounds // 10)))
    columns = ["microseconds: p50 / p99 / max", "leases", "waiting", "wall clock", "CPU of the thread"]
    show_table(f"Admission, {DEVICES} devices", columns, rows)


if __name__ == "__main__":
    main()
