"""What is true of a process now, for `steadycast diagnose --pid`: descriptors, memory, and the GPU it is on."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from dataclasses import replace

from steadycast.errors import CallerError
from steadycast.model import Resource
from steadycast.tracking import proc
from steadycast.tracking.probes.cgroup import Cgroups
from steadycast.tracking.probes.cgroup import read as read_group
from steadycast.tracking.probes.limits import meminfo, open_files, ram
from steadycast.tracking.probes.reading import Reading
from steadycast.tracking.signatures import Facts, Match
from steadycast.vendors.nvidia import NvidiaVendor
from steadycast.vendors.protocol import Device, DeviceUse, VendorError, VendorLook

AGAIN_S = 2.0  # facts of a log that is followed are read again for an incident, but not more often than that
SYSTEMD_S = 5.0
DRIVER_S = 5.0  # a driver whose GPU hangs does not answer
FRESH_S, OLD_S = 60.0, 600.0  # younger is new, older had worked before; between them nobody knows


class ProcessFacts:
    """Of one process: read once, or (`live`) for each incident. Lines that another life of the server wrote get none;
    what was read last of a process that is gone stays."""

    def __init__(self, pid: int, *, live: bool = False) -> None:
        started = proc.start_time(pid)
        if started is None:
            raise CallerError(
                "diagnose.no_process", f"There is no process {pid}.", hint="Without --pid, causes are ranked unread."
            )
        self._started = started
        self._live = live
        self.began = time.time() - proc.age(started)
        self.facts = read_facts(pid, proc.age(started))
        self.pid = pid
        self.is_now = False  # lines without a time are of this moment
        self.left_out = 0  # lines from before it began
        self._read = time.monotonic()

    def of(self, match: Match) -> Facts | None:
        """For `Incidents`."""
        if match.line.zoned and match.line.at is not None and match.line.at < self.began:
            self.left_out += 1
            return None
        if self._live and time.monotonic() - self._read >= AGAIN_S and proc.is_same(self.pid, self._started):
            self.facts = read_facts(self.pid, proc.age(self._started))
            self._read = time.monotonic()
        return replace(self.facts, at=None) if self.is_now and not match.line.zoned else self.facts


def main_pid(unit: str) -> int | None:
    """Of a systemd unit that runs; None where it does not, or nobody can tell."""
    program = shutil.which("systemctl")
    if program is None:
        return None
    words = [program, "show", "--property=MainPID", "--value", "--", unit]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SYSTEMD_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = done.stdout.strip()
    return int(said) if said.isascii() and said.isdigit() and said != "0" else None


def read_facts(pid: int, age: float) -> Facts:
    """What may be read of it; the rest is None. `age` in seconds."""
    found = proc.descriptors(pid)
    free, total = _memory(pid)
    device, use, sessions = _device(pid)
    return Facts(
        at=time.time(),
        pid=pid,
        descriptors=None if found is None else len(found),
        descriptor_limit=_limit(pid),
        vram_free=_difference(use.vram_total, use.vram_used, use.vram_reserved) if use else None,
        vram_total=use.vram_total if use else None,
        bar1_free=_difference(use.bar1_total, use.bar1_used) if use else None,
        bar1_total=use.bar1_total if use else None,
        sessions=sessions,
        session_cap=device.session_cap if device else None,
        cap_source="driver table" if device and device.session_cap else None,
        memory_free=free,
        memory_total=total,
        fresh=True if age < FRESH_S else False if age > OLD_S else None,
    )


def _limit(pid: int) -> int | None:
    try:
        return open_files((proc.PROC / str(pid) / "limits").read_text(errors="replace"))
    except OSError:
        return None


def _memory(pid: int) -> tuple[int | None, int | None]:
    """Free and total of the machine or of the control group, whichever ends first."""
    bounds = [one for one in (ram(meminfo()),) if one]
    group = Cgroups().of(pid)
    if group is not None:
        bounds += [one for one in read_group(group, Reading()) if one.measured.resource is Resource.CGROUP]
    if not bounds:
        return None, None
    tightest = min(bounds, key=lambda one: one.limit - one.used)
    return int(tightest.limit - tightest.used), int(tightest.limit)


def _difference(total: int | None, *used: int | None) -> int | None:
    return None if total is None or used[0] is None else max(0, total - sum(one or 0 for one in used))


def _device(pid: int) -> tuple[Device | None, DeviceUse | None, int | None]:
    """The GPU the process is on (the only one where it cannot be told), and the sessions of its pool."""
    look = _look()
    if look is None:
        return None, None, None
    devices = {one.id: one for one in look.devices}
    mine = [use for use in look.uses if use.memory_by_pid and pid in use.memory_by_pid]
    chosen = mine or (list(look.uses) if len(look.uses) == 1 else [])
    if not chosen or chosen[0].device not in devices:
        return None, None, None
    use = chosen[0]
    device = devices[use.device]
    pool = [one for one in look.uses if (other := devices.get(one.device)) and other.pool == device.pool]
    counts = [len(one.sessions) if one.sessions is not None else one.session_count for one in pool]
    known = [count for count in counts if count is not None]
    return device, use, sum(known) if len(known) == len(counts) else None


def _look() -> VendorLook | None:
    """None without an NVIDIA GPU, or where its driver does not answer in time."""
    answers: list[VendorLook | None] = []

    def ask() -> None:
        vendor = NvidiaVendor()
        try:
            answers.append(vendor.look())
        except VendorError:
            answers.append(None)
        finally:
            vendor.close()

    asking = threading.Thread(target=ask, daemon=True)  # may hang: then it is left behind
    asking.start()
    asking.join(DRIVER_S)
    return answers[0] if answers else None
